"""ONNX graphs: read, understood, cut and written as segments."""
