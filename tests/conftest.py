"""For all tests: hypothesis without its clocks, and nothing left running behind a test."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("paceline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("paceline")

LONG = ("system", "browser", "examples", "zoo", "generated")
"""Folders whose files take long, most of it waiting."""
GRACE_SECONDS = 10.0
"""What is just ending may take so long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait among those that compute; none of them is among the last.

    With several workers both happen at any time, and no worker ends alone with a long file.
    """
    here = Path(__file__).parent
    files = dict.fromkeys(item.path for item in items)
    waiting = [path for path in files if path.relative_to(here).parts[0] in LONG]
    computing = [path for path in files if path not in set(waiting)]
    place = {path: 0.9 * number / len(waiting) for number, path in enumerate(waiting)}
    place |= {path: number / len(computing) for number, path in enumerate(computing)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Fail a test that leaves threads that would keep the process alive, or child processes."""
    threads = set(threading.enumerate())
    children = child_processes()
    yield
    left = [t for t in threading.enumerate() if t not in threads and not t.daemon]
    for thread in left:
        thread.join(GRACE_SECONDS)
    assert [thread.name for thread in left if thread.is_alive()] == []
    orphans = [
        psutil.Process(pid) for pid in child_processes() - children if psutil.pid_exists(pid)
    ]
    _, alive = psutil.wait_procs(orphans, timeout=GRACE_SECONDS)
    assert alive == []


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the cloud side's children in this process: see `tests.fixtures.in_process`."""
    from fleet import children
    from tests.fixtures.in_process import InProcess

    monkeypatch.setattr(children, "subprocess", InProcess)


@pytest.fixture
def real_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start them, in a file whose other tests do without."""
    from fleet import children

    monkeypatch.setattr(children, "subprocess", subprocess)


@pytest.fixture(autouse=True)
def logs_begin_anew() -> Iterator[None]:
    """Forget how a test set up logging: its standard error is closed when the next one logs."""
    yield
    structlog.reset_defaults()


def child_processes() -> set[int]:
    """Return the ids of this process's children: one read of one small file on Linux."""
    try:
        threads = Path("/proc/self/task").iterdir()
        return {int(pid) for t in threads for pid in (t / "children").read_text().split()}
    except OSError:
        return {child.pid for child in psutil.Process().children()}
