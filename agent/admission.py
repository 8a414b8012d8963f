"""Which signed requests are obeyed: of somebody trusted, for this process, in time, once. Pure.

A request names the agent's process (`wire.messages.Status.instance`), which is another after each
start: so what was recorded cannot be played to a later one, whatever its clock says, and what was
seen needs to be remembered only as long as the process lives.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire import signing
from wire.errors import CodedError
from wire.messages import Command

MAX_SEEN: Final = 4096
"""Ids that are remembered. Only who is trusted can add to them, one measurement at a time."""


class CommandExpiredError(CodedError):
    """A request came too late."""

    code = "command.expired"
    exit_code = 6

    def __init__(self, late_seconds: float) -> None:
        super().__init__(late_seconds)
        self.late_seconds = late_seconds

    def __str__(self) -> str:
        return f"it came {self.late_seconds:.0f} s after its expiry, by the device's clock"


class CommandReplayedError(CodedError):
    """A request came again: from the broker, or from somebody who recorded it."""

    code = "command.replayed"
    exit_code = 8

    def __init__(self, command_id: str) -> None:
        super().__init__(command_id)
        self.command_id = command_id

    def __str__(self) -> str:
        return f"command {self.command_id!r:.60}: it came before; not obeyed again"


class OtherInstanceError(CodedError):
    """A request was made for another start of the agent."""

    code = "command.other_instance"
    exit_code = 6
    retryable = True

    def __init__(self, asked: str, own: str) -> None:
        super().__init__(asked, own)
        self.asked = asked
        self.own = own

    def __str__(self) -> str:
        return (
            f"it names the agent's process {self.asked!r:.40}, this is {self.own}; ask again: the"
            " agent has been started anew"
        )


class Admission:
    """One agent's, since it started.

    Args:
        keys: Whose requests are obeyed.
        instance: What requests must name.
    """

    def __init__(self, keys: Sequence[Ed25519PublicKey], instance: str) -> None:
        self._keys = tuple(keys)
        self._instance = instance
        self._seen: dict[str, None] = {}

    def admit(self, payload: bytes, *, unix_ns: int, clock_believed: bool) -> Command:
        """Return the request in ``payload``, which is obeyed from now on and never again.

        Args:
            payload: As it came.
            unix_ns: The time now.
            clock_believed: Whether that is kept right by somebody; else nothing is too old.

        Raises:
            MessageError: It is none.
            SignatureError: Nobody trusted signed it.
            OtherInstanceError: It is for another start of the agent.
            CommandExpiredError: It came too late.
            CommandReplayedError: It was obeyed before.
        """
        command = signing.verified_command(payload, self._keys)
        if command.instance != self._instance:
            raise OtherInstanceError(command.instance, self._instance)
        if clock_believed and command.expires_unix_ns < unix_ns:
            raise CommandExpiredError((unix_ns - command.expires_unix_ns) / 1e9)
        if command.id in self._seen:
            raise CommandReplayedError(command.id)
        self._seen[command.id] = None
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return command
