"""A model file as data: structure without tensors' bytes, and the scan that every file passes."""
