"""What ``paceline doctor`` prints for people."""

import io

from paceline import examining, settings
from paceline.doctor_view import show
from paceline.output import Output
from wire.reports import DoctorReport, Examination, Finding


def finding(name, severity, fix=None):
    """Return a finding."""
    return Finding(id=name, severity=severity, evidence=f"seen of {name}", fix=fix)


def printed(*findings, left_out=0):
    """Return the lines that people see."""
    group = Examination(group="g", title="G", findings=findings, seconds=1.25, left_out=left_out)
    report = DoctorReport(host="pi", examinations=(group,), device="d1", config="/c", version="1")
    output = Output(False, io.StringIO(), io.StringIO())
    output.result(report, lambda console: show(console, report))
    return [" ".join(line.split()) for line in output.stdout.getvalue().splitlines()]


def test_problems_come_first_each_with_its_fix():
    """Whatever order they were found in."""
    lines = printed(
        finding("a.well", "ok"),
        finding("b.warned", "warning", "do b"),
        finding("c.broken", "problem", "do [c]"),
    )

    assert [line.lstrip("✘▲●✔x!+- ") for line in lines if line] == [
        "pi, paceline 1, agent d1 (/c)",
        "Problems",
        "c.broken seen of c.broken",
        "fix do [c]",
        "Warnings",
        "b.warned seen of b.warned",
        "fix do b",
        "Well",
        "a.well seen of a.well",
        "1 problem, 1 warning, 1 well in 1.2 s",
    ]


def test_all_well_is_said_so_and_what_is_missing_too():
    """A device's answer may have been too large."""
    lines = printed(finding("a.well", "ok"), left_out=3)

    assert "Problems" not in lines
    assert lines[-1].startswith("no problems, 1 well in 1.2 s; 3 findings left out")


def test_settings_reach_the_child_under_an_agents_names():
    """Each that is set; what means nothing to an agent does not."""
    loaded = settings.load({}, {"broker.url": "mqtt://b", "site": "lab"}).settings
    given = {"PACELINE_CONFIG": "/x", "PACELINE_SITE": "other", "PATH": "/bin"}

    assert examining.environment(given, examining.values(loaded)) == {
        "PATH": "/bin",
        "PACELINE_BROKER_URL": "mqtt://b",
        "PACELINE_SITE": "lab",
        "PACELINE_ROOT": "paceline",
    }
