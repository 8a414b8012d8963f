"""What can be wrong with a source of frames."""

from wire.errors import CodedError


class SourceError(CodedError):
    """A source is not there, or cannot be used."""

    code = "source.unusable"
    exit_code = 3

    def __init__(self, source: str, problem: str, advice: str) -> None:
        super().__init__(source, problem, advice)
        self.source = source
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"source {self.source}: {self.problem}; {self.advice}"


class SourceUnreachableError(SourceError):
    """A camera does not answer."""

    code = "source.unreachable"
    retryable = True
    exit_code = 6


class SourceBrokenError(SourceError):
    """A video ends before its end."""

    code = "source.broken"


class ShotBrokenError(CodedError):
    """One picture of a video cannot be decoded."""

    code = "source.frame_broken"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"this picture cannot be decoded ({self.problem}); skipped"


class VideoMissingError(CodedError):
    """PyAV is an extra, and is not installed."""

    code = "source.video_missing"
    exit_code = 3

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"videos and cameras: PyAV cannot be imported ({self.reason});"
            " pip install 'paceline[video]'"
        )
