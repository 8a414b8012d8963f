"""What people and programs read of profiles."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from fleet.control.requests import RequestLostError
from fleet.profiles.measure import Outcome
from paceline import profile_view
from tests.unit.fleet.profiles.records import operator, part, profile

OPERATORS = [operator(place, place / 1000, name=f"n{place}") for place in range(4)]


def shown(found, top=2):
    """Return the lines in a terminal of 80 columns."""
    out = io.StringIO()
    profile_view.show(Console(file=out, width=80), found, top)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_device_has_a_line_and_its_slowest_operators():
    """With the spread, memory, and what the others are together."""
    lines = shown(Outcome((profile(run=0.012, operators=OPERATORS, kernels=OPERATORS[1:]),)))

    assert lines[0] == "m.onnx (sha256 aaaaaaaaaaaa) with x [1, 3]"
    assert lines[3].split()[:3] == ["device", "threads", "one"]
    assert lines[4].split()[:9] == ["d1", "1", "12", "ms", "10.8", "to", "14.4", "ms", "100"]
    assert [line.split()[:4] for line in lines[-3:]] == [
        ["Conv", "6", "ms", "50.0"],
        ["Conv", "4", "ms", "33.3"],
        ["1", "others", "2", "ms"],
    ]


def test_what_is_to_be_known_of_the_figures():
    """What others did meanwhile, what is not known well, what was kept."""
    made = part(operators=OPERATORS)
    load = replace(made.report.load, others_busy_ratio=0.4, serving=2)
    made = replace(made, report=replace(made.report, load=load, settled=False, watts=3.25))
    lines = "\n".join(shown(Outcome((profile(made, made),), frozenset({"d1"}))))

    for words in ("2 workers", "40 % of its cores", "--seconds", "in 2 parts", "--again", "3.2 W"):
        assert words in lines


def test_programs_get_all_of_it():
    """With what kept a device from measuring."""
    failed = {"d2": RequestLostError("d2", "profile", "its agent is lost meanwhile")}
    found = profile_view.plain(Outcome((profile(operators=OPERATORS),), failures=failed))

    assert found["profiles"][0]["run_seconds"] == 0.010
    assert found["profiles"][0]["parts"][0]["report"]["run"]["count"] == 30
    assert found["failures"]["d2"]["code"] == "request.lost"
    assert shown(Outcome(failures=failed)) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (0.01234, "12.3 ms"), (5e-7, "0.5 us"), (0.9999, "1000 ms"), (0, "0 us")],
)
def test_short_times(seconds, text):
    """Three digits, in the unit that fits."""
    assert profile_view.time_text(seconds) == text
