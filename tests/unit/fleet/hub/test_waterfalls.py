"""One frame's way, on one time axis."""

import msgspec
import pytest

from fleet.hub.waterfalls import Waterfalls
from tests.unit.fleet.hub import telling
from wire.timings import StageTimes, plain

MS = 1_000_000


def _told(sequence, offsets, *, hop_ms=2, run_ms=10, clocks=None):
    """Return the account of a client whose newest frame took ``hop_ms`` and ``run_ms`` each way."""
    at, entries = 1 * MS, []
    for stage, offset in enumerate(offsets):
        at += hop_ms * MS
        marks = [at, at + 1 * MS, at + 2 * MS, at + (2 + run_ms) * MS, at + (3 + run_ms) * MS]
        names = ("received", "started", "run", "finished", "sent")
        times = {name: mark + offset for name, mark in zip(names, marks, strict=True)}
        clock = clocks[stage] if clocks else f"clock{stage}"
        entries.append(plain(StageTimes(stage=stage, device=f"d{stage}", clock=clock, **times)))
        at = marks[-1]
    frame = telling.client_times(sequence, answered=at + hop_ms * MS)
    frame = type(frame)(
        sequence=sequence, clock="client", submitted=0, sent=1 * MS, answered=at + hop_ms * MS
    )
    return telling.account(1, timings=tuple(entries), frame=frame)[1]


def test_spans_follow_each_other_from_submission_to_answer():
    """Whatever the devices' clocks show: they are compared first."""
    waterfalls = Waterfalls()
    waterfalls.take(_told(5, [10**15, -(10**12)]), 2, 0.0, 123)
    view = waterfalls.view(0.0)

    assert view.sequence == 5
    assert [(span.kind, span.lane) for span in view.spans] == [
        ("credit", "client"),
        ("hop", "0"),
        ("queue", "0"),
        ("decode", "0"),
        ("run", "0"),
        ("encode", "0"),
        ("hop", "1"),
        ("queue", "1"),
        ("decode", "1"),
        ("run", "1"),
        ("encode", "1"),
        ("hop", "client"),
    ]
    begins = [span.begin_seconds for span in view.spans]
    assert begins == sorted(begins)
    assert view.spans[-1].end_seconds == pytest.approx(view.total_seconds)
    runs = [s.end_seconds - s.begin_seconds for s in view.spans if s.kind == "run"]
    assert runs == pytest.approx([0.010, 0.010])


def test_what_waits_to_leave_is_in_a_queue_again():
    """Behind the frame before, after its own run."""
    waterfalls = Waterfalls()
    told = _told(5, [0])
    (entry,) = told.timings
    waits = {**entry, "sent": entry["sent"] + MS, "leaving": entry["finished"] + MS}
    waterfalls.take(msgspec.structs.replace(told, timings=(waits,)), 1, 0.0, 123)
    spans = [span for span in waterfalls.view(0.0).spans if span.lane == "0"]

    assert [span.kind for span in spans] == ["hop", "queue", "decode", "run", "queue", "encode"]
    lengths = [span.end_seconds - span.begin_seconds for span in spans[-2:]]
    assert lengths == pytest.approx([0.001, 0.001])


def test_offsets_come_with_their_error():
    """One frame bounds each clock by the ways there and back."""
    waterfalls = Waterfalls()
    waterfalls.take(_told(1, [7_000 * MS]), 1, 0.0, 0)
    (clock,) = waterfalls.view(0.0).clocks

    assert clock.offset_seconds == pytest.approx(7.0)
    assert clock.error_seconds == pytest.approx(0.002)
    hop = waterfalls.hop_time("client", "0", 0.0)
    assert hop.seconds == pytest.approx(0.002)
    assert hop.error_seconds == pytest.approx(0.002)


def test_devices_on_one_machine_have_no_error():
    """Their clock is the same, so is the client's: hops are exact."""
    waterfalls = Waterfalls()
    waterfalls.take(_told(1, [0, 0], clocks=["client", "client"]), 2, 0.0, 0)

    assert [clock.error_seconds for clock in waterfalls.view(0.0).clocks] == [0, 0]
    assert waterfalls.hop_time("0", "1", 0.0) == (pytest.approx(0.002), 0.0)


def test_frame_that_did_not_pass_every_stage_is_not_shown():
    """A way with a hole would be drawn wrong; so would one of another generation's stages."""
    waterfalls = Waterfalls()
    waterfalls.take(_told(1, [0]), 2, 0.0, 0)

    assert waterfalls.view(0.0) is None


def test_times_that_are_none_are_left_out():
    """Whoever may write an account may write nonsense."""
    account = telling.account(1, timings=({"stage": "x"},), frame=telling.client_times())[1]
    waterfalls = Waterfalls()
    waterfalls.take(account, 1, 0.0, 0)

    assert waterfalls.view(0.0) is None
