"""Judge the stages of a pipeline that has no whole model, with the runtime's optimisations on.

One after the other, stages with quantised kernels carry each other's roundings on, and nothing
says what is right. So each stage runs with its golden inputs, as on a device before it serves, and
has to be as near to its golden outputs as the manifest asks for.
"""

from fleet.compare import Allowance, compare
from fleet.errors import ChildFailedError
from fleet.metrics import Score
from fleet.verify import differing, judging, reasons
from fleet.verify.differing import Rule
from fleet.verify.judging import Outcome
from fleet.verify.report import TensorDifference
from fleet.verify.runs import Runs
from fleet.verify.subject import Arrays
from wire.manifest import Segment

NOTE = (
    "optimisations on: each stage ran with its golden inputs, as on a device before it serves;"
    " what is told beside is how far they move the outputs one after the other"
)


def judged(runs: Runs, got: Arrays, expected: Arrays) -> Outcome:
    """Return what becomes of the stages; ``got`` is what they gave one after the other.

    Raises:
        DamagedSplitError: A golden frame cannot be read.
        ChildTimeoutError: A segment did not end in time.
    """
    subject = runs.subject
    first: TensorDifference | None = None
    for segment in subject.manifest.segments:
        taken, wanted = subject.golden(segment)
        try:
            (given,) = runs.run(
                subject.place(segment), [taken], f"{segment.name} alone", True, None
            )
        except ChildFailedError as error:
            reason = reasons.short(error.reason)
            return judging.stopped(subject, segment, reason, optimisations=True)
        first = first or _first(runs, segment, given, wanted)
    found = [compare(got[name], expected[name], subject.tolerance) for name in subject.outputs]
    apart = max((one.max_abs_diff for one in found), default=0.0)
    return Outcome(
        good=first is None,
        bit_equal=all(one.bit_equal for one in found),
        within=first is None,
        max_abs_diff=apart,
        score=Score("max_error", apart, higher_is_better=False, passes=first is None),
        first=first,
    )


def _first(runs: Runs, segment: Segment, given: Arrays, wanted: Arrays) -> TensorDifference | None:
    allowed = Allowance(
        absolute=segment.tolerance.absolute,
        relative=segment.tolerance.relative,
        quanta=segment.quanta or 0,
    )
    rule = Rule(optimisations=True, bits=False, tolerance=allowed)
    return differing.in_segment(runs.subject, segment, given, wanted, rule)
