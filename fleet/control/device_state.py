"""What one device said last on its retained topics."""

from dataclasses import dataclass

from wire.errors import CodedError
from wire.messages import Info, Reported, Status


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What is known of one device; None: nothing was heard on that topic."""

    device: str
    status: Status | None = None
    info: Info | None = None
    desired: bytes | None = None
    """As it was received: whoever carries it on checks its signature first."""
    reported: Reported | None = None
    held: bytes | None = None
    """The desired state that the device says it obeys; None: it was not asked, or gives none."""
    held_problem: str | None = None
    """Why it gives none, where it was asked."""
    problem: CodedError | None = None
    """Why the newest message that could not be understood was not."""

    @property
    def online(self) -> bool:
        """Whether the device says that it is there."""
        return self.status is not None and self.status.state == "online"

    @property
    def presence(self) -> str:
        """What is known of its presence, in one word."""
        return self.status.state if self.status else "unknown"
