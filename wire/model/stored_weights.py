"""The tensors stored in a model: each is checked, counted, and its reference outside noted."""

from wire.model import element_data as model_tensors
from wire.model import external_data
from wire.model import structure as onnx_walk
from wire.model.element_data import Constant
from wire.model.errors import ModelMalformedError, ModelTooLargeError, ProtobufError
from wire.model.external_data import Policy, Reference
from wire.model.protobuf import Budget
from wire.model.structure import Tensor, shown


class Weights:
    """The stored tensors of one model, as the walk comes by them."""

    def __init__(
        self, source: str, policy: Policy, budget: Budget, *, weights_bytes: int | None
    ) -> None:
        self.size_bytes = 0
        """Sum of all tensors, in the file or beside it."""
        self.references: list[Reference] = []
        self._source = source
        self._policy = policy
        self._budget = budget
        self._weights_bytes = weights_bytes

    def take(self, data: memoryview, place: str) -> tuple[str, Constant]:
        """Check the TensorProto that fills ``data``; return its name and what is known of it.

        Raises:
            ModelMalformedError: It contradicts itself.
            ExternalDataError: It refers to bytes that it may not use.
        """
        at = f"{place}, tensor" if place else "tensor"
        try:
            tensor = onnx_walk.tensor(data, self._budget)
            at = f"{at} {shown(tensor.name)}"
            count = model_tensors.elements(tensor.dims)
            size_bytes = model_tensors.size_bytes(count, tensor.data_type)
            if tensor.external is None:
                model_tensors.check_inline(tensor, count)
            else:
                self._refer(tensor, at, size_bytes)
            self.size_bytes += size_bytes
            return tensor.name, model_tensors.constant(tensor, count)
        except ProtobufError as error:
            raise ModelMalformedError(self._source, at, error.problem) from error

    def check_total(self) -> None:
        """Check that a segment's tensors do not share their bytes to seem many.

        Raises:
            ModelTooLargeError: Together they are larger than ``weights.bin``.
        """
        claimed = sum(found.size_bytes for found in self.references)
        if self._policy is Policy.SEGMENT and claimed > (self._weights_bytes or 0):
            raise ModelTooLargeError(
                self._source,
                "",
                f"tensors of {claimed} bytes are said to be in {external_data.WEIGHTS_FILE}"
                f" ({self._weights_bytes or 0} bytes)",
            )

    def _refer(self, tensor: Tensor, place: str, size_bytes: int) -> None:
        if model_tensors.is_stored_inline(tensor):
            raise ProtobufError("its elements are in this file and in another one")
        if tensor.data_type == model_tensors.STRING:
            raise ProtobufError("strings cannot be in another file")
        found = external_data.reference(
            self._source,
            place,
            tensor.external or (),
            size_bytes=size_bytes,
            policy=self._policy,
            weights_bytes=self._weights_bytes,
        )
        self.references.append(found)
