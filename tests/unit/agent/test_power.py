"""What power a machine says that it takes."""

from pathlib import Path

import pytest

from agent.power import Packages, Power
from agent.probes import Reading


class Rails:
    """A machine that tells what its rails take."""

    def __init__(self, **watts):
        self._watts = watts

    def read(self):
        """Yield a reading for each rail, and one of another kind."""
        yield Reading("cpu_frequency_hertz", 1e9)
        for rail, watts in self._watts.items():
            yield Reading("power_rail_watts", watts, (("rail", rail),))


def measured(*probes, sysfs=Path("/nowhere")):
    """Return power before and during a block."""
    power = Power(probes, sysfs)
    before = power.now()
    with power:
        pass
    return before, power.mean


def test_the_rail_in_front_is_the_whole():
    """Those behind it are in it."""
    assert measured(Rails(VDD_IN=7.5, VDD_CPU=3.0)) == (7.5, 7.5)


def test_rails_beside_each_other_are_added():
    """Where none is known to be in front."""
    assert measured(Rails(VDD_CPU=3.0, VDD_SOC=1.5)) == (4.5, 4.5)


def test_a_machine_that_does_not_tell():
    """None is no watt."""
    assert measured(Rails()) == (None, None)
    assert measured() == (None, None)


@pytest.fixture
def sysfs(tmp_path):
    """A machine with two processor packages, one of which has a part with a counter of its own."""
    for name, count in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 900), ("intel-rapl:0:0", 7)):
        folder = tmp_path / "class" / "powercap" / name
        folder.mkdir(parents=True)
        (folder / "energy_uj").write_text(f"{count}\n")
        (folder / "max_energy_range_uj").write_text("1000\n")
    return tmp_path


def count(sysfs, package, value):
    """Let a package have counted so much."""
    (sysfs / "class" / "powercap" / f"intel-rapl:{package}" / "energy_uj").write_text(str(value))


def test_packages_are_added_and_their_parts_are_not(sysfs):
    """Joules by seconds; a counter that began anew is no negative power."""
    packages = Packages(sysfs)
    before = packages.counted()
    count(sysfs, 0, 9_000_000)
    count(sysfs, 1, 100)

    assert packages.watts(before, 2.0) == pytest.approx(2.0001)


def test_a_machine_whose_counters_stand_still(sysfs):
    """It takes nothing, as far as it tells."""
    assert measured(sysfs=sysfs) == (0.0, 0.0)
    assert measured(Rails(VDD_IN=7.5), sysfs=sysfs) == (7.5, 7.5)


def test_counters_that_may_not_be_read(sysfs):
    """As for users of most systems: nobody tells."""
    (sysfs / "class" / "powercap" / "intel-rapl:0" / "energy_uj").unlink()

    assert measured(sysfs=sysfs) == (None, None)
