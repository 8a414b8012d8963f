"""Into how many segments may a model be cut at all? By brute force, from the protobuf alone.

Knows nothing of how the splitter reads a graph or chooses. A prefix of the computation is a set of
operators that contains all that they depend on; a cut may lie after it when each tensor that
crosses is of a type that travels, and they are few enough for one frame. What is computed from
weights alone never crosses: whoever reads it computes it. Functions are to be written out before;
If, Loop and Scan stay whole. Bytes are not counted: generated tensors are small.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Final

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

from tests.generated.single_nodes import session
from wire.tensors import ELEMENT_TYPES

AT_MOST: Final = 128
"""Tensors in one frame."""
ENUMERATED: Final = 20_000
"""Prefixes; with more of them only some orders are tried."""
SPELLED: Final = {
    "float": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9,
    "float16": 10, "double": 11, "uint32": 12, "uint64": 13,
}  # fmt: skip
"""How the runtime spells element types."""
CHANCE: Final = (
    "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
)  # fmt: skip
"""Operators that give what chance decides, whatever they read."""


@dataclass(frozen=True)
class Moving:
    """The operators that a cut can lie between, and what exists before, among and after them."""

    reads: tuple[frozenset[str], ...]
    writes: tuple[frozenset[str], ...]
    inputs: frozenset[str]
    outputs: frozenset[str]
    """None of them is of a type that does not travel: such a model is no pipeline at all."""
    travelling: frozenset[str]
    has_constants: bool = False
    """Whether there are outputs that weights alone decide."""

    @cached_property
    def before(self) -> tuple[int, ...]:
        """For each operator, those that it directly depends on, as bits."""
        return tuple(self._bits(names, self.writes) for names in self.reads)

    @cached_property
    def stuck(self) -> tuple[tuple[int, int], ...]:
        """For each tensor that does not travel, its maker and its readers, as bits."""
        names = sorted(frozenset().union(*self.writes) - self.travelling)
        return tuple(
            (self._bits({name}, self.writes), self._bits({name}, self.reads)) for name in names
        )

    @property
    def tensors(self) -> int:
        """How many there are."""
        return len(self.inputs) + sum(len(names) for names in self.writes)

    def is_legal(self, done: int) -> bool:
        """Whether a cut may lie after the operators in ``done``."""
        if any(done & maker and readers & ~done for maker, readers in self.stuck):
            return False
        return self.tensors <= AT_MOST or len(self._crossing(done)) <= AT_MOST

    def _crossing(self, done: int) -> set[str]:
        made, needed = set(self.inputs), set(self.outputs)
        for index, (names, given) in enumerate(zip(self.reads, self.writes, strict=True)):
            if done >> index & 1:
                made |= given
            else:
                needed |= names
        return made & needed

    @staticmethod
    def _bits(names: Collection[str], of: Sequence[frozenset[str]]) -> int:
        return sum(1 << index for index, own in enumerate(of) if not own.isdisjoint(names))

    def longest(self) -> int | None:
        """Return the most segments there can be; None when there are too many prefixes to try.

        Two prefixes, one in the other, have a way of single operators between them; so the most
        cuts up to a prefix are those up to one with an operator less.
        """
        if not self.reads:  # weights are a segment, inputs handed through are none
            return int(self.has_constants)
        if not self.stuck and self.tensors <= AT_MOST:
            return len(self.reads)
        everything = (1 << len(self.reads)) - 1
        cuts, total = {0: 0}, 1
        for _ in self.reads:
            grown: dict[int, int] = {}
            for done, count in cuts.items():
                for after in self._grown(done):
                    grown[after] = max(count, grown.get(after, 0))
            total += len(grown)
            if total > ENUMERATED:
                return None
            cuts = {
                done: count + (done != everything and self.is_legal(done))
                for done, count in grown.items()
            }
        return cuts[everything] + 1

    def along(self, random: Random) -> int:
        """Return the most segments along one order of the operators."""
        done, cuts = 0, 0
        for _ in self.reads[1:]:
            done = random.choice(list(self._grown(done)))
            cuts += self.is_legal(done)
        return cuts + 1

    def _grown(self, done: int) -> Iterator[int]:
        for index, needed in enumerate(self.before):
            if not done >> index & 1 and needed & done == needed:
                yield done | 1 << index


def moving(model: ModelProto) -> Moving:
    """Return the operators of ``model`` that outputs need and that weights alone do not decide."""
    graph = model.graph
    weights = {w.name for w in graph.initializer} | {
        s.values.name for s in graph.sparse_initializer
    }
    inputs = frozenset(value.name for value in graph.input) - weights
    by_name = {name: node for node in graph.node for name in node.output if name}
    wanted: dict[int, NodeProto] = {}
    waiting = [value.name for value in graph.output]
    while waiting:
        node = by_name.get(waiting.pop())
        if node is not None and id(node) not in wanted:
            wanted[id(node)] = node
            waiting += _reads(node)
    functions = {(f.domain, f.name): list(f.node) for f in model.functions}
    moves = set(inputs)
    moves.update(n for node in wanted.values() if _by_chance(node, functions) for n in node.output)
    grown = -1
    while grown < len(moves):
        grown = len(moves)
        for node in wanted.values():
            if moves.intersection(_reads(node)):
                moves.update(name for name in node.output if name)
    nodes = [node for node in wanted.values() if moves.intersection(node.output)]
    types = _types(model, [name for node in nodes for name in node.output if name])
    travels = {name for name, kind in types.items() if SPELLED.get(kind) in ELEMENT_TYPES}
    outputs = frozenset(value.name for value in graph.output)
    return Moving(
        reads=tuple(frozenset(_reads(node)) & moves for node in nodes),
        writes=tuple(frozenset(node.output) - {""} for node in nodes),
        inputs=inputs,
        outputs=outputs & moves,
        travelling=frozenset(travels),
        has_constants=not outputs <= moves,
    )


def _reads(node: NodeProto) -> list[str]:
    return [name for name in node.input if name] + [
        name for body in _bodies(node) for name in _from_outside(body)
    ]


def _bodies(node: NodeProto) -> list[GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def _from_outside(body: GraphProto) -> set[str]:
    own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    own.update(name for node in body.node for name in node.output)
    return {name for node in body.node for name in _reads(node)} - own


def _by_chance(node: NodeProto, functions: Mapping[tuple[str, str], list[NodeProto]]) -> bool:
    inner = functions.get((node.domain, node.op_type), [])
    inner = inner + [within for body in _bodies(node) for within in body.node]
    return node.op_type in CHANCE or any(_by_chance(within, functions) for within in inner)


def _types(model: ModelProto, names: list[str]) -> dict[str, str]:
    """Return the element types of inputs and of ``names``, as the runtime finds them."""
    whole = ModelProto()
    whole.CopyFrom(model)
    given = {value.name for value in whole.graph.output}
    whole.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in given)
    runner = session(whole.SerializeToString())
    return {
        value.name: value.type.removeprefix("tensor(").removesuffix(")")
        for value in (*runner.get_inputs(), *runner.get_outputs())
    }
