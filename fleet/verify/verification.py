"""Run cases through the whole model and through the segments, and judge what comes.

A group of cases shares its children; where one fails, each case of the group is run alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fleet.errors import BadExampleError, ChildFailedError, DamagedSplitError, NotRunnableError
from fleet.metrics import Metric, Score
from fleet.split_folder import MANIFEST_FILE
from fleet.verify import differing, evidence, inside, judging, reasons, stage_by_stage
from fleet.verify.cases import Case
from fleet.verify.inside import HiddenError
from fleet.verify.judging import Outcome
from fleet.verify.report import CaseReport, TensorDifference
from fleet.verify.runs import Runs
from fleet.verify.subject import Arrays
from wire.manifest import Segment

Reference = Callable[[Segment], Arrays]
"""What a segment's outputs should be."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case."""

    report: CaseReport
    score: Score | None
    """None where a segment did not run."""
    largest_diff: float
    """With optimisations on or off."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Verifies cases of one split."""

    runs: Runs
    metric: Metric
    stage_by_stage: bool = False
    """Whether stages are judged alone with optimisations on; see `fleet.verify.stage_by_stage`."""

    def verified(self, group: Sequence[Case]) -> list[Result]:
        """Return what becomes of each case.

        Raises:
            BadExampleError: The whole model does not run with an example.
            NotRunnableError: It does not run with the inputs of the golden frames.
            ChildTimeoutError: A run did not end in time.
            DamagedSplitError: Files of the split are not what the manifest says.
        """
        feeds = [case.load() for case in group]
        plain = self._run(group, feeds, optimisations=False)
        going = [place for place, outcome in enumerate(plain) if outcome.stopped is None]
        found = self._run(
            [group[place] for place in going],
            [feeds[place] for place in going],
            optimisations=True,
        )
        fast = dict(zip(going, found, strict=True))
        return [
            _result(case, plain[place], fast.get(place, plain[place]))
            for place, case in enumerate(group)
        ]

    def _run(
        self, group: Sequence[Case], feeds: Sequence[Arrays], *, optimisations: bool
    ) -> list[Outcome]:
        if not group:
            return []
        expected = self._expected(group, feeds, optimisations=optimisations)
        return self._outcomes(feeds, expected, optimisations=optimisations)

    def _outcomes(
        self, feeds: Sequence[Arrays], expected: Sequence[Arrays], *, optimisations: bool
    ) -> list[Outcome]:
        got = self.runs.chain(feeds, optimisations=optimisations)
        if isinstance(got, list):
            judge = self._fast if optimisations else self._plain
            return [judge(*found) for found in zip(feeds, got, expected, strict=True)]
        if len(feeds) == 1:
            return [judging.stopped(self.runs.subject, *got, optimisations=optimisations)]
        return [
            self._outcomes([feed], [wanted], optimisations=optimisations)[0]
            for feed, wanted in zip(feeds, expected, strict=True)
        ]

    def _expected(
        self, group: Sequence[Case], feeds: Sequence[Arrays], *, optimisations: bool
    ) -> list[Arrays]:
        subject = self.runs.subject
        if subject.whole is None:
            return [subject.golden_outputs(feed) for feed in feeds]
        try:
            found = self.runs.whole(feeds, optimisations=optimisations)
        except ChildFailedError as error:
            if len(group) > 1:
                return [
                    self._expected([case], [feed], optimisations=optimisations)[0]
                    for case, feed in zip(group, feeds, strict=True)
                ]
            reason = reasons.short(error.reason)
            if group[0].example is None:
                raise NotRunnableError(str(subject.whole), reason) from error
            problem = f"the whole model does not run with it ({reason})"
            raise BadExampleError(str(group[0].example), problem) from error
        missing = [name for name in subject.outputs if any(name not in one for one in found)]
        if missing:
            path = str(subject.folder / MANIFEST_FILE)
            raise DamagedSplitError(path, f"the model gives no tensors {missing}")
        return found

    def _plain(self, _feed: Arrays, got: Arrays, expected: Arrays) -> Outcome:
        return judging.plain(self.runs.subject, got, expected)

    def _fast(self, feed: Arrays, got: Arrays, expected: Arrays) -> Outcome:
        if self.stage_by_stage:
            return stage_by_stage.judged(self.runs, got, expected)

        def look(got: Arrays, expected: Arrays, outputs: list[str]) -> evidence.Found:
            return evidence.look(self.runs, feed, got, expected, outputs)

        return judging.fast(self.runs.subject, self.metric, got, expected, look)

    def located(self, case: Case) -> TensorDifference | None:
        """Return the first tensor that differs, output or not, with optimisations off.

        The segments run once more, each tensor compared as it comes with what the whole model
        or a golden frame says; None where neither does, or where nothing differs.
        """
        subject, feed = self.runs.subject, case.load()
        rule = differing.rule(subject, optimisations=False)
        reference = self._reference(case, feed)
        if reference is None:
            return None
        found: list[TensorDifference] = []

        def look(_number: int, segment: Segment, given: Arrays) -> None:
            if not found:
                first = differing.in_segment(subject, segment, given, reference(segment), rule)
                found.extend([first] if first else [])

        self.runs.chain([feed], optimisations=False, look=look)
        return found[0] if found else None

    def _reference(self, case: Case, feed: Arrays) -> Reference | None:
        """Return what segments should give: by the whole model, or else by golden frames."""
        subject = self.runs.subject
        names = [spec.name for segment in subject.manifest.segments for spec in segment.outputs]
        try:
            values = inside.values(self.runs, feed, names, optimisations=False)
        except HiddenError:
            return (lambda segment: subject.golden(segment)[1]) if case.golden else None
        return lambda _: values


def _result(case: Case, plain: Outcome, fast: Outcome) -> Result:
    return Result(
        report=CaseReport(
            name=case.name,
            shapes=dict(case.shapes),
            sizes=dict(case.sizes),
            bit_equal=plain.bit_equal,
            within_tolerance=fast.within,
            passes=plain.good and fast.good,
            score=fast.score.value if fast.score else np.nan,
            max_abs_diff=fast.max_abs_diff,
            first_difference=plain.first or fast.first,
            ties=fast.ties,
            stopped=plain.stopped or fast.stopped,
        ),
        score=fast.score,
        largest_diff=max(plain.max_abs_diff, fast.max_abs_diff),
    )
