"""One segment's process: a runtime, a data plane, and the hot loop between them."""
