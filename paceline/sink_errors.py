"""What can be wrong with where answers go."""

import errno
from typing import Final

from wire.errors import CodedError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a full disk, or one's share of it, answers."""


class SinkError(CodedError):
    """Answers cannot go there."""

    code = "sink.unusable"
    exit_code = 3

    def __init__(self, sink: str, problem: str, advice: str) -> None:
        super().__init__(sink, problem, advice)
        self.sink = sink
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"sink {self.sink}: {self.problem}; {self.advice}"


class SinkFullError(SinkError):
    """The disk is full."""

    code = "sink.disk_full"


class SinkClosedError(SinkError):
    """Whoever read the answers reads no more."""

    code = "sink.closed"
    exit_code = 1
