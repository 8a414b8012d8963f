"""Errors of a byte stream: the connection under a link."""

from wire.errors import CodedError


class StreamClosedError(CodedError):
    """The connection has ended; what was not sent by then is lost."""

    code = "stream.closed"
    retryable = True

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(peer, reason)
        self.peer = peer
        self.reason = reason

    def __str__(self) -> str:
        return f"connection to {self.peer}: it has ended ({self.reason}); connect again"


class StreamFullError(CodedError):
    """More waits to be sent than may."""

    code = "stream.full"
    retryable = True

    def __init__(self, peer: str, limit_bytes: int) -> None:
        super().__init__(peer, limit_bytes)
        self.peer = peer
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"connection to {self.peer}: {self.limit_bytes} bytes wait already; send it later"


class StreamStalledError(CodedError):
    """The other side takes no bytes."""

    code = "stream.stalled"
    retryable = True

    def __init__(self, peer: str, seconds: float) -> None:
        super().__init__(peer, seconds)
        self.peer = peer
        self.seconds = seconds
        self.reason = f"took no bytes for {seconds:g} s"

    def __str__(self) -> str:
        return f"connection to {self.peer}: the other side {self.reason}; connect again"
