"""Find for each tensor that a stage takes the one that comes to it. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from fleet.compose.contract import Contract
from fleet.compose.errors import UnmatchedError

By = Literal["name", "position"]

_EXPORTED: Final = re.compile(r"^serving_default_|:0$")
"""What exporters put around a tensor's name."""


class Pair(NamedTuple):
    """A tensor that a stage takes, and the one that comes to it."""

    made: Contract
    wanted: Contract
    by: By


def pairs(
    wanted: Sequence[Contract], given: Sequence[Contract], earlier: Sequence[Contract] = ()
) -> tuple[Pair, ...]:
    """Return a pair for each tensor in ``wanted``, in that order.

    By name from the stage before, or from stages before that; else by position from the stage
    before; else by name from the pipeline's inputs.

    Args:
        wanted: What a stage takes.
        given: What the stage before gives.
        earlier: What else could be passed on to it, the pipeline's inputs included.

    Raises:
        UnmatchedError: Nothing comes to a tensor.
    """
    found: dict[str, Pair] = {}
    stages = [one for one in earlier if one.stage >= 0]
    inputs = [one for one in earlier if one.stage < 0]
    _by_name(wanted, given, found)
    _by_name(wanted, sorted(stages, key=lambda one: -one.stage), found)
    taken = {pair.made for pair in found.values()}
    left = [one for one in given if one not in taken]
    open_ = [one for one in wanted if one.name not in found]
    found |= {want.name: Pair(made, want, "position") for made, want in zip(left, open_)}  # noqa: B905 more may come than is taken
    _by_name(wanted, inputs, found)
    missing = [one for one in wanted if one.name not in found]
    if missing:
        raise UnmatchedError(missing, left)
    return tuple(found[one.name] for one in wanted)


def plain(name: str) -> str:
    """Return a tensor's name without what exporters put around it."""
    return _EXPORTED.sub("", name)


def _by_name(wanted: Sequence[Contract], given: Sequence[Contract], found: dict[str, Pair]) -> None:
    """Add pairs of the same name, then of names that exporters wrote differently."""
    for pair in (*_same(wanted, given, exact=True), *_same(wanted, given, exact=False)):
        is_taken = any(one.made == pair.made for one in found.values())
        if pair.wanted.name not in found and not is_taken:
            found[pair.wanted.name] = pair


def _same(wanted: Sequence[Contract], given: Sequence[Contract], *, exact: bool) -> Iterator[Pair]:
    for want in wanted:
        for made in given:
            if made.name == want.name or (not exact and plain(made.name) == plain(want.name)):
                yield Pair(made, want, "name")
