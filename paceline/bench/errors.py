"""Errors of measuring."""

from wire.errors import CodedError


class EndFailedError(CodedError):
    """One of a measurement's two processes cannot go on."""

    code = "bench.end_failed"
    exit_code = 6

    def __init__(self, link: str, end: str, reason: str) -> None:
        super().__init__(link, end, reason)
        self.link = link
        self.end = end
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"link {self.link}: the {self.end} failed ({self.reason});"
            " with --broker, look at what that broker allows; else try again with fewer bytes"
        )


class NothingMeasuredError(CodedError):
    """No frame of a pipeline had a result."""

    code = "bench.nothing_measured"
    exit_code = 6

    def __init__(self, pipeline: str, reasons: str) -> None:
        super().__init__(pipeline, reasons)
        self.pipeline = pipeline
        self.reasons = reasons

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: no frame had a result ({self.reasons});"
            f" see `paceline status {self.pipeline}`"
        )


class OtherPlanError(CodedError):
    """A plan is not of the pipeline that is measured."""

    code = "bench.other_plan"
    exit_code = 3

    def __init__(self, plan: str, pipeline: str, planned: str, serving: str) -> None:
        super().__init__(plan, pipeline, planned, serving)
        self.plan = plan
        self.pipeline = pipeline
        self.planned = planned
        self.serving = serving

    def __str__(self) -> str:
        return (
            f"{self.plan}: is of stages on {self.planned:.400}, but {self.pipeline} runs on"
            f" {self.serving:.400}; give the plan that was deployed, or deploy this one:"
            f" paceline deploy DIR --plan {self.plan}"
        )


class BadConcurrencyError(CodedError):
    """What ``--concurrency`` says is no range of windows."""

    code = "bench.bad_concurrency"
    exit_code = 2

    def __init__(self, got: str, most: int) -> None:
        super().__init__(got, most)
        self.got = got
        self.most = most

    def __str__(self) -> str:
        return (
            f"--concurrency {self.got!r:.40}: is no number of frames in flight (expected such as"
            f" 4, 1:8, 1:16:2 or 1,2,4, each at least 1 and at most {self.most}); correct it"
        )
