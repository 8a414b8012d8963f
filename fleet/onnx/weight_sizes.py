"""How many bytes a weight of an ONNX model is."""

from onnx import TensorProto

from wire.model.element_data import elements, size_bytes


def of_tensor(tensor: TensorProto) -> int:
    """Return the size of a weight in bytes."""
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    return size_bytes(elements(tuple(tensor.dims)), tensor.data_type)
