"""What a frame takes over a link, from what frames of other sizes took."""

import pytest
from msgspec.structs import replace

from fleet.fleet_file.description import BY_HAND, MEASURED, UNKNOWN, Figure
from fleet.model_plan.crossing import crossing
from fleet.model_plan.setting import LinkFigures
from tests.unit.fleet.profiles import link_records
from wire.profile_report import Spread


def link(*sizes, origin=MEASURED, **changes):
    """Return a link: of each size its bytes, seconds alone, and seconds back to back."""
    made = link_records.link(sizes=[size for size, *_ in sizes])
    reports = [
        replace(
            report,
            seconds=Spread(p10=alone, p50=alone, p90=alone * 1.5, count=9),
            bytes_per_second=size / busy,
            sender_cpu_seconds=size / 1e9,
            receiver_cpu_seconds=size / 1e8,
        )
        for report, (size, alone, busy) in zip(made.report.sizes, sizes, strict=True)
    ]
    figures = LinkFigures(
        source="d1", target="d2", link="mqtt",
        latency=Figure(value=made.latency_seconds, origin=origin),
        rate=Figure(value=1e6, origin=origin),
        jitter=Figure(value=0.001, origin=origin),
        cost=None, report=replace(made.report, sizes=tuple(reports)),
    )  # fmt: skip
    return replace(figures, **changes)


def test_a_size_between_two_is_on_the_line_between_them():
    """Alone, and at both ends; an answer takes half of an empty round trip."""
    found = crossing(link((1000, 0.1005, 0.05), (3000, 0.3005, 0.15)), 2000)

    assert found.seconds == pytest.approx(0.2)
    assert found.transfer_seconds == pytest.approx(0.002)
    assert found.sender_cpu_seconds == pytest.approx(2e-6)
    assert found.receiver_cpu_seconds == pytest.approx(2e-5)
    assert found.jitter_seconds == pytest.approx(0.10025)


def test_sizes_beyond_those_that_were_measured_go_on_in_the_same_way():
    """A larger one takes more by the last line; a smaller one never less than nothing."""
    measured = link((1000, 0.1005, 0.05), (3000, 0.3005, 0.15))

    assert crossing(measured, 5000).seconds == pytest.approx(0.5)
    assert crossing(measured, 0).seconds == pytest.approx(0.0005)
    assert crossing(measured, 0).transfer_seconds == 0


def test_a_link_is_busy_by_the_goodput_of_the_size_that_goes_best():
    """On a long way small ones are too few to fill it."""
    assert crossing(link((1000, 0.1, 0.05)), 500).transfer_seconds == pytest.approx(0.0005)


def test_what_somebody_describes_goes_before_what_was_measured():
    """Of bandwidth, latency and jitter; what the ends compute is as it was measured."""
    found = crossing(link((1000, 0.1, 0.05), origin=BY_HAND), 1_000_000)

    assert found.transfer_seconds == 1.0
    assert found.sender_cpu_seconds == pytest.approx(1e-6)
    assert found.receiver_cpu_seconds == pytest.approx(1e-5)
    assert found.seconds == pytest.approx(1.000511)
    assert found.jitter_seconds == 0.001


def test_a_link_that_nobody_measured_takes_latency_and_transfer():
    """Nothing is known of what its ends compute."""
    found = crossing(link((1000, 0.1, 0.05), report=None, jitter=UNKNOWN), 1000)

    assert found == (0.0015, 0.001, 0.0, 0.0, 0.0)
