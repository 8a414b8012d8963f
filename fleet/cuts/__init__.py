"""Where a graph may be cut, and which of these places are best: over downsets, not over one order.

Pure: no I/O, no clock, and nothing of ONNX.
"""
