"""Errors that an application sees when it feeds a pipeline."""

from wire.errors import CodedError


class PipelineUnknownError(CodedError):
    """No route to a pipeline of that name."""

    code = "pipeline.unknown"
    exit_code = 6

    def __init__(self, pipeline: str, broker: str) -> None:
        super().__init__(pipeline, broker)
        self.pipeline = pipeline
        self.broker = broker

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: not deployed on {self.broker};"
            f" deploy it with `paceline deploy DIR --to DEVICES --name {self.pipeline}`,"
            f" or, if a broker lost it, bring it back with `paceline restore {self.pipeline}`"
        )


class NotRememberedError(CodedError):
    """This user's list of deployments has no pipeline of that name."""

    code = "restore.not_remembered"
    exit_code = 6

    def __init__(self, pipeline: str, broker: str) -> None:
        super().__init__(pipeline, broker)
        self.pipeline = pipeline
        self.broker = broker

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: not in your list of deployments on {self.broker}, so its"
            " route is not known here; let whoever deployed it restore it, or deploy it again"
        )


class FrameFailedError(CodedError):
    """One frame ended without a result."""

    code = "frame.failed"

    def __init__(self, sequence: int, reason: str, message: str, where: str | None = None) -> None:
        super().__init__(sequence, reason, message, where)
        self.sequence = sequence
        self.reason = reason
        """The code that is accounted, such as ``worker.lost`` or ``frame.deadline``."""
        self.message = message
        self.where = where
        """The device that said so; None: the client itself."""

    def __str__(self) -> str:
        where = f" on {self.where}" if self.where else ""
        return f"frame {self.sequence}: {self.reason}{where} ({self.message})"
