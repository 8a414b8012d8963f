"""Signed requests that make devices work for a while: sent, followed, given up.

Each device answers for itself: one that refuses, dies or falls silent is a `DeviceFailure`, and the
others go on.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.control.examine import AgentTooOldError, DeviceSilentError
from fleet.control.observe import Observer
from wire import messages, signing
from wire.closing import Closing
from wire.errors import CodedError, LinkDownError
from wire.measuring import CANCEL, Cancel
from wire.messages import Command, Response
from wire.session import Session
from wire.topics import Site

EXPIRES_SECONDS: Final = 120.0
"""A request that comes later is refused, where the device's clock is believed."""
SILENCE_SECONDS: Final = 20.0
"""A device that measures says so every two."""
QUIET_SECONDS: Final = 6.0
"""After so long without a word a request is sent once more."""
GONE_SECONDS: Final = 8.0
"""How long a device may be away: its broker may have been started anew, and it comes back."""
AWAY_SECONDS: Final = 60.0
"""How long our own connection may be gone."""
LOOK_SECONDS: Final = 0.25

_EXITS: Final = {
    "signature.refused": 8,
    "command.replayed": 8,
    "worker.out_of_memory": 4,
    "store.full": 4,
    "plugin.unknown": 4,
    "child.failed": 6,
}
"""What a refusal exits with; others by the beginning of their code, below."""
_EXITS_BY_GROUP: Final = {"model": 3, "runtime": 3, "artifact": 6, "command": 6, "child": 3}


class RequestRefusedError(CodedError):
    """A device says why it does not do what it was asked, or could not: by its own code."""

    code = "request.refused"

    def __init__(self, device: str, command: str, code: str, message: str) -> None:
        super().__init__(device, command, code, message)
        self.code = code  # type: ignore[misc]  # the device's own
        group = code.partition(".")[0]
        self.exit_code = _EXITS.get(code, _EXITS_BY_GROUP.get(group, 6))  # type: ignore[misc]
        self.device = device
        self.command = command
        self.message = message

    def __str__(self) -> str:
        return f"device {self.device}: {self.command}: {self.message}{_advice(self.code)}"


class RequestLostError(CodedError):
    """A device went away, or fell silent, while it did what it was asked."""

    code = "request.lost"
    retryable = True
    exit_code = 6

    def __init__(self, device: str, command: str, problem: str) -> None:
        super().__init__(device, command, problem)
        self.device = device
        self.command = command
        self.problem = problem

    def __str__(self) -> str:
        return f"device {self.device}: {self.command}: {self.problem}; ask again when it is well"


@dataclass(slots=True)
class Request:
    """One device's request under way."""

    device: str
    command: Command
    answer: Response | None = None
    """The final one."""
    failure: CodedError | None = None
    heard_at: float = field(default_factory=time.monotonic)
    asked_at: float = field(default_factory=time.monotonic)
    gone_since: float | None = None
    """Since when its agent is not online; None: it is."""

    @property
    def over(self) -> bool:
        """Whether nothing more is waited for."""
        return self.answer is not None or self.failure is not None


Heard = Callable[[str, Mapping[str, Any]], bool]
"""Called with a device and the result of each of its answers, in the session's thread; returns
whether a final one is whole, with all that had to come before it."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Asks the devices of one site.

    Args:
        session: Up, or about to be.
        topics: The site's.
        seen: Watches the devices.
        key: Signs.
    """

    session: Session
    topics: Site
    seen: Observer
    key: Ed25519PrivateKey

    def ask_all(
        self, command: str, arguments: Mapping[str, msgspec.Struct], heard: Heard
    ) -> dict[str, Request]:
        """Ask each device, and return what became of it when all have answered or failed.

        Args:
            command: What is asked.
            arguments: By device.
            heard: Hears what the devices say.

        Raises:
            LinkDownError: Our own connection was gone for long.
            KeyboardInterrupt: The devices were told to give up.
        """
        with Conversation(self) as talk:
            asked = {
                device: talk.ask(device, command, given, heard)
                for device, given in arguments.items()
            }
            talk.wait(lambda: all(one.over for one in asked.values()))
        return asked

    def made(self, device: str, command: str, arguments: msgspec.Struct) -> Request:
        """Return a signed request, which is not sent; it has failed where the agent is too old."""
        state = self.seen.device(device)
        made = Command(
            id=uuid.uuid4().hex,
            command=command,
            reply_to=self.topics.device("rsp", device),
            expires_unix_ns=time.time_ns() + int(EXPIRES_SECONDS * 1e9),
            arguments=msgspec.to_builtins(arguments),
            instance=state.status.instance if state.status else "",
        )
        request = Request(device, signing.signed(made, self.key))
        if state.info is None or command not in state.info.commands:
            request.failure = AgentTooOldError(device, command)
        return request

    def publish(self, request: Request) -> None:
        """Send a request."""
        topic = self.topics.device("cmd", request.device)
        self.session.publish(topic, messages.encode("cmd", request.command), 1)


