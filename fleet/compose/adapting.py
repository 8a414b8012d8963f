"""Decide what has to be done to a tensor so that the stage that takes it can. Pure.

Layouts are found from shapes where only one order of dimensions fits; what fits in several ways
has to be said. Nothing is done to numbers that loses any, unless it was asked for: but for the
rounding that quantisation is.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from fleet.compose.contract import (
    FIRST,
    FLOAT32,
    FLOATS,
    LAST,
    ONNX,
    QUANTISED,
    Cast,
    Contract,
    Dequantize,
    Quantize,
    Reshape,
    Size,
    Step,
    Transpose,
    after,
)
from fleet.compose.errors import ContractError
from wire.tensors import ELEMENT_TYPES, describe

Host = Literal["maker", "reader"]
"""Whose segment an adapter is written into."""


class Known(NamedTuple):
    """What is known beside two contracts."""

    sizes: tuple[int, ...]
    """Of the tensor that comes, as it came in a run."""
    lossy_casts: bool = False
    """Whether casts may lose something."""


def steps(made: Contract, wanted: Contract, known: Known) -> tuple[Step, ...]:
    """Return what has to be done to ``made``, in order; nothing where it is as ``wanted``.

    Elements are moved while they are small.

    Raises:
        ContractError: It cannot be done, or the user has to say how.
    """
    moves = tuple(_moves(made, wanted, known.sizes))
    conversions = tuple(_conversions(made, wanted, lossy_casts=known.lossy_casts))
    grows = _element_bytes(wanted) >= _element_bytes(made)
    return (*moves, *conversions) if grows else (*conversions, *moves)


def host(made: Contract, wanted: Contract, found: Sequence[Step]) -> Host:
    """Return whose segment the adapter is written into.

    The ONNX side's where one is: a TFLite segment may be compiled, and then stays as it is. Else
    what makes elements smaller is done before they travel.
    """
    if made.stage < 0:  # a client makes it
        return "reader"
    if made.format != wanted.format:
        return "maker" if made.format == ONNX else "reader"
    shrinks = bool(found) and _element_bytes(after(made, found)) < _element_bytes(made)
    return "maker" if shrinks else "reader"


def _element_bytes(contract: Contract) -> int:
    return ELEMENT_TYPES[contract.dtype].size_bytes


# how elements lie


def _moves(made: Contract, wanted: Contract, sizes: tuple[int, ...]) -> Iterator[Step]:
    order = _order(made, wanted, sizes)
    if order is None:
        yield _reshaped(made, wanted, sizes)
    elif order != tuple(range(len(order))):
        yield Transpose(order)


def _order(made: Contract, wanted: Contract, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return how dimensions move; None where no order of them fits.

    Raises:
        ContractError: Several do, or the layouts that were said do not fit.
    """
    rank = len(sizes)
    if rank != len(wanted.shape):
        return None
    same = tuple(range(rank))
    to_last, to_first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
    orders = [same] if rank < 3 else [same, to_last, to_first]
    fitting = [o for o in orders if _fits(o, wanted, sizes)]
    distinct = {_elements_in_order(o, made, sizes): o for o in reversed(fitting)}
    if made.layout and wanted.layout:
        return _said(made, wanted, fitting)
    if len(distinct) < 2:
        order = next(iter(distinct.values()), None)
        _check_said(order, made, wanted)
        return order
    if made.layout or wanted.layout:
        usual = [one.layout or _usual(one.format, rank) for one in (made, wanted)]
        sides = (replace(made, layout=usual[0]), replace(wanted, layout=usual[1]))
        return _said(*sides, fitting)
    if made.format == wanted.format and same in fitting:
        return same
    missing = made if made.format == ONNX else wanted
    options = f"--layout {missing.stage}:{missing.name}={FIRST[rank - 3]} (or {LAST[rank - 3]})"
    raise ContractError(
        made, wanted, "its dimensions fit in more than one order", f"say which with {options}"
    )


def _check_said(order: tuple[int, ...] | None, made: Contract, wanted: Contract) -> None:
    """Check that the only order that fits is not against the layout that one side is said to have.

    Raises:
        ContractError: It is.
    """
    if order is None or len(order) < 4:
        return
    rank = len(order)
    to_last = order == (0, *range(2, rank), 1)
    to_first = order == (0, rank - 1, *range(1, rank - 1))
    if (to_last and (made.layout in LAST or wanted.layout in FIRST)) or (
        to_first and (made.layout in FIRST or wanted.layout in LAST)
    ):
        problem = f"only the order {','.join(map(str, order))} fits the shapes, which is not that"
        raise ContractError(made, wanted, problem, "correct --layout, or export another shape")


