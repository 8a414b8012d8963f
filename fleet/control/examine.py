"""Asks a device what is well and what is not on it: the command ``doctor``."""

import msgspec

from fleet.control.observe import Observer
from fleet.control.reading import PING_SECONDS
from wire.errors import CodedError
from wire.messages import Response
from wire.reports import DoctorReport


class DeviceSilentError(CodedError):
    """A device does not answer."""

    code = "device.silent"
    exit_code = 6

    def __init__(self, device: str, command: str, seconds: float) -> None:
        super().__init__(device, command, seconds)
        self.device = device
        self.command = command
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"device {self.device}: no answer to {self.command} within {self.seconds:g} s; start"
            " its agent, or see on the device itself with `sudo paceline doctor`"
        )


class AgentTooOldError(CodedError):
    """An agent does not know a command."""

    code = "device.agent_too_old"
    exit_code = 6

    def __init__(self, device: str, command: str) -> None:
        super().__init__(device, command)
        self.device = device
        self.command = command

    def __str__(self) -> str:
        return (
            f"device {self.device}: this agent is too old for {self.command}; update paceline on"
            " it, and restart the agent"
        )


class NotExaminedError(CodedError):
    """A device answers and could not be examined."""

    code = "device.not_examined"
    exit_code = 6
    retryable = True

    def __init__(self, device: str, problem: str) -> None:
        super().__init__(device, problem)
        self.device = device
        self.problem = problem

    def __str__(self) -> str:
        return f"device {self.device}: it was not examined ({self.problem}); try again"


def examine(seen: Observer, device: str, timeout_seconds: float) -> DoctorReport:
    """Return what a device's doctor finds.

    Raises:
        BadIdError: The name is no id.
        DeviceSilentError: Nobody answers.
        AgentTooOldError: It does not know the command.
        NotExaminedError: It says why it could not be examined.
        LinkDownError: The connection is gone.
    """
    seen.watch_devices([device])
    ping_seconds = min(PING_SECONDS, timeout_seconds)
    if seen.ping([device], ping_seconds):
        raise DeviceSilentError(device, "ping", ping_seconds)
    answer = seen.ask("doctor", [device], timeout_seconds).get(device)
    if answer is None:
        raise DeviceSilentError(device, "doctor", timeout_seconds)
    return read(device, answer)


def read(device: str, answer: Response) -> DoctorReport:
    """Return the report in an answer.

    Raises:
        AgentTooOldError: The agent does not know the command.
        NotExaminedError: There is none, or it cannot be read.
    """
    reason = answer.reason
    if reason is not None and reason.code == "command.unknown":
        raise AgentTooOldError(device, "doctor")
    if not answer.ok:
        raise NotExaminedError(device, reason.message if reason else "it does not say why")
    try:
        return msgspec.convert(answer.result.get("report"), DoctorReport)
    except msgspec.ValidationError as error:
        raise NotExaminedError(device, f"its report cannot be read: {error}") from error
