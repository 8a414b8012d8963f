"""What commands print, and where."""

import io
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.output import Output, json_line, one_line
from wire.errors import BadIdError


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return that it is one."""
        return True


class Point(msgspec.Struct):
    """Something with numbers."""

    x: float
    y: float


def output(*, as_json=False, stdout=None, stderr=None):
    """Return an output into memory."""
    return Output(as_json, stdout or io.StringIO(), stderr or io.StringIO())


def test_json_is_one_line_on_stdout_and_nothing_for_people():
    """A program reads the last line, or the only one."""
    out = output(as_json=True)
    out.result(Point(1.0, 2.0), lambda console: console.print("for people"))

    assert out.stdout.getvalue() == '{"x": 1.0, "y": 2.0}\n'
    assert out.stderr.getvalue() == ""


def test_people_get_no_json():
    """And nothing of the markup that a name could hold is taken for markup."""
    out = output()
    out.result(Point(1.0, 2.0), lambda console: console.print("tensor [red]x[0][/red] :smile:"))

    assert out.stdout.getvalue() == "tensor [red]x[0][/red] :smile:\n"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(value):
    """JSON knows no NaN, at any depth."""
    assert json_line({"a": [Point(value, 1.0)]}) == '{"a": [{"x": null, "y": 1.0}]}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_plain_value_becomes_one_line_of_strict_json(value):
    """Strict parsers refuse NaN, and line readers refuse two lines."""
    line = json_line(value)

    def refuse(constant):
        raise ValueError(constant)

    json.loads(line, parse_constant=refuse)
    assert "\n" not in line


def test_an_error_is_one_line_on_stderr():
    """Whatever a message holds: line breaks of others are ours to take out."""
    out = output()
    out.error("x.y", "first\nsecond\x1b[31m\tthird")

    assert out.stderr.getvalue() == "error: first second [31m third\n"
    assert out.stdout.getvalue() == ""


def test_with_json_an_error_is_an_object_too():
    """A program that reads stdout learns the code."""
    out = output(as_json=True)
    out.coded_error(BadIdError("site", "A B"))

    assert json.loads(out.stdout.getvalue()) == {
        "error": {"code": "id.malformed", "message": str(BadIdError("site", "A B"))}
    }
    assert out.stderr.getvalue().startswith("error: site: 'A B'")


@given(st.text())
def test_one_line_is_one_line(text):
    """No character can begin another, or reach the terminal as a command."""
    made = one_line(text)

    assert made.isprintable()
    assert len(made.splitlines()) <= 1


@pytest.mark.parametrize(
    ("as_json", "stderr", "live"),
    [
        (False, Terminal(), True),
        (True, Terminal(), False),
        (False, io.StringIO(), False),
    ],
)
def test_progress_is_for_a_person_at_a_terminal(as_json, stderr, live):
    """A log file gets no spinner, and a program none either."""
    assert output(as_json=as_json, stderr=stderr).live is live


def test_a_pipe_gets_wide_tables_without_colour():
    """What is grepped must not be cut at 80 columns."""
    out = output()
    out.result({}, lambda console: console.print("x" * 120, style="red"))

    assert out.stdout.getvalue() == "x" * 120 + "\n"
