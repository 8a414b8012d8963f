"""What can be wrong with a direct link."""

from wire.errors import CodedError


class HandshakeError(CodedError):
    """The other side of a connection is not whom we expect there."""

    code = "direct.refused"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"direct link: {self.problem}; connection closed"


class EndpointError(CodedError):
    """A place for direct links cannot be opened or reached."""

    code = "direct.unreachable"
    retryable = True
    exit_code = 6

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return f"direct link at {self.where}: {self.problem}; frames go through the broker"