def _said(made: Contract, wanted: Contract, fitting: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the order that two layouts have between them.

    Raises:
        ContractError: There is none, or the shapes contradict it.
    """
    rank = len(made.shape)
    order = (*range(rank),)
    if made.layout in FIRST and wanted.layout in LAST:
        order = (0, *range(2, rank), 1)
    elif made.layout in LAST and wanted.layout in FIRST:
        order = (0, rank - 1, *range(1, rank - 1))
    if order not in fitting:
        problem = f"{made.layout} to {wanted.layout} does not fit the shapes"
        raise ContractError(made, wanted, problem, "correct --layout, or export another shape")
    return order


def _usual(format_: str, rank: int) -> str:
    """Return the layout that nearly all models of a format have."""
    return (FIRST if format_ == ONNX else LAST)[rank - 3]


def _fits(order: Sequence[int], wanted: Contract, sizes: tuple[int, ...]) -> bool:
    """Whether the dimensions are those wanted, once they are moved."""
    moved = zip((sizes[axis] for axis in order), wanted.shape, strict=True)
    return all(size == want for size, want in moved if isinstance(want, int))


def _elements_in_order(
    order: Sequence[int], made: Contract, sizes: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the dimensions that matter to where elements lie: those that are not 1."""
    return tuple(
        axis for axis in order if sizes[axis] != 1 or not isinstance(made.shape[axis], int)
    )


def _reshaped(made: Contract, wanted: Contract, sizes: tuple[int, ...]) -> Reshape:
    """Return the step that adds or leaves out dimensions of size 1.

    Raises:
        ContractError: The shapes differ by more than that.
    """
    target = _target(made.shape, wanted.shape, sizes)
    if target is None:
        problem = "their shapes differ by more than sizes of 1"
        advice = "export one of the two with the shape of the other"
        if any(isinstance(size, str) and size for size in made.shape):
            problem = f"it came as [{','.join(map(str, sizes))}]: {problem}"
            advice = f"say other sizes with --dim NAME=N, or {advice}"
        raise ContractError(made, wanted, problem, advice)
    if sum(not isinstance(size, int) for size in target) > 1:
        advice = "fix all sizes but one when you export it"
        raise ContractError(made, wanted, "more than one size of it is free", advice)
    return Reshape(target)


def _target(
    shape: Sequence[Size], wanted: Sequence[Size], sizes: tuple[int, ...]
) -> tuple[Size, ...] | None:
    """Return ``shape`` with sizes of 1 added and left out as ``wanted``; None: more would change.

    The first dimensions belong together where they can: they are the batch.
    """
    asked, target = list(wanted), list[Size]()
    left = [axis for axis, size in enumerate(shape) if size != 1]
    if asked and sizes and (asked[0] == sizes[0] or not isinstance(asked[0], int)):
        asked.pop(0)
        target.append(shape[0])
        left = [axis for axis in left if axis]
    for size in asked:
        if left and (size == sizes[left[0]] or not isinstance(size, int)):
            target.append(shape[left.pop(0)])
        elif size == 1 or not isinstance(size, int):
            target.append(1)
        else:
            return None
    return None if left else tuple(target)


# what elements are


def _conversions(made: Contract, wanted: Contract, *, lossy_casts: bool) -> Iterator[Step]:
    if made.per_channel or wanted.per_channel:
        advice = "quantise that tensor as a whole (per tensor) and convert again"
        raise ContractError(made, wanted, "it is quantised per channel", advice)
    of, to = made.quantisation, wanted.quantisation
    if made.dtype == wanted.dtype and of == to:
        return
    is_known = [one.dtype in FLOATS or one.quantisation is not None for one in (made, wanted)]
    if not all(is_known) or made.dtype not in (*FLOATS, *QUANTISED):
        raise ContractError(
            made,
            wanted,
            "the types differ, and what the integers stand for is not known on both sides",
            "export one of the two with the type of the other",
        )
    current = made.dtype
    if of is not None:
        yield Dequantize(of, made.dtype)
        current = FLOAT32
    target = wanted.dtype if to is None else FLOAT32
    if current != target:
        if FLOATS.index(target) < FLOATS.index(current) and not lossy_casts:
            raise ContractError(
                made,
                wanted,
                f"a cast to {describe(target, ()).removesuffix('[]')} loses digits",
                "allow it with --lossy-casts",
            )
        yield Cast(target)
    if to is not None:
        yield Quantize(wanted.dtype, to)
