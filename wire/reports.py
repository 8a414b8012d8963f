"""What the children of ``python -I -m agent`` print: one line of JSON each.

``--check-config`` prints a ``ConfigReport``. Receivers ignore unknown fields. A child that fails
prints a ``Failure`` instead and exits with the error's exit code; one that is killed or crashes
prints nothing.
"""

from typing import Literal

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
    formats: tuple[str, ...] = ()
    """Of segments that it opens."""
    fallback: str = ""
    """The runtime that takes over where this one cannot."""


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``probe`` found: one or more for each runtime, by its accelerators."""

    runtimes: tuple[RuntimeReport, ...]


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run-segment`` did."""

    runtime: str
    accelerator: str = ""
    """What really ran it."""
    short_of: str = ""
    """Why that is less than was asked for; empty: it is all that was."""
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


Severity = Literal["ok", "note", "warning", "problem"]
"""``note``: worth knowing; ``warning``: works, and will hurt; ``problem``: does not work."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the doctor looked at; docs/doctor.md has a row for each id."""

    id: str
    severity: Severity
    evidence: str
    """What was seen, with figures."""
    fix: str | None = None
    """A command to run, or what to write and where."""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """One group of checks."""

    group: str
    title: str
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    left_out: int = 0
    """Findings that are not here because the answer would have been too large."""


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``doctor`` found."""

    host: str
    examinations: tuple[Examination, ...]
    device: str | None = None
    """None: no agent is set up here."""
    config: str | None = None
    """The agent's configuration file."""
    version: str = ""

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(f.severity == severity for e in self.examinations for f in e.findings)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a child gave no report."""

    code: str
    message: str


class FailureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a child prints instead of its report."""

    error: Failure


class ConfigProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a configuration."""

    code: str
    message: str
    """With its file and line, and what to do."""


class ConfigReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--check-config`` found; without problems an agent starts with it."""

    problems: tuple[ConfigProblem, ...] = ()
    warnings: tuple[str, ...] = ()
