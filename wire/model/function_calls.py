"""How large a model becomes when its functions are written out where they are called.

Ten functions that each call the next one ten times are a few hundred bytes and ten thousand
million nodes; one that calls itself never ends. Runtimes write functions out while they load.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from wire.model.errors import ModelTooLargeError, OperatorRefusedError
from wire.model.structure import shown

MAX_CALL_DEPTH: Final = 64

FunctionKey: TypeAlias = tuple[str, str, str]
"""Domain, operator name and overload that a function defines."""


@dataclass(slots=True)
class Body:
    """What stands in a graph or function, inner graphs included."""

    nodes: int = 0
    made_bytes: float = 0
    """Tensors that are made out of nothing while loading."""
    calls: Counter[FunctionKey] = field(default_factory=Counter)
    """How often it calls each of the model's own functions."""
    refusal: OperatorRefusedError | None = None
    """The first operator in it that may not be used: no matter while nobody calls it."""


def expanded(
    top: Body, functions: Mapping[FunctionKey, Body], *, source: str, max_nodes: int
) -> Body:
    """Return what ``top`` becomes when every call is replaced by the function's body.

    Raises:
        ModelTooLargeError: More than ``max_nodes`` nodes, or calls without end.
        OperatorRefusedError: A function that is called holds an operator that may not be used.
    """
    known: dict[FunctionKey, Body] = {}

    def expand(body: Body, path: tuple[FunctionKey, ...]) -> Body:
        whole = Body(body.nodes, body.made_bytes)
        for key, times in body.calls.items():
            inner = known.get(key)
            if inner is None:
                place = f"function {key_shown(key)}"
                if key in path:
                    raise ModelTooLargeError(source, place, "calls itself")
                if len(path) == MAX_CALL_DEPTH:
                    raise ModelTooLargeError(
                        source, place, f"is called more than {MAX_CALL_DEPTH} levels deep"
                    )
                if (refusal := functions[key].refusal) is not None:
                    raise refusal
                inner = known[key] = expand(functions[key], (*path, key))
            whole.nodes += times * inner.nodes
            whole.made_bytes += times * inner.made_bytes
        if whole.nodes > max_nodes:
            place = f"function {key_shown(path[-1])}" if path else ""
            raise ModelTooLargeError(
                source,
                place,
                f"{whole.nodes} nodes with functions written out (at most {max_nodes})",
            )
        return whole

    return expand(top, ())


def key_shown(key: FunctionKey) -> str:
    """Return a function's name for messages."""
    return shown(".".join(part for part in key if part))
