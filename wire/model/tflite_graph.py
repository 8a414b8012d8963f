"""The graph of a TFLite model: who makes each tensor, who takes it, and how much is alive at once.

LiteRT runs operators in the file's order and does not look whether it can: a constant that is
written to, or a tensor that is read before it is made, is memory that is not there.
"""

from collections.abc import Iterable, Sequence

from wire.model import tflite_arguments, tflite_sizes
from wire.model.errors import ModelError, ModelMalformedError, ModelTooLargeError
from wire.model.tflite_arguments import LEFT_OUT
from wire.model.tflite_limits import Limits
from wire.model.tflite_tensors import Checked
from wire.tflite.structure import Model


def checked(
    model: Model, tensors: Sequence[Checked], data: memoryview, source: str, *, limits: Limits
) -> int:
    """Check the order of the model's one graph; return the bytes alive at once, without constants.

    Raises:
        ModelMalformedError: An index leads nowhere, or a tensor is not made once, before its use.
        ModelTooLargeError: An operator makes more than ``limits`` allow, or all tensors together.
        ModelError: What crosses the graph's border cannot travel in a frame.
    """
    walk = _Walk(model, tensors, data, source, limits)
    walk.inputs()
    for index in range(len(model.graphs[0].operators)):
        walk.operator(index)
    walk.outputs()
    return walk.peak_bytes


class _Walk:
    """One walk through the graph, in the order in which it runs."""

    def __init__(
        self,
        model: Model,
        tensors: Sequence[Checked],
        data: memoryview,
        source: str,
        limits: Limits,
    ) -> None:
        self.peak_bytes = 0
        self._model = model
        self._graph = model.graphs[0]
        self._tensors = tensors
        self._data = data
        self._source = source
        self._limits = limits
        self._made: set[int] = set()
        self._alive_bytes = 0
        self._last_use = {
            tensor: index
            for index, operator in enumerate(self._graph.operators)
            for tensor in operator.inputs
        } | dict.fromkeys(self._graph.outputs, len(self._graph.operators))

    def inputs(self) -> None:
        for tensor in self._graph.inputs:
            self._check_index("input", tensor)
            self._check_crosses("input", tensor)
            if not self._tensors[tensor].elements:
                raise self._malformed(f"input {self._tensors[tensor].place}", "it has no elements")
            self._make("the graph's inputs", tensor)

    def outputs(self) -> None:
        for tensor in self._graph.outputs:
            self._check_index("output", tensor)
            self._check_crosses("output", tensor)
            self._check_there("the graph's outputs", tensor)

    def operator(self, index: int) -> None:
        operator = self._graph.operators[index]
        name = self._model.codes[operator.code].name
        place = f"operator #{index} ({name:.80})"
        for tensor in (*operator.inputs, *operator.intermediates):
            self._check_index(place, tensor, optional=True)
        for tensor in operator.outputs:
            self._check_index(place, tensor)
        wrong = tflite_arguments.problem(name, operator, self._tensors, self._data)
        if wrong:
            raise self._malformed(place, wrong)
        for tensor in operator.inputs:
            self._check_there(place, tensor)
        for tensor in operator.outputs:
            self._make(place, tensor)
        self._check_made(place, name, operator.inputs, operator.outputs)
        self._end({*operator.inputs, *operator.outputs}, index)

    def _check_index(self, place: str, tensor: int, *, optional: bool = False) -> None:
        if not (LEFT_OUT if optional else 0) <= tensor < len(self._tensors):
            raise self._malformed(
                place, f"tensor {tensor} is not there (there are {len(self._tensors)})"
            )

    def _check_crosses(self, place: str, tensor: int) -> None:
        kind = self._tensors[tensor].type
        if kind.onnx is None:
            raise ModelError(
                self._source,
                f"{place} {self._tensors[tensor].place}",
                f"no frame carries {kind.name}",
            )

    def _check_there(self, place: str, tensor: int) -> None:
        if tensor == LEFT_OUT or tensor in self._made or self._tensors[tensor].is_constant:
            return
        raise self._malformed(place, f"nothing before it makes {self._tensors[tensor].place}")

    def _make(self, place: str, tensor: int) -> None:
        found = self._tensors[tensor]
        if found.data is not None:
            raise self._malformed(place, f"{found.place} is a constant, and cannot be made")
        if tensor in self._made:
            raise self._malformed(place, f"{found.place} is made twice")
        self._made.add(tensor)
        self._alive_bytes += found.size_bytes
        self.peak_bytes = max(self.peak_bytes, self._alive_bytes)
        if self.peak_bytes > self._limits.max_tensor_bytes:
            raise self._too_large(place, f"{self.peak_bytes} bytes of tensors are alive at once")

    def _check_made(
        self, place: str, name: str, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """Check what an operator makes by the constants that say how large."""
        if name not in tflite_sizes.SIZES:
            return
        call = tflite_sizes.Call(
            [self._tensors[i] if i != LEFT_OUT else None for i in inputs],
            self._data,
        )
        bits = self._tensors[outputs[0]].type.bits
        size_bytes = tflite_sizes.made_elements(name, call) * bits / 8
        if size_bytes > self._limits.max_tensor_bytes:
            raise self._too_large(place, f"makes a tensor of {size_bytes:.3g} bytes")

    def _end(self, tensors: Iterable[int], index: int) -> None:
        """Forget what nobody reads after the operator ``index``."""
        for tensor in tensors:
            if tensor in self._made and self._last_use.get(tensor, index) <= index:
                self._alive_bytes -= self._tensors[tensor].size_bytes

    def _malformed(self, place: str, rule: str) -> ModelMalformedError:
        return ModelMalformedError(self._source, place, rule)

    def _too_large(self, place: str, rule: str) -> ModelTooLargeError:
        return ModelTooLargeError(
            self._source, place, f"{rule} (at most {self._limits.max_tensor_bytes})"
        )