class Conversation(Closing):
    """Requests that are followed together; at its end, devices that still work are told to stop.

    Args:
        requests: How to ask.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._asked: list[Request] = []
        self._listening = contextlib.ExitStack()
        self._away_since: float | None = None

    def ask(self, device: str, command: str, arguments: msgspec.Struct, heard: Heard) -> Request:
        """Ask one device, whose answers ``heard`` hears."""
        request = self._requests.made(device, command, arguments)
        handler = _handler(request, heard)
        hearing = self._requests.seen.hearing(request.command.id, handler)
        self._listening.enter_context(hearing)
        self._asked.append(request)
        if not request.over:
            self._requests.publish(request)
            request.heard_at = time.monotonic()
        return request

    def wait(self, over: Callable[[], bool]) -> None:
        """Wait until ``over``, which the failure of a device may make true.

        Raises:
            LinkDownError: Our own connection was gone for long.
        """
        requests = self._requests
        while not over():
            requests.seen.wait(over, LOOK_SECONDS)
            now = time.monotonic()
            if not requests.session.up:
                self._away_since = self._away_since or now
                if now - self._away_since > AWAY_SECONDS:
                    raise LinkDownError(str(requests.session.url))
                for one in self._asked:
                    one.heard_at, one.gone_since = now, None
                continue
            back, self._away_since = self._away_since is not None, None
            for one in self._asked:
                if not one.over:
                    self._ask_again(one, now, at_once=back)
                    one.failure = self._lost(one, now)

    def _ask_again(self, one: Request, now: float, *, at_once: bool) -> None:
        """Send a request once more where something may have been missed: it is said again then."""
        quiet = min(now - one.heard_at, now - one.asked_at)
        if at_once or quiet > QUIET_SECONDS:
            one.asked_at = now
            with contextlib.suppress(LinkDownError):  # then we are away again
                self._requests.publish(one)

    def give_up(self, request: Request) -> None:
        """Tell a device that still works to stop."""
        if not request.over:
            with contextlib.suppress(CodedError):
                cancel = Cancel(id=request.command.id)
                self._requests.publish(self._requests.made(request.device, CANCEL, cancel))

    def close(self) -> None:
        """Tell devices that nobody waits any more; closing twice is harmless."""
        for one in self._asked:
            self.give_up(one)
        self._asked = []
        self._listening.close()

    def _lost(self, one: Request, now: float) -> CodedError | None:
        status = self._requests.seen.device(one.device).status
        name = one.command.command
        if status is not None and status.state != "online":
            one.gone_since = one.gone_since or now
            if now - one.gone_since > GONE_SECONDS:
                return RequestLostError(one.device, name, f"its agent is {status.state} meanwhile")
            return None
        one.gone_since = None
        if status is not None and status.instance != one.command.instance:
            return RequestLostError(one.device, name, "its agent was started anew meanwhile")
        if now - one.heard_at > SILENCE_SECONDS:
            return DeviceSilentError(one.device, name, SILENCE_SECONDS)
        return None


def _handler(one: Request, heard: Heard) -> Callable[[Response], None]:
    def take(response: Response) -> None:
        one.heard_at = time.monotonic()
        if one.over:
            return
        name = one.command.command
        if response.reason is not None or not response.ok:
            code = response.reason.code if response.reason else "request.refused"
            message = response.reason.message if response.reason else "it does not say why"
            one.failure = RequestRefusedError(one.device, name, code, message)
            return
        try:
            whole = heard(one.device, response.result)
        except msgspec.ValidationError as error:
            text = f"its answer cannot be read ({error})"
            one.failure = RequestLostError(one.device, name, text)
            return
        if response.final and whole:
            one.answer = response

    return take


def _advice(code: str) -> str:
    match code:
        case "signature.refused":
            return "; add your key to the device's trust.keys: `paceline key show` prints it"
        case "worker.out_of_memory":
            return "; measure it in more parts with --parts"
        case "artifact.not_served" | "artifact.unreachable":
            return " or --serve: they have to be one place"
    return ""
