"""Whether a TFLite model can be parted: what is refused, by name. Pure."""

from collections import Counter
from typing import Final

from fleet.tflite.errors import NotCuttableError, already_compiled
from wire.model.tflite_operators import REFUSED
from wire.tflite.operators import EDGETPU_CUSTOM_OP
from wire.tflite.structure import Model

_STATELESS: Final = (
    "a segment answers each frame by itself: export the model without state and loops"
)


def check(model: Model, source: str) -> None:
    """Refuse by name what cannot be parted.

    Raises:
        NotCuttableError: It is compiled already, keeps state, has control flow or several graphs.
    """
    kinds = Counter(
        model.codes[operator.code].name
        for graph in model.graphs
        for operator in graph.operators
        if operator.code < len(model.codes)
    )
    if EDGETPU_CUSTOM_OP in kinds:
        raise already_compiled(source)
    reasons: dict[str, list[str]] = {}
    for kind, count in kinds.items():
        if kind in REFUSED:
            reasons.setdefault(REFUSED[kind], []).append(f"{kind} ({count})")
    if reasons:
        said = ", and ".join(f"{why}, by {', '.join(who)}" for why, who in reasons.items())
        raise NotCuttableError(source, said, _STATELESS)
    keepers = _keepers(model)
    if keepers:
        raise NotCuttableError(source, f"keeps state between frames, by {keepers}", _STATELESS)
    if len(model.graphs) > 1:
        problem = f"holds {len(model.graphs)} graphs, and one can be cut"
        raise NotCuttableError(source, problem, "export each as a model of its own")


def _keepers(model: Model) -> str:
    """Return the operators that keep something in tensors of theirs, for people; empty: none."""
    found: Counter[str] = Counter()
    for graph in model.graphs:
        variables = {i for i, tensor in enumerate(graph.tensors) if tensor.is_variable}
        for operator in graph.operators:
            if variables.intersection(operator.inputs) and operator.code < len(model.codes):
                found[model.codes[operator.code].name] += 1
        if variables and not found:
            name = graph.tensors[min(variables)].name
            return f"the tensor {name!r:.80}"
    return ", ".join(f"{kind} ({count})" for kind, count in found.items())
