"""What people see of a verification."""

import io

from rich.console import Console

from fleet.verify import CaseReport, Progress, Stop, TensorDifference, Tie, VerifyReport
from paceline.output import Output
from paceline.verify_view import SHOWN_CASES, VerifyView, show

FIRST = TensorDifference(
    tensor="d", stage=1, segment="01-body", dtype=1, shape=(1, 4), optimisations=False,
    rule="bits", differing=2, of=4, max_abs_diff=0.5,
)  # fmt: skip
STOP = Stop(tensor="y", stage=2, segment="02-tail", optimisations=False, reason="too large")
TIE = Tie(tensor="label", count=3, of=64, largest_gap=1e-6, evidence="as good")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return that it is one."""
        return True


def case(name="golden frames", **changes):
    """Return a case that passed, with changes."""
    made = {
        "name": name, "shapes": {"x": (1, 3, 64, 64)}, "sizes": {"H": 64}, "bit_equal": True,
        "within_tolerance": True, "passes": True, "score": 0.0, "max_abs_diff": 0.0,
    }  # fmt: skip
    return CaseReport(**{**made, **changes})


def shown(*cases, metric="max_error", **more):
    """Return the lines that are printed for these cases."""
    report = VerifyReport(
        pipeline="p", digest="0", compared_with="model", metric=metric,
        passes=all(one.passes for one in cases), bit_equal=True, within_tolerance=True,
        score=0.0, max_abs_diff=0.0, cases=cases, **more,
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=160)
    show(console, report)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_case_is_a_line_with_its_sizes_and_both_verdicts():
    """All that one wants to know of a split that is right."""
    head, titles, first, second = shown(
        case(max_abs_diff=1.25e-7), case("other sizes", shapes={"x": (2, 3, 96, 96)})
    )

    assert head == "pipeline p, compared with the model"
    assert titles.split()[:2] == ["inputs", "sizes"]
    assert titles.endswith("optimisations off  optimisations on  by up to")
    assert first.split("  ")[1].strip() == "golden frames"
    assert "x[1,3,64,64]" in first
    assert "equal bit by bit" in first
    assert first.split()[-3:] == ["within", "tolerance", "1.25e-07"]
    assert "x[2,3,96,96]" in second


def test_many_inputs_are_told_by_their_dynamic_dimensions():
    """A line holds no dozen shapes."""
    shapes = {f"x{number}": (1, 2, 3) for number in range(12)}

    line = shown(case(shapes=shapes, sizes={"N": 1, "T": 2}))[2]

    assert "N=1 T=2" in line
    assert "x0" not in line


def test_a_case_that_fails_says_where():
    """With optimisations off by the tensor, and with them by the largest difference."""
    failed = case(
        bit_equal=False, within_tolerance=False, passes=False, first_difference=FIRST,
        max_abs_diff=0.5,
    )  # fmt: skip

    line = shown(failed)[2]

    assert "  d differs  " in line
    assert line.split()[-3:] == ["beyond", "tolerance", "0.5"]


def test_a_segment_that_does_not_run_is_named():
    """In the column of the run that it ended; the other did not happen."""
    line = shown(case(bit_equal=False, passes=False, stopped=STOP))[2]

    assert line.endswith("02-tail does not run")


def test_ties_and_notes_have_lines_of_their_own():
    """They are no failure, and worth knowing."""
    lines = shown(case(ties=(TIE,)), ties=(TIE,), notes=("N=2: skipped",))

    assert lines[3:] == [
        "  tie: 3 of 64 elements of label (as good)",
        "  note: N=2: skipped",
    ]


def test_another_metric_shows_its_score():
    """Beside the largest difference, which says more to some."""
    line = shown(case(score=0.99995, max_abs_diff=2.0), metric="cosine")[2]

    assert line.split()[-3:] == ["cosine", "0.99995", "2"]


def test_float16_says_why_bits_may_differ():
    """It is no failure."""
    assert "within float16's tolerance" in shown(case(bit_equal=False))[2]


def test_of_many_cases_those_that_fail_are_shown():
    """A folder of a thousand examples is no thousand lines."""
    good = [case(f"{number}.npz") for number in range(SHOWN_CASES + 3)]
    bad = case("bad.npz", passes=False, bit_equal=False, first_difference=FIRST)

    lines = shown(*good, bad)

    assert len(lines) == SHOWN_CASES + 3
    assert lines[2].startswith("  bad.npz")
    assert lines[-1] == "  and 4 more: all of them pass"
    assert shown(*[bad] * (SHOWN_CASES + 1))[-1] == "  and 1 more: 1 of them fail"


def test_off_a_terminal_no_progress_is_shown():
    """A log file gets no bar."""
    output = Output(False, io.StringIO(), io.StringIO())
    with VerifyView(output) as view:
        view(Progress(1, 6, "whole model, optimisations off"))

    assert output.stderr.getvalue() == ""
    assert output.stdout.getvalue() == ""


def test_on_a_terminal_progress_goes_to_stderr():
    """Stdout is for the result alone."""
    output = Output(False, Terminal(), Terminal())
    with VerifyView(output) as view:
        view(Progress(2, 6, "00-head, optimisations off"))

    assert "00-head, optimisations off" in output.stderr.getvalue()
    assert "1/6" in output.stderr.getvalue()
    assert output.stdout.getvalue() == ""
