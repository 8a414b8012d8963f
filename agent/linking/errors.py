"""What can go wrong between the two ends of a measured link."""

from wire.errors import CodedError


class LinkUnreachableError(CodedError):
    """The sender has no way to the receiver by this link."""

    code = "link.unreachable"
    exit_code = 6

    def __init__(self, link: str, peer: str, problem: str) -> None:
        super().__init__(link, peer, problem)
        self.link = link
        self.peer = peer
        self.problem = problem

    def __str__(self) -> str:
        return f"link {self.link} to {self.peer}: {self.problem}"


class FrameLostError(CodedError):
    """A frame was not answered."""

    code = "link.frame_lost"
    exit_code = 6
    retryable = True

    def __init__(self, link: str, size_bytes: int, seconds: float) -> None:
        super().__init__(link, size_bytes, seconds)
        self.link = link
        self.size_bytes = size_bytes
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"link {self.link}: a frame of {self.size_bytes} bytes was not answered within"
            f" {self.seconds:g} s; try a smaller one, or see the network and the broker's limits"
        )
