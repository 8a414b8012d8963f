"""What power a machine says that it takes."""

from agent.power import Power
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


def measured(*probes):
    """Return power before and during a block."""
    power = Power(probes)
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
