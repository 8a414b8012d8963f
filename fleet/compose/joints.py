"""Where tensors cross between stages: what is done to each, where, and its name on the way.

Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from fleet.compose.adapting import Host
from fleet.compose.contract import Contract, Size, Step, after
from fleet.compose.matching import By


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """A tensor that one stage takes, and how it comes there."""

    made: Contract
    """As its maker gives it; stage -1: as the pipeline takes it."""
    wanted: Contract
    """As its reader takes it."""
    by: By
    steps: tuple[Step, ...]
    """The adapter; empty: none is needed."""
    host: Host
    """Whose segment the adapter is written into, and whose tensor gets the other's name."""
    name: str = ""
    """Under which it travels."""

    @property
    def outside(self) -> Contract:
        """The tensor that travels."""
        made = after(self.made, self.steps) if self.host == "maker" else self.made
        return made.named(self.name)

    @property
    def host_stage(self) -> int:
        """The stage whose segment has the adapter."""
        return self.made.stage if self.host == "maker" else self.wanted.stage

    @property
    def maker_steps(self) -> tuple[Step, ...]:
        """What the maker's segment does."""
        return self.steps if self.host == "maker" else ()

    @property
    def reader_steps(self) -> tuple[Step, ...]:
        """What the reader's segment does."""
        return self.steps if self.host == "reader" else ()


class _Wire(NamedTuple):
    """What travels as one tensor, whoever reads it."""

    stage: int
    name: str
    steps: tuple[Step, ...]


def named(
    joints: Sequence[Joint], ends: Collection[str], names: Sequence[Collection[str]]
) -> tuple[Joint, ...]:
    """Return the joints with names under which their tensors travel, each unique in the pipeline.

    A tensor keeps its name on the side that is left as it is.

    Args:
        joints: Of all stages.
        ends: The pipeline's inputs and outputs.
        names: Of all tensors inside each stage.
    """
    taken = {*ends}
    found: dict[_Wire, str] = {}
    for joint in joints:
        wire = _Wire(joint.made.stage, joint.made.name, joint.maker_steps)
        if wire in found:
            continue
        if joint.made.stage < 0:
            found[wire] = joint.made.name
            continue
        sharing = [one for one in joints if _wire(one) == wire]
        wishes = [joint.made.name, joint.wanted.name]
        if joint.host == "maker":
            wishes.reverse()
        found[wire] = _free(wishes, sharing, taken, names)
        taken.add(found[wire])
    return tuple(replace(joint, name=found[_wire(joint)]) for joint in joints)


def free_name(wished: str, taken: Collection[str]) -> str:
    """Return ``wished``, or something like it that is not taken."""
    number, name = 0, wished
    while name in taken:
        number += 1
        name = f"{wished}.{number}"
    return name


def _wire(joint: Joint) -> _Wire:
    return _Wire(joint.made.stage, joint.made.name, joint.maker_steps)


def _free(
    wishes: Sequence[str],
    sharing: Sequence[Joint],
    taken: Collection[str],
    names: Sequence[Collection[str]],
) -> str:
    """Return a name that no other tensor has, in the pipeline and in the stages on both sides."""
    own = {(one.made.stage, one.made.name) for one in sharing}
    own |= {(one.wanted.stage, one.wanted.name) for one in sharing}
    inside = {stage for stage, _ in own}
    for wished in wishes:
        clashes = any(wished in names[at] and (at, wished) not in own for at in inside)
        if wished not in taken and not clashes:
            return wished
    return free_name(wishes[0], {*taken, *(name for stage in names for name in stage)})


# sizes


Sizes = Mapping[tuple[int, str], Size]
"""What a stage's named dimension is called, or is, in the whole pipeline."""


def unified(joints: Sequence[Joint], contracts: Sequence[Contract]) -> Sizes:
    """Return what each stage's named dimensions are: one name, or one size, for those that meet.

    Where one stage leaves a size open and its neighbour does not, it is the neighbour's.

    Args:
        joints: Of all stages.
        contracts: All that stages take and give.
    """
    groups: dict[tuple[int, str], tuple[int, str]] = {}
    fixed: dict[tuple[int, str], int] = {}

    def root(one: tuple[int, str]) -> tuple[int, str]:
        while groups.setdefault(one, one) != one:
            one = groups[one]
        return one

    for contract in contracts:
        for size in contract.shape:
            if isinstance(size, str) and size:
                root((max(0, contract.stage), size))
    for made, wanted in _meeting(joints):
        open_ = [side for side in (made, wanted) if isinstance(side, tuple)]
        sizes = [side for side in (made, wanted) if isinstance(side, int)]
        if len(open_) == 2:
            first, second = sorted(root(side) for side in open_)
            groups[second] = first
            if second in fixed:
                fixed.setdefault(first, fixed[second])
        elif open_ and sizes:
            fixed.setdefault(root(open_[0]), sizes[0])
    found: dict[tuple[int, str], Size] = {}
    used: dict[str, tuple[int, str]] = {}
    for one in sorted(groups):
        top = root(one)
        if top in fixed:
            found[one] = fixed[top]
            continue
        name = top[1] if used.setdefault(top[1], top) == top else f"{top[1]}.{top[0]}"
        found[one] = name
    return found


def sized(contract: Contract, stage: int, sizes: Sizes) -> tuple[Size, ...]:
    """Return a contract's shape, whose names are those of ``stage``, in the whole pipeline."""
    return tuple(
        sizes.get((stage, size), size) if isinstance(size, str) else size for size in contract.shape
    )


_Side = int | tuple[int, str] | None


def _meeting(joints: Iterable[Joint]) -> Iterator[tuple[_Side, _Side]]:
    """Yield the dimensions that are one and the same, as each side says them."""
    for joint in joints:
        made = after(joint.made, joint.steps)
        for ours, theirs in zip(made.shape, joint.wanted.shape, strict=True):
            yield _side(max(0, joint.made.stage), ours), _side(joint.wanted.stage, theirs)


def _side(stage: int, size: Size) -> _Side:
    if isinstance(size, int):
        return size
    return (stage, size) if size else None
