"""What the child commands ``python -I -m agent probe|run-segment|bench`` print: one JSON line.

Receivers ignore unknown fields. A child that fails prints a ``Failure`` instead and exits with
the error's exit code; one that is killed or crashes prints nothing.
"""

import msgspec

from wire.tensors import TensorSpec


class RuntimeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One runtime on this machine."""

    name: str
    works: bool
    """Whether it ran a real, tiny inference and the answer was right."""
    reason: str | None = None
    """Why it does not work."""
    accelerator: str | None = None
    memory_bytes: int | None = None
    version: str | None = None


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``probe`` found."""

    runtimes: tuple[RuntimeReport, ...]


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run-segment`` did."""

    runtime: str
    open_seconds: float
    run_seconds: tuple[float, ...]
    """One number a sample; then those of ``--again-seconds``."""
    outputs: tuple[TensorSpec, ...]
    """What the first sample gave, with the sizes it really had."""
    more_outputs: tuple[tuple[TensorSpec, ...], ...] = ()
    """The same of each further sample."""
    operator_seconds: dict[int, float] = {}
    """With ``--profile``: the median of each operator, by its place in the model's file."""


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Two numbers that describe many."""

    p50: float
    p95: float


class BenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``bench`` measured."""

    runtime: str
    threads: int
    frames: int
    frames_per_second: float
    open_seconds: float
    run_seconds: Quantiles


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a child gave no report."""

    code: str
    message: str


class FailureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a child prints instead of its report."""

    error: Failure
