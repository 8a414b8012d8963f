from hypothesis import given
from hypothesis import strategies as st

from agent.health.series import FAIR, IMPORTANCE, MAX_SERIES, most_important
from agent.probes import Reading


def _many(name, count):
    return [Reading(name, n, (("number", str(n)),)) for n in range(count)]


def test_what_fits_is_told_as_it_is():
    """Nothing is dropped, nothing reordered, also what nobody has ranked."""
    readings = _many("own_probe_total", MAX_SERIES)

    assert most_important(readings) == tuple(readings)


def test_large_machine_keeps_something_of_everything_important():
    """64 cores, 20 zones, 8 workers: the ninth zone goes before the only temperature of a Coral."""
    workers = [reading for name in IMPORTANCE if "worker" in name for reading in _many(name, 8)]
    readings = [
        *_many("thermal_celsius", 20),
        *_many("thermal_limit_celsius", 20),
        *_many("cooling_ratio", 64),
        *workers,
        *(Reading(name, 0.0) for name in IMPORTANCE if "worker" not in name),
    ]

    kept = [reading.name for reading in most_important(readings)]

    assert len(kept) == MAX_SERIES
    assert kept.count("thermal_celsius") == FAIR
    assert kept.count("worker_private_bytes") == 8
    assert {"cpu_busy_ratio", "memory_available_bytes", "disk_free_bytes", "coral_celsius"} <= {
        *kept
    }


@given(st.lists(st.sampled_from([*IMPORTANCE, "own_total", "probe_seconds"]), max_size=200))
def test_the_same_names_are_kept_whatever_their_values(names):
    """So a series does not come and go; and the order is as read."""
    low = [Reading(name, 0.0, (("place", str(place)),)) for place, name in enumerate(names)]
    high = [Reading(each.name, 9.0, each.labels) for each in low]

    kept = most_important(low)

    assert [each.labels for each in kept] == [each.labels for each in most_important(high)]
    assert len(kept) == min(len(names), MAX_SERIES)
    assert list(kept) == sorted(kept, key=lambda each: int(each.label("place")))


def test_how_long_probes_took_goes_first():
    """A reading of an unknown probe is worth more than that."""
    readings = [*_many("probe_seconds", 30), *_many("own_total", 40)]

    kept = [reading.name for reading in most_important(readings, 8)]

    assert kept == ["own_total"] * 8
