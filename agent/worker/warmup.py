"""The golden frame: a segment that does not give the expected tensors here never serves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.runtimes import Tensors
from wire import codecs, frame, golden
from wire.errors import CodedError, FrameError
from wire.manifest import Tolerance

_QUANTISED: Final = (np.int8, np.uint8, np.int16, np.uint16)


class GoldenFrameError(CodedError):
    """The segment's golden frame did not come out as expected on this runtime."""

    code = "segment.golden_differs"
    exit_code = 5

    def __init__(self, tensor: str, problem: str) -> None:
        super().__init__(tensor, problem)
        self.tensor = tensor
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"golden frame: tensor {self.tensor!r}: {self.problem};"
            " the segment does not serve on this runtime"
        )


def warm_up(
    run: Callable[[Tensors], Tensors], folder: Path, tolerance: Tolerance, quanta: int = 0
) -> float:
    """Run the golden frame and return the largest absolute difference of an element.

    Raises:
        GoldenFrameError: A tensor is missing, or is beyond the tolerance.
        RuntimeFailedError: The runtime gave no result.
    """
    try:
        inputs, expected = golden.split(frame.decode((folder / golden.FILE_NAME).read_bytes()))
        arrays = codecs.arrays(frame.Frame(frame.Kind.DATA, 0, 0, tensors=inputs))
        wanted = codecs.arrays(frame.Frame(frame.Kind.DATA, 0, 0, tensors=expected))
    except (OSError, FrameError) as error:
        raise GoldenFrameError(golden.FILE_NAME, f"cannot be read ({error})") from error
    got = run(arrays)
    return max(
        (
            difference(name, got.get(name), array, tolerance, quanta)
            for name, array in wanted.items()
        ),
        default=0.0,
    )


def difference(
    name: str,
    got: NDArray[Any] | None,
    wanted: NDArray[Any],
    tolerance: Tolerance,
    quanta: int = 0,
) -> float:
    """Return the largest absolute difference between two arrays.

    Raises:
        GoldenFrameError: Shape or dtype differ, or an element is beyond the tolerance.
    """
    if got is None:
        raise GoldenFrameError(name, "did not come out")
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise GoldenFrameError(
            name, f"is {got.dtype}{list(got.shape)} (expected {wanted.dtype}{list(wanted.shape)})"
        )
    if not got.size:
        return 0.0
    if not np.issubdtype(wanted.dtype, np.floating):
        return _steps(name, got, wanted, quanta if wanted.dtype in _QUANTISED else 0)
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    allowed = np.isclose(a, b, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    gap = np.abs(np.subtract(a, b, where=np.isfinite(a) & np.isfinite(b), out=np.zeros_like(a)))
    if not allowed.all():
        beyond = int(allowed.size - np.count_nonzero(allowed))
        raise GoldenFrameError(
            name,
            f"{beyond} of {allowed.size} elements differ by up"
            f" to {float(gap.max()):.3g} (at most {tolerance.absolute:g} + {tolerance.relative:g}"
            " of the expected value)",
        )
    return float(gap.max())


def _steps(name: str, got: NDArray[Any], wanted: NDArray[Any], allowed: int) -> float:
    """Return by how many steps two arrays of whole numbers differ.

    Raises:
        GoldenFrameError: By more than is allowed.
    """
    if not allowed:
        if not np.array_equal(got, wanted):
            raise GoldenFrameError(name, "differs (expected to be equal)")
        return 0.0
    steps = int(np.abs(got.astype(np.int64) - wanted.astype(np.int64)).max())
    if steps > allowed:
        raise GoldenFrameError(name, f"differs by up to {steps} steps (at most {allowed})")
    return float(steps)
