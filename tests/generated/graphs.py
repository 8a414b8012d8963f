"""A hypothesis strategy for ONNX models of every kind that a cut may meet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from hypothesis import strategies as st
from onnx import ModelProto

from tests.generated import arithmetic, bodies, containers, functions, layers, selecting, shaping
from tests.generated.building import ANY, BOOL, F16, F64, I8, I32, I64, U8, Build, F, Tensor
from tests.generated.models import assembled
from tests.generated.single_nodes import NEWEST_OPSET, OLDEST_OPSET, UnfitError

Maker = Callable[[Build], Any]

GROUPS: dict[str, Sequence[Maker]] = {
    "smooth": (arithmetic.smooth, arithmetic.binary, arithmetic.variadic),
    "dense": (layers.matmul, layers.gemm),
    "rough": (arithmetic.rough, arithmetic.divided, arithmetic.clip),
    "logic": (arithmetic.compared, arithmetic.logical, arithmetic.where, arithmetic.asked),
    "types": (arithmetic.cast, arithmetic.clip),
    "pictures": (layers.convolution, layers.pooled, layers.normalised, shaping.resized),
    "recurrent": (layers.recurrent, layers.normalised),
    "bytes": (layers.quantised, layers.dequantised, layers.measured),
    "moves": (shaping.transposed, shaping.reshaped, shaping.unsqueezed, shaping.joined),
    "parts": (shaping.halves, shaping.sliced, shaping.padded, shaping.tiled, shaping.joined),
    "sums": (
        selecting.reduced,
        selecting.whole,
        selecting.triangle,
        selecting.accumulated,
        selecting.summed,
    ),
    "choices": (
        selecting.top,
        selecting.largest,
        selecting.gathered,
        selecting.embedded,
        selecting.one_hot,
    ),
    "shapes": (shaping.shape_of, shaping.filled, shaping.expanded, shaping.counted),
    "open": (selecting.nonzero, selecting.scattered, selecting.compressed, selecting.unique),
    "control": (bodies.if_, bodies.loop, bodies.scan),
    "functions": (functions.call, functions.call, functions.call),
    "chance": (arithmetic.random, arithmetic.dropout),
    "sequences": (containers.sequence, containers.pieces, containers.taken, containers.optional),
    "exotic": (arithmetic.exotic, arithmetic.back),
    "own": (layers.fused,),
    "large": (layers.large, layers.large, containers.wide),
}
"""Kinds of operators; a model is made of a few of them."""
RARE = ("exotic", "sequences", "control", "functions", "large")
"""Those that make a cut hard; one of them more now and then."""
NAMINGS = ("t{}", "/model/layers.{}/op_output_0", "{}", "a+b{}", "t{}:0", "größe {}", "x[{}]")
"""As exporters write names, and as nobody should."""

WIDEST = 400
"""Characters of a line, where weights are written out."""


@dataclass
class Generated:
    """A model, how to save it, and what to ask of it."""

    model: ModelProto
    external: bool
    """Whether its weights are in a file beside it."""
    stages: int
    """How many segments to ask for; 0: as many as can be, -1: one more than that."""
    sizes: dict[str, int]
    """Of dynamic dimensions, for the run that compares."""

    def __repr__(self) -> str:
        text = onnx.printer.to_text(self.model).splitlines()
        said = f"stages={self.stages} external={self.external} sizes={self.sizes}"
        return "\n".join([said, *(line[:WIDEST] for line in text)])

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """Show a failure as text; hypothesis would show what protobuf says of itself."""
        printer.text(repr(self))


@st.composite
def models(draw: st.DrawFn) -> Generated:
    """Return models of 1 to 25 operators, and a few more that make weights."""
    opset = draw(st.integers(OLDEST_OPSET, NEWEST_OPSET))
    build = Build(draw, opset, draw(st.sampled_from(NAMINGS)))
    groups = draw(st.lists(st.sampled_from(list(GROUPS)), min_size=1, max_size=6, unique=True))
    groups += [draw(st.sampled_from(RARE))] if build.chance(2) else []
    makers = [arithmetic.smooth, *(make for name in groups for make in GROUPS[name])]
    for _ in range(draw(st.integers(1, 3))):
        _input(build)
    for _ in range(draw(st.integers(1, 25))):
        _step(build, makers)
    if build.chance(8):
        _input(build)  # that nobody reads
    if build.chance(10):
        functions.define(build)  # that nobody calls
    model = assembled(build, _outputs(build))
    return Generated(
        model,
        external=build.chance(8) and bool(model.graph.initializer),
        stages=draw(st.sampled_from((1, 2, 3, 4, 5, 0, 0, -1))),
        sizes={"N": draw(st.integers(1, 5)), "S": draw(st.integers(1, 5))},
    )


def _input(build: Build) -> Tensor:
    """Add an input of one of the usual shapes; sizes are free wherever they have names."""
    rows = build.choose(("N", 2, "", 1))
    shapes = (rows, 4), (rows, 3, 4), (rows, 4, 6, 6), (rows, "S", 4), (4,), (rows,), ()
    dtype = build.choose((F, F, F, F, F64, F16, I64, I32, U8, I8, BOOL, *ANY))
    return build.input(dtype, build.choose((*shapes[:4], *shapes)))


def _step(build: Build, makers: Sequence[Maker]) -> None:
    """Add an operator of one of these kinds; a kind that finds nothing to read is passed over."""
    for _ in range(3):
        if build.chance(15):
            _input(build)  # that is needed late
        try:
            build.choose(makers)(build)
        except UnfitError:
            continue
        return
    try:
        arithmetic.smooth(build)
    except UnfitError:
        build.op("Identity", [build.pick(ANY)])


def _outputs(build: Build) -> list[Tensor]:
    """Choose outputs: most of what nobody reads, some of the rest, now and then a constant."""
    read = {tensor.name for tensor in build.reads}
    given = {value.name for value in build.inputs}
    may = [t for t in build.tensors if t.dtype in ANY and t.name not in _sparse(build)]
    made = [t for t in may if t.moving and t.name not in given]
    chosen = [t for t in made if t.name not in read and not build.chance(6)]
    for tensor in may:
        if tensor not in chosen and build.chance(8 if tensor.moving else 20):
            chosen.append(tensor)
    if made and not any(tensor in chosen for tensor in made):
        chosen.append(made[-1])
    return chosen or may[-1:]


def _sparse(build: Build) -> set[str]:
    """Return the names of sparse weights, which runtimes give as no array."""
    stored = {tensor.values.name for tensor in build.sparse}
    constants = [node for node in build.nodes if node.op_type == "Constant"]
    return stored | {
        node.output[0] for node in constants if node.attribute[0].name == "sparse_value"
    }
