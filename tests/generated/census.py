"""How many graphs a run has seen, of which kinds, and what became of them."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from onnx import ModelProto, NodeProto, TensorProto

NUMBER = "PACELINE_RANDOM_GRAPHS"
"""Of graphs to try, other ones each time; without it a few that are always the same."""
IS_FIXED = NUMBER not in os.environ
EXAMPLES = int(os.environ.get(NUMBER, "60"))

LARGE_BYTES, OUTSIDE_BYTES = 1 << 20, 1 << 10
HALF, DOUBLE = TensorProto.FLOAT16, TensorProto.DOUBLE
MADE_OF_WEIGHTS = frozenset(("Transpose", "Reshape", "ConstantOfShape", "Mul", "Cast", "Shape"))


@dataclass
class Census:
    """Counts of one run."""

    drawn: int = 0
    discarded: int = 0
    """Models that the runtime itself does not run."""
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why models were discarded."""

    def saw(self, model: ModelProto, *, external: bool) -> None:
        """Count a model, and the kinds that it is of."""
        self.drawn += 1
        self.kinds.update({*kinds(model), *(["weights beside it"] if external else [])})
        self.operators.update({node.op_type for node in _all_nodes(model)})

    def discard(self, why: str) -> None:
        """Count a model that cannot be judged."""
        self.discarded += 1
        self.reasons[" ".join(why.split())[-200:]] += 1


CENSUS = Census()


def kinds(model: ModelProto) -> Iterator[str]:
    """Yield the kinds that ``model`` is of."""
    graph = model.graph
    nodes = list(_all_nodes(model))
    constants = {t.name for t in graph.initializer} | {
        s.values.name for s in graph.sparse_initializer
    }
    inputs = {value.name for value in graph.input} - constants
    outputs = {value.name for value in graph.output}
    read = Counter(name for node in graph.node for name in set(node.input))
    stored = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute)]
    types = {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    operators = {node.op_type for node in nodes}
    computed = _computed(model, constants)
    yield from _sizes(len(graph.node))
    facts = {
        "several inputs": len(inputs) > 1,
        "several outputs": len(outputs) > 1,
        "an output that is read": bool(outputs & set(read)),
        "an output that is an input": bool(outputs & inputs),
        "an output that is a constant": bool(outputs & (constants | computed)),
        "an input that nobody reads": bool(inputs - set(read) - outputs),
        "sizes that vary": any(
            not dim.HasField("dim_value")
            for value in graph.input
            for dim in value.type.tensor_type.shape.dim
        ),
        "types noted": bool(graph.value_info),
        "outputs without a shape": any(
            not value.type.tensor_type.HasField("shape") for value in graph.output
        ),
        "float16": HALF in types,
        "float64": DOUBLE in types,
        "integers": bool(types & {2, 3, 4, 5, 6, 7, 12, 13}),
        "booleans": TensorProto.BOOL in types,
        "functions": bool(model.functions),
        "functions in functions": any(_calls(model, f.node) for f in model.functions),
        "bodies": bool(operators & {"If", "Loop", "Scan"}),
        "values that do not travel": bool(
            operators & {"SequenceConstruct", "SplitToSequence", "Optional"}
        )
        or any(a.i in (8, 16, 17, 22) for n in nodes if n.op_type == "Cast" for a in n.attribute),
        "sizes that the data decides": bool(operators & {"NonZero", "Compress", "Unique"}),
        "chance": bool(operators & {"Bernoulli", "Dropout", "RandomNormal", "RandomUniformLike"}),
        "weights as inputs": any(value.name in constants for value in graph.input),
        "weights that are read twice": any(read[name] > 1 for name in constants | computed),
        "weights that are computed": bool(computed - constants),
        "sparse weights": bool(graph.sparse_initializer)
        or any(a.HasField("sparse_tensor") for node in nodes for a in node.attribute),
        "weights of 1 KiB": any(t.ByteSize() > OUTSIDE_BYTES for t in stored),
        "weights of 1 MiB": any(t.ByteSize() > LARGE_BYTES for t in stored),
        "before opset 13": model.opset_import[0].version < 13,
    }
    yield from (kind for kind, holds in facts.items() if holds)


def _sizes(nodes: int) -> Iterator[str]:
    yield "1 to 5 nodes" if nodes < 6 else "6 to 15 nodes" if nodes < 16 else "16 nodes and more"


def _calls(model: ModelProto, nodes: list[NodeProto]) -> bool:
    own = {(function.domain, function.name) for function in model.functions}
    return any((node.domain, node.op_type) in own for node in nodes)


def _computed(model: ModelProto, constants: set[str]) -> set[str]:
    """Return what operators make of weights alone, Constant operators' own included."""
    found = set(constants)
    for _ in model.graph.node:  # they stand in any order, but it is a valid one
        before = len(found)
        for node in model.graph.node:
            if node.op_type == "Constant" or (node.input and found.issuperset(node.input)):
                found.update(node.output)
        if len(found) == before:
            break
    return found - {""}


def _all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        yield from _within(nodes)


def _within(nodes: list[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _within(attribute.g.node)
