"""A clock of 1970, and one that jumps by a year: what runs goes on, every command is answered."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import clock
from tests.system.place import until

SOURCE = Path(__file__).with_name("wrong_clock.c")
YEAR = 366 * 24 * 3600


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """What moves a process's wall clock."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    made = tmp_path_factory.mktemp("clock") / "wrong_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], check=True)
    return made


@pytest.fixture
def jumps(place, stand_in):
    """A function that moves the device's clock by so many seconds, also while it runs."""
    file = place.folder / "clock"
    place.environments["d1"] = {"LD_PRELOAD": str(stand_in), "WRONG_CLOCK": str(file)}

    def jump(seconds):
        beside = file.with_suffix(".next")
        beside.write_text(f"{seconds:.0f}\n")
        beside.replace(file)

    return jump


def unix_years(place):
    """Return the year that the device's telemetry is of."""
    health = until(lambda: place.ear.last("tele/health", "d1"), "telemetry")
    return 1970 + int(health.sent_unix_ns / 1e9 / (365.25 * 24 * 3600))


def test_no_clock_at_boot(place, whole, jumps):
    """A device of 1970 takes orders and commands, serves, and goes on when its clock is set."""
    jumps(10 - time.time())
    place.start("d1")
    until(lambda: place.ear.last("tele/health", "d1"), "telemetry")
    place.deploy(whole.folder, "d1")
    worker = place.assignment("d1").pid
    pipeline = place.site.pipeline("p")

    assert unix_years(place) == 1970
    assert place.ask("d1", "ping").ok
    assert whole.right(0, pipeline.run(whole.inputs(0)))
    jumps(0)
    until(lambda: unix_years(place) > 2000, "telemetry of today")
    assert whole.right(1, pipeline.run(whole.inputs(1)))
    assert place.assignment("d1").pid == worker


def test_jumps_of_a_year_both_ways(place, whole, jumps):
    """Frames flow, telemetry keeps its pace, nobody is taken for hung, orders are obeyed."""
    jumps(0)
    place.start("d1")
    place.deploy(whole.folder, "d1")
    told = place.assignment("d1")
    pipeline = place.site.pipeline("p")

    for seconds in (YEAR, -YEAR):
        year = unix_years(place)
        jumps(seconds)
        until(lambda year=year: unix_years(place) != year, "telemetry of another year")
        heard = len(place.ear.all("tele/health", "d1"))
        assert whole.right(0, pipeline.run(whole.inputs(0)))
        until(
            lambda heard=heard: len(place.ear.all("tele/health", "d1")) >= heard + 2,
            "telemetry at its pace",
        )
        answer = place.ask("d1", "ping")
        if answer.ok:
            assert seconds < 0 or not clock.believed()
        else:  # a clock that is kept right is believed, and whoever asked is told whose it was
            assert (answer.reason.code, clock.believed()) == ("command.expired", True)
            assert "device's clock" in answer.reason.message
    place.undeploy()

    assert (told.restarts, place.log("d1", "worker.lost")) == (0, [])
    until(lambda: place.reported("d1").assignments == (), "an empty report")


def test_the_stand_in_moves_the_wall_clock_alone(place, jumps):
    """The process has another year than we have, and sleeps as long as it should."""
    jumps(10 - time.time())
    looks = "import time; m = time.monotonic(); time.sleep(0.2); print(time.gmtime().tm_year)"
    looks += "; print(time.monotonic() - m < 20)"
    said = subprocess.run(
        [sys.executable, "-I", "-c", looks], env={**os.environ, **place.environments["d1"]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert said.stdout.split() == ["1970", "True"]
