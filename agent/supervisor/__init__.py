"""The one process that stays: control, lifecycles, store, probes, telemetry. It runs no model."""
