"""What the soak judges by."""

import pytest

from scripts.soaking import judge, picture
from scripts.soaking.book import Told
from scripts.soaking.judge import Blow
from scripts.soaking.watch import Sample, Watch, Watched

HOUR = 3600.0


def watched(mb_per_hour=0.0, more_descriptors=0):
    """Return a process that was watched for an hour and grew so much."""
    process = Watched(1, "supervisor d1")
    for second in range(0, 3600, 2):
        size = int(50e6 + mb_per_hour * 1e6 * second / HOUR)
        descriptors = 20 + (more_descriptors if second > 1800 else 0)
        process.samples.append(Sample(float(second), size, size, descriptors, 7, 0))
    return process


def word(**changes):
    """Return a client's last word in which all is well."""
    checks = {"answers": 10, "streams": 1, "sums checked": 99, "sums wrong": 0}
    counts = {"submitted": 10, "results": 9, "drops": 0, "in_flight": 0, "lost": 0}
    said = {"end": True, "errors": {"worker.lost": 1}, "largest_difference": 0.0}
    return {**counts, **said, "checks": {**checks, **changes.pop("checks", {})}, **changes}


def test_what_a_worker_wrote_is_counted_once():
    """And not at all if it was before; its supervisor has all of it added when it is reaped."""
    watch = Watch(dict)
    wrote = {
        "supervisor d1": [(0, 100), (10, 100), (20, 107 + 50 + 6), (30, 107 + 50 + 6)],
        "worker d1 calm.1-0": [(0, 50), (10, 50), (16, 56)],
        "worker d1 calm.1-1": [(0, 9), (10, 9), (20, 11), (30, 11)],
        "broker": [(0, 0), (30, 4)],
    }
    for pid, (role, seen) in enumerate(wrote.items()):
        samples = [Sample(float(at), 0, 0, 0, 0, written) for at, written in seen]
        watch.processes[pid] = Watched(pid, role, samples)

    assert watch.written_bytes(12.0) == {"supervisor d1": 7, "worker d1": 6 + 2, "broker": 4}


@pytest.mark.parametrize(("mb_per_hour", "passed"), [(0.0, True), (0.9, True), (1.1, False)])
def test_the_slope_of_memory(mb_per_hour, passed):
    """More than 1 MB an hour, as least squares see it, is a leak."""
    grown = judge.growth(watched(mb_per_hour), 300.0)

    assert grown.private_mb_per_hour == pytest.approx(mb_per_hour, abs=1e-6)
    assert judge.memory([grown]).passed is passed


def test_a_short_run_shows_its_slope_and_does_not_judge_it():
    """Warming up is not growing."""
    process = watched(20.0)
    del process.samples[300:]

    assert judge.memory([judge.growth(process, 30.0)]).passed is None


def test_descriptors_that_grow():
    """They are named."""
    descriptors, threads = judge.flat([judge.growth(watched(more_descriptors=9), 0.0)])

    assert (descriptors.passed, threads.passed) == (False, True)
    assert "supervisor d1 20 > 29" in descriptors.shown


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, set()),
        ({"results": 8}, {"accounting exact"}),
        ({"in_flight": 1, "results": 8}, {"in flight at the end"}),
        ({"end": False}, {"in flight at the end"}),
        ({"lost": 1}, {"frames lost"}),
        ({"checks": {"sums wrong": 1}}, {"accounting exact"}),
        ({"checks": {"out of order": 1}}, {"each frame ends once"}),
        ({"checks": {"wrong": 1}}, {"answers right"}),
    ],
)
def test_accounting(changes, failed):
    """Each fault of a client's account fails the check that is named for it."""
    checks = judge.accounting([Told(ended=[word()]), Told(ended=[word(**changes)])])

    assert {check.name for check in checks if not check.passed} == failed


def test_the_longest_silence():
    """It counts from the last answer before the fault, and to the end where none came."""
    told = Told(at=[1.0, 2.0, 3.0, 9.0, 9.5], latency=[0.1] * 5)

    assert told.longest_silence(3.5, 9.6) == pytest.approx(6.0)
    assert told.longest_silence(9.2, 20.0) == pytest.approx(10.5)


def test_a_fault_that_takes_too_long():
    """It is named with what was stated."""
    blow = Blow("worker killed", 1.0, 1.0, "d1", silence_seconds=16.0, bound_seconds=15.0)

    assert not judge.recovery([blow]).passed
    assert judge.recovery([blow]).shown == "worker killed (d1): 16.0 s, not 15"


def test_the_picture_is_drawn(tmp_path):
    """Three panels of lines, and a mark for each fault in each of them."""
    told = {"calm": Told(at=[n / 4 for n in range(400)], latency=[0.02] * 400)}
    blow = Blow("broker stopped", 20.0, 40.0, "", silence_seconds=21.0, bound_seconds=50.0)
    picture.draw(tmp_path / "soak.svg", "a soak", told, [watched()], [blow], (0.0, 100.0))

    drawn = (tmp_path / "soak.svg").read_text()
    assert drawn.count("<polyline") == 1 + 2 + 1
    assert drawn.count('fill-opacity="0.22"') == 3
    assert "A broker stopped" in drawn


@pytest.mark.parametrize(
    ("wanted", "changes", "passed"),
    [
        ("mqtt", {}, None),
        ("auto", {}, False),
        ("auto", {"uds > mqtt": 1}, False),
        ("auto", {"mqtt > uds": 2, "uds > mqtt": 1}, True),
    ],
)
def test_a_direct_link_that_was_wanted_was_used(wanted, changes, passed):
    """Else the soak shows nothing of it."""
    assert judge.links(wanted, changes).passed is passed
