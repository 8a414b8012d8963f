"""What can be wrong with a machine: one file for each group of checks, found by its file name.

To add one: write ``agent/doctor/<name>.py`` with a function that yields findings, and ``PLUGIN =
Group("Its title", that_function)``. A group says what it saw, with figures, and how to repair it;
what this machine does not have is silence. Nothing is changed that is not put back. The ids
stand in docs/doctor.md. ``tests/contract/test_doctor.py`` finds it by itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.examination.subject import Subject
from wire.reports import Finding

LIMIT_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Group:
    """A group of checks."""

    title: str
    findings: Callable[[Subject], Iterator[Finding]]
    """Yield what is found; called in a thread of its own."""
    limit_seconds: float = LIMIT_SECONDS
    """It is left alone after so long."""
    device_only: bool = False
    """Whether it is left out where no agent is set up."""


def ok(finding: str, evidence: str) -> Finding:
    """Return what is well."""
    return Finding(id=finding, severity="ok", evidence=evidence)


def note(finding: str, evidence: str, fix: str | None = None) -> Finding:
    """Return what is worth knowing."""
    return Finding(id=finding, severity="note", evidence=evidence, fix=fix)


def warning(finding: str, evidence: str, fix: str) -> Finding:
    """Return what works, and will hurt."""
    return Finding(id=finding, severity="warning", evidence=evidence, fix=fix)


def problem(finding: str, evidence: str, fix: str) -> Finding:
    """Return what does not work."""
    return Finding(id=finding, severity="problem", evidence=evidence, fix=fix)
