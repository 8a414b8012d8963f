"""Build one graph operator by operator, and know of each tensor what is needed to go on.

A ``Build`` is a graph, the body of an operator inside one, or the body of a function. Whether an
operator may stand somewhere is asked of onnx and of onnxruntime, with that one node alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import (
    FunctionProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
)

from tests.generated import single_nodes
from tests.generated.single_nodes import UnfitError

F, F64, F16 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16
I64, I32, I8, U8 = TensorProto.INT64, TensorProto.INT32, TensorProto.INT8, TensorProto.UINT8
BOOL = TensorProto.BOOL
FLOATS = (F, F64, F16)
INTS = (I64, I32, U8, I8, TensorProto.INT16, TensorProto.UINT16, TensorProto.UINT32, 13)
NUMBERS = FLOATS + INTS
ANY = (*NUMBERS, BOOL)

Size = int | str | None


@dataclass(frozen=True, eq=False)
class Tensor:
    """One value of a graph."""

    name: str
    type: TypeProto
    moving: bool
    """Whether it depends on an input of the graph, or on chance."""
    exact: bool
    """Whether it depends on no half precision, which a cut may round."""
    below: int = 0
    """All its elements are in [0, below); 0: nothing is known."""
    value: np.ndarray | None = None
    """Its elements, when they are few and known."""

    @property
    def dtype(self) -> int:
        """ONNX's number; 0 for what is no tensor."""
        return self.type.tensor_type.elem_type if self.type.HasField("tensor_type") else 0

    @property
    def shape(self) -> tuple[Size, ...] | None:
        """Sizes, names, and None for what nobody knows; None altogether without a rank."""
        if not self.dtype or not self.type.tensor_type.HasField("shape"):
            return None
        return tuple(
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in self.type.tensor_type.shape.dim
        )

    @property
    def known(self) -> bool:
        """Whether each dimension is a size or has a name."""
        return self.shape is not None and None not in self.shape

    def size(self, axis: int) -> int:
        """Return the size of an axis; 0 when it is not a number, or there is no such axis."""
        shape = self.shape or ()
        size = shape[axis] if -len(shape) <= axis < len(shape) else None
        return size if isinstance(size, int) else 0

    @property
    def rank(self) -> int:
        """Number of dimensions; -1 when it is not known."""
        return -1 if self.shape is None else len(self.shape)


