"""Errors that an application sees when it feeds a pipeline."""

import reprlib

from wire import link_names
from wire.errors import CodedError


class BadArgumentError(CodedError, ValueError):
    """An argument of the Python interface is not what it takes."""

    code = "client.bad_argument"
    exit_code = 3

    def __init__(self, name: str, got: object, expected: str) -> None:
        super().__init__(name, got, expected)
        self.name = name
        self.got = got
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"{self.name}: {reprlib.repr(self.got)} cannot be used (expected {self.expected});"
            " correct the call"
        )


class SiteClosedError(CodedError):
    """The site was closed, or the pipeline was, and is used again."""

    code = "client.site_closed"
    exit_code = 3

    def __init__(self, broker: str) -> None:
        super().__init__(broker)
        self.broker = broker

    def __str__(self) -> str:
        return (
            f"site on {self.broker}: it was closed; use it inside its `with` block, or connect"
            " again with `paceline.connect(...)`"
        )


class StreamBusyError(CodedError):
    """A stream of this pipeline runs already."""

    code = "client.stream_busy"
    exit_code = 3

    def __init__(self, pipeline: str) -> None:
        super().__init__(pipeline)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: a stream of it runs already; take all its answers or"
            " .close() it first, or call `paceline.connect(...)` again for a second one"
        )


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
            f"pipeline {self.pipeline}: not deployed on {self.broker}; see what is with"
            " `paceline status`, deploy it with"
            f" `paceline deploy DIR --to DEVICES --name {self.pipeline}`, or, where a broker lost"
            " its retained messages, bring its route back with `paceline restore`"
        )


class PipelineUndeployedError(PipelineUnknownError):
    """The pipeline was taken off its devices while frames streamed."""

    code = "pipeline.undeployed"

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: undeployed from {self.broker} in mid-stream; every frame"
            " submitted has its answer or its error, no more were taken; deploy it again with"
            f" `paceline deploy DIR --to DEVICES --name {self.pipeline}` and stream the rest"
        )


class NotDirectError(CodedError):
    """No broker may carry a pipeline's frames, and this client cannot reach it otherwise."""

    code = link_names.NOT_DIRECT
    exit_code = 6

    def __init__(self, pipeline: str, problem: str) -> None:
        super().__init__(pipeline, problem)
        self.pipeline = pipeline
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: no broker may carry its frames or answers (`--link"
            f" direct`), and none goes directly from here ({self.problem}); run this on the device"
            " of its first and its last stage, where four clients have room at once, or deploy it"
            " again with `--link auto`"
        )


class CannotServeError(CodedError):
    """The segments cannot be served to the agents from this process."""

    code = "client.cannot_serve"
    exit_code = 3

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"serve: the agents cannot be served from {self.address} ({self.problem}); end what"
            ' uses it, or name the "HOST:PORT" that their artifacts.origin points to with serve='
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
