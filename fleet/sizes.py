"""Which other sizes of dynamic dimensions to try, and what to leave alone where some do not run.

A dimension is called by its name, or by its place such as ``x[2]``; one name has one size
wherever it stands. Sizes depend on the known ones alone, so what had one size keeps having one.

Pure: the same question gets the same answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from wire.tensors import TensorSpec

Sizes = Mapping[str, int]
Shapes = Mapping[str, tuple[int, ...]]

MAX_ATTEMPTS: Final = 8
"""Each costs a run of the whole model."""
_STEP: Final = 32
"""Networks for pictures halve their sides up to five times."""


def known(specs: Sequence[TensorSpec], shapes: Shapes) -> dict[str, int]:
    """Return the size that each dynamic dimension has where inputs have these ``shapes``."""
    return {
        asked or f"{spec.name}[{axis}]": size
        for spec in specs
        for axis, (asked, size) in enumerate(zip(spec.shape, shapes[spec.name], strict=True))
        if isinstance(asked, str)
    }


def resized(
    specs: Sequence[TensorSpec], shapes: Shapes, sizes: Sizes
) -> dict[str, tuple[int, ...]]:
    """Return ``shapes`` with these ``sizes`` of dynamic dimensions."""
    return {
        spec.name: tuple(
            size if isinstance(asked, int) else sizes.get(asked or f"{spec.name}[{axis}]", size)
            for axis, (asked, size) in enumerate(zip(spec.shape, shapes[spec.name], strict=True))
        )
        for spec in specs
    }


def others(size: int) -> tuple[int, int]:
    """Return two other sizes for a dimension of ``size``.

    A batch of 1 becomes 2 and 3; what 32 divides, such as a picture's side, a quarter more and
    a quarter less, and 32 divides it still; any other one more, and half.
    """
    if size <= 1:
        return 2, 3
    if size % _STEP:
        return size + 1, size // 2
    larger = max(size + _STEP, _rounded(1.25 * size))
    smaller = min(size - _STEP, _rounded(0.75 * size))
    return larger, smaller or larger + _STEP


def varied(sizes: Sizes) -> tuple[dict[str, int], dict[str, int]]:
    """Return two other sizes for all dynamic dimensions together."""
    pairs = {name: others(size) for name, size in sizes.items()}
    first, second = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    return first, second


def attempts(wanted: Sizes, before: Sizes) -> Iterator[dict[str, int]]:
    """Yield what to try, the best first: all of ``wanted``, else some dimensions left alone.

    Left alone, with its size ``before``, is the batch, then each dimension, then all but one.
    """
    changed = [name for name in wanted if wanted[name] != before[name]]
    batch = {name for name in changed if before[name] == 1}
    names = sorted(changed, key=lambda name: name not in batch)
    kept = [set(names), set(names) - batch, *(set(names) - {name} for name in names)]
    kept += [{name} for name in names]
    tried: list[set[str]] = [set()]
    for chosen in kept:
        if chosen not in tried and len(tried) <= MAX_ATTEMPTS:
            tried.append(chosen)
            yield {name: (wanted if name in chosen else before)[name] for name in wanted}


def text(sizes: Sizes) -> str:
    """Return sizes as people write them: ``N=2 H=288``."""
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def _rounded(size: float) -> int:
    return int(size / _STEP + 0.5) * _STEP
