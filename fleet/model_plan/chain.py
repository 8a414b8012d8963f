"""A model as a chain of blocks, between places where it may be cut. Pure data."""

from collections.abc import Iterable

import msgspec

from fleet.formats import RUNTIMES
from wire.manifest import ModelRef


class Shared(msgspec.Struct, frozen=True):
    """A weight that an earlier block needs, too: two stages that have both hold it twice."""

    size_bytes: int
    first: int
    """The block that is the first to need it."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Operators that stay on one device: between two neighbouring places of the chain."""

    operators: tuple[str, ...]
    """By the first tensor that each writes, as in a profile."""
    kinds: tuple[str, ...]
    """Of each operator."""
    multiply_accumulates: int
    weight_bytes: int
    """Weights that it is the first to need."""
    shared: dict[str, Shared] = {}
    """Others that it needs, by name; small ones are left out."""
    activation_bytes: int
    """The most that exists at once while it runs, what is passed on included."""
    out_bytes: int
    """What crosses the cut behind it; of the last block: the outputs."""
    cut: tuple[str, ...] = ()
    """The tensors of that cut that are computed, as `paceline split --at` takes them."""
    float_bytes: int = 0
    """How many of ``out_bytes`` are float32: codecs make those smaller."""


class ModelChain(msgspec.Struct, frozen=True, kw_only=True):
    """A model, ready to be planned."""

    model: ModelRef
    format: str = "onnx"
    sizes: dict[str, tuple[int, ...]]
    """Of each input."""
    blocks: tuple[Block, ...]
    input_bytes: int
    input_float_bytes: int
    output_bytes: int
    cut_space: str
    """``downsets``: every cut that there is; else which were looked at."""
    without_rule: dict[str, int]
    """Operators of which nobody can say how much work they are, counted as none; by kind."""
    notes: tuple[str, ...] = ()
    places: dict[str, int] = {}
    """The block of each operator, by its name in the file and by each tensor that it writes."""

    @property
    def runtime(self) -> str:
        """Return what runs its segments on a processor."""
        return RUNTIMES[self.format]

    def runs_on(self, runtimes: Iterable[str]) -> bool:
        """Whether one of these runtimes runs its segments: they are named by what they open."""
        return any(name.startswith(f"{self.format}_") for name in runtimes)

    def again_bytes(self, first: int, last: int) -> int:
        """Return the weights that blocks need which an earlier stage holds already."""
        again = {
            name: weight.size_bytes
            for block in self.blocks[first : last + 1]
            for name, weight in block.shared.items()
            if weight.first < first
        }
        return sum(again.values())

    @property
    def multiply_accumulates(self) -> int:
        """Return the work of one frame."""
        return sum(block.multiply_accumulates for block in self.blocks)
