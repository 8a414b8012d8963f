"""What the random graphs were, at the end of a run."""

import time

import pytest

from tests.generated.census import CENSUS

_BEGAN = time.monotonic()


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
