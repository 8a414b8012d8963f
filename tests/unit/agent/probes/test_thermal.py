import pytest

from agent.probes import Reading
from agent.probes.thermal import ThermalProbe


@pytest.fixture
def zone(tmp_path):
    """Return a function that makes a thermal zone as the kernel does."""

    def make(number, temp, kind="cpu-thermal\n"):
        folder = tmp_path / f"thermal_zone{number}"
        folder.mkdir()
        if temp is not None:
            (folder / "temp").write_text(temp)
        (folder / "type").write_text(kind)

    return make


def test_zones_are_read_by_type_and_number(zone, tmp_path):
    """Two zones of one type are two series; the kernel says thousandths."""
    zone(0, "48312\n")
    zone(1, "-5000\n")

    assert list(ThermalProbe(tmp_path).read()) == [
        Reading("thermal_celsius", 48.312, (("zone", "cpu-thermal"), ("number", "0"))),
        Reading("thermal_celsius", -5.0, (("zone", "cpu-thermal"), ("number", "1"))),
    ]


@pytest.mark.parametrize("temp", [None, "", "disabled"])
def test_zone_that_does_not_answer_is_left_out(zone, tmp_path, temp):
    """A sleeping driver costs its own zone only."""
    zone(0, temp)
    zone(1, "1000")

    assert [reading.value for reading in ThermalProbe(tmp_path).read()] == [1.0]


def test_machine_without_zones_is_silence(tmp_path):
    """Nothing is yielded and nothing raised."""
    assert list(ThermalProbe(tmp_path / "none").read()) == []
