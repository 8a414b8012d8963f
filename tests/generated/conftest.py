"""Models run without a process of their own; what the random graphs were, at the end of a run."""

import time

import pytest

from fleet import children
from tests.generated.census import CENSUS
from tests.generated.in_process import InProcess

_BEGAN = time.monotonic()


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let child commands run in this process."""
    monkeypatch.setattr(children, "subprocess", InProcess)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many graphs there were, of which kinds, and what became of them."""
    if not CENSUS.drawn:
        return
    seconds = time.monotonic() - _BEGAN
    terminalreporter.section("random graphs")
    terminalreporter.write_line(
        f"{CENSUS.drawn} graphs: {CENSUS.outcomes['cut']} cut and equal,"
        f" {CENSUS.outcomes['refused']} refused rightly, {CENSUS.discarded} discarded;"
        f" {seconds:.0f} s"
    )
    for title, counts in (("kinds", CENSUS.kinds), ("discarded", CENSUS.reasons)):
        said = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        terminalreporter.write_line(f"{title}: {said or 'none'}")
    terminalreporter.write_line(f"operators: {len(CENSUS.operators)} types")