@dataclass
class Build:
    """A graph in the making."""

    draw: Callable[[st.SearchStrategy], Any]
    opset: int
    naming: str = "t{}"
    outer: "Build | None" = None
    """The graph around this body, whose tensors it may capture."""
    is_function: bool = False
    nodes: list[NodeProto] = field(default_factory=list)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    sparse: list[SparseTensorProto] = field(default_factory=list)
    functions: list[FunctionProto] = field(default_factory=list)
    """Those of the model, kept by its graph."""
    tensors: list[Tensor] = field(default_factory=list)
    reads: list[Tensor] = field(default_factory=list)
    """What its operators read, and the bodies inside them capture."""
    count: int = 0

    @property
    def root(self) -> "Build":
        """The model's own graph, or the function's."""
        return self.outer.root if self.outer else self

    def visible(self) -> Iterator[Tensor]:
        """Yield what an operator may read, newest first."""
        yield from reversed(self.tensors)
        if self.outer:
            yield from self.outer.visible()

    def name(self) -> str:
        """Return a new name; bodies beside each other use the same ones."""
        self.count += 1
        return self.naming.format(self.count)

    def chance(self, one_in: int) -> bool:
        """Decide; no is what examples shrink to."""
        return bool(self.draw(st.sampled_from([False] * (one_in - 1) + [True])))

    def choose(self, options: Sequence[Any]) -> Any:
        """Choose one; examples shrink to the first."""
        return self.draw(st.sampled_from(options))

    def size(self, least: int, most: int) -> int:
        """Choose a number; examples shrink to the least."""
        return int(self.draw(st.integers(least, most)))

    def pick(
        self,
        dtypes: Sequence[int] = FLOATS,
        ranks: Sequence[int] | None = None,
        fits: Callable[[Tensor], bool] = lambda _: True,
        *,
        moving: bool | None = None,
        exact: bool = False,
    ) -> Tensor:
        """Choose a tensor to read; mostly one that moves, often one of the newest.

        Raises:
            UnfitError: There is none.
        """
        found = [
            tensor
            for tensor in self.visible()
            if tensor.dtype in dtypes
            and (ranks is None or (tensor.rank in ranks and tensor.known))
            and (tensor.exact or not exact)
            and (moving is None or tensor.moving is moving)
            and fits(tensor)
        ]
        if moving is None:
            going = [tensor for tensor in found if tensor.moving]
            found = found if self.chance(10) else going or found
        if not found:
            raise UnfitError
        return self.choose(found[:2] if self.chance(3) else found)

    def op(
        self,
        op_type: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[bool] | int = 1,
        *,
        domain: str = "",
        below: int = 0,
        like: Tensor | None = None,
        moving: bool = False,
        **attributes: Any,
    ) -> list[Tensor]:
        """Add an operator and return what it gives.

        Args:
            op_type: Its type.
            inputs: What it reads; None is left out, as an empty name.
            outputs: How many, or which: False is left out.
            domain: Whose operator it is.
            below: A bound of its results.
            like: All outputs are of this type; None: onnx knows.
            moving: Whether it gives what chance decides.
            attributes: Its attributes.

        Raises:
            UnfitError: There is no such operator, or not for these inputs.
        """
        wanted = [True] * outputs if isinstance(outputs, int) else list(outputs)
        names = [self.name() if is_wanted else "" for is_wanted in wanted]
        reads = [tensor.name if tensor else "" for tensor in inputs]
        node = helper.make_node(op_type, reads, names, domain=domain, **attributes)
        given = [tensor for tensor in inputs if tensor]
        types = single_nodes.output_types(node, given, self.opset, like.type if like else None)
        return self.add(node, given, types, below=below, moving=moving)

    def add(
        self,
        node: NodeProto,
        reads: Sequence[Tensor],
        types: Sequence[TypeProto],
        *,
        below: int = 0,
        moving: bool = False,
    ) -> list[Tensor]:
        """Add ``node``, which reads and captures ``reads``, and return what it gives."""
        self.nodes.append(node)
        self.reads += reads
        made = []
        for name, kind in zip([n for n in node.output if n], types, strict=True):
            half = kind.HasField("tensor_type") and kind.tensor_type.elem_type == F16
            moves = moving or any(tensor.moving for tensor in reads)
            exact = all(tensor.exact for tensor in reads) and not half
            made.append(Tensor(name, kind, moves, exact, below))
        self.tensors += made
        return made

    def input(self, dtype: int, shape: Sequence[Size]) -> Tensor:
        """Add an input; integers are 0 or 1."""
        kind = tensor_type(dtype, shape)
        below = 2 if dtype in (I64, I32) else 0
        tensor = Tensor(self.name(), kind, True, dtype != F16, below)
        self.inputs.append(ValueInfoProto(name=tensor.name, type=kind))
        self.tensors.append(tensor)
        return tensor

    def body(self, naming: str) -> "Build":
        """Return a body within this graph."""
        return Build(self.draw, self.opset, naming, outer=self)

    def captures(self) -> list[Tensor]:
        """Return what a body takes from the graphs around it."""
        own = {id(tensor) for tensor in self.tensors}
        return [tensor for tensor in self.reads if id(tensor) not in own]


def tensor_type(dtype: int, shape: Sequence[Size] | None) -> TypeProto:
    """Return a tensor's type."""
    return helper.make_tensor_type_proto(dtype, shape)
