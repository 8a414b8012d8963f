"""What people and programs read of links."""

import io

from rich.console import Console

from fleet.control.requests import RequestLostError
from fleet.profiles.links import LinksOutcome
from paceline import link_view
from tests.unit.fleet.profiles.link_records import link


def shown(found):
    """Return the lines in a terminal of 120 columns."""
    out = io.StringIO()
    link_view.show(Console(file=out, width=120), found)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_each_way_has_a_line():
    """With a column for each size, and what a reader should know below."""
    lines = shown(LinksOutcome([link(encrypted=True, busy=0.5)], reused=1))

    assert lines[0].split() == [
        "from", "to", "link", "round", "trip", "jitter", "64", "kB", "3", "MB", "goodput", "cpu",
    ]  # fmt: skip
    assert lines[1].split() == [
        "d1", "d2", "tcp,", "TLS", "1", "ms", "500", "us", "2", "ms", "2", "ms", "800", "Mbit/s",
        "3", "ms",
    ]  # fmt: skip
    assert any("others used 50 % of d1's cores" in line for line in lines)
    assert any("--again" in line for line in lines)


def test_programs_get_what_there_is_not_as_well():
    """Ways that there are not, and those that failed."""
    found = link_view.plain(
        LinksOutcome(
            [link()],
            absent={("d1", "d2", "uds"): "nothing is offered"},
            failures={("d2", "d1", "tcp"): RequestLostError("d2", "link", "its agent is lost")},
        )
    )

    assert found["links"][0]["latency_seconds"] == 0.0005
    assert found["absent"] == [
        {"from": "d1", "to": "d2", "link": "uds", "reason": "nothing is offered"}
    ]
    assert found["failures"][0]["code"] == "request.lost"
    assert shown(LinksOutcome()) == []
