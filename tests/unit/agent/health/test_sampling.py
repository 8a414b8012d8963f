import os
import subprocess
import sys
import threading

import pytest

from agent.health.collector import Health
from agent.health.sampling import Sampling
from agent.probes import Reading
from agent.probes.thermal import ThermalProbe
from tests.system.place import until


class Quick:
    """A probe that counts its reads."""

    def __init__(self, every_seconds=1.0):
        self.EVERY_SECONDS = every_seconds
        self.reads = 0

    def read(self):
        """Yield how often it was read."""
        self.reads += 1
        yield Reading("quick_total", self.reads)


class Hanging:
    """A probe that hangs until it is let go, as a driver does in the kernel."""

    def __init__(self):
        self.begun, self.let_go = threading.Event(), threading.Event()

    def read(self):
        """Yield one reading at last."""
        self.begun.set()
        self.let_go.wait(30)
        yield Reading("hanging_total", 1)


class Clock:
    """Time that the test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        """Return the time."""
        return self.now


@pytest.fixture
def sampling():
    """Return a function that makes one, with the test's clock."""
    made = []

    def make(**probes):
        each = Sampling(Health(probes), clock_seconds=Clock())
        made.append(each)
        return each

    yield make
    for each in made:
        each.stop()


def _threads(before):
    """Return how many threads of probes there are that were not there before."""
    return len([t for t in threading.enumerate() if t.name == "probes" and t not in before])


def _tick(sampling, seconds=1.0):
    sampling.clock_seconds.now += seconds
    sampling.tick()


def test_probe_is_read_as_often_as_it_says(sampling):
    """In another thread: a tick never waits."""
    each, rare = Quick(), Quick(every_seconds=3.0)
    sampled = sampling(each=each, rare=rare)

    for n in range(1, 8):
        _tick(sampled)
        until(lambda n=n: each.reads == n)
        until(lambda n=n: rare.reads == (n + 2) // 3)
        until(lambda: sampled._reader.reading is None)


def test_probe_that_hangs_is_left_alone_and_the_others_are_read(sampling):
    """It is counted once, costs one thread, and is read again when it has returned."""
    hanging, quick = Hanging(), Quick()
    sampled = sampling(hanging=hanging, quick=quick)
    before = threading.enumerate()

    _tick(sampled)
    hanging.begun.wait(30)
    _tick(sampled, sampled.limit_seconds)
    assert quick.reads == 0  # it may still come

    for n in range(1, 4):
        _tick(sampled)
        until(lambda n=n: quick.reads == n)
        until(lambda: sampled._reader.reading is None)
    assert sampled.health.failures == {"hanging": 1}
    assert _threads(before) == 2

    hanging.let_go.set()
    until(lambda: _threads(before) == 1)
    _tick(sampled)
    until(lambda: "hanging_total" in {r.name for r in sampled.health.current()})


def test_every_probe_may_hang(sampling):
    """There are never more threads than probes."""
    stuck = [Hanging() for _ in range(3)]
    sampled = sampling(**{f"p{n}": each for n, each in enumerate(stuck)})
    before = threading.enumerate()

    for each in stuck:
        _tick(sampled, 10.0)
        each.begun.wait(30)
    for _ in range(5):
        _tick(sampled, 10.0)

    assert _threads(before) == 3
    assert sampled.health.failures == {"p0": 1, "p1": 1, "p2": 1}
    for each in stuck:
        each.let_go.set()


def test_probe_that_raises_is_counted_in_its_thread_too(sampling):
    """And the thread goes on."""

    class Raising(Quick):
        def read(self):
            self.reads += 1
            raise OSError("bus")

    raising, quick = Raising(), Quick()
    sampled = sampling(raising=raising, zquick=quick)

    for n in (1, 2):
        _tick(sampled)
        until(lambda n=n: quick.reads == n)
        until(lambda: sampled._reader.reading is None)

    assert sampled.health.failures == {"raising": 2}


def test_sensor_whose_file_blocks_is_such_a_probe(sampling, tmp_path):
    """A real read in the kernel: of a pipe that nobody writes to."""
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal")
    os.mkfifo(zone / "temp")
    quick = Quick()
    sampled = sampling(thermal=ThermalProbe(tmp_path), zquick=quick)

    _tick(sampled)
    until(lambda: sampled._reader.reading)
    _tick(sampled, 10.0)
    until(lambda: quick.reads)
    assert sampled.health.failures == {"thermal": 1}

    (zone / "temp").write_text("48000")
    until(lambda: 48 in {r.value for r in sampled.health.current()})


def test_process_ends_though_a_probe_hangs(tmp_path):
    """An agent that is told to stop does not wait for a sensor."""
    os.mkfifo(tmp_path / "temp")
    pipe = str(tmp_path / "temp")
    code = (
        "import sys, time; from agent import sysfs; from agent.health.collector import Health;"
        " from agent.health.sampling import Sampling\n"
        "class Hanging:\n"
        "    def read(self):\n"
        "        sys.stdout.write('begun\\n'); sys.stdout.flush()\n"
        f"        yield sysfs.text({pipe!r})\n"
        "s = Sampling(Health({'h': Hanging()})); s.tick()\n"
        "while s._reader.reading is None: time.sleep(0.01)\n"
        "s.stop()"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "begun\n", "")
