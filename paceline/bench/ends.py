"""The two ends of a measured hop, each in a process of its own, whatever carries the frames.

The parent speaks with each over stdin and stdout, a line of JSON each way (`messages`); an end is
over when its stdin is. The receiver tells the sender of each decoded frame by one byte on a socket
between them, so that nothing but frames travels on what is measured.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from paceline.bench.messages import Arrived, Failed, Measure, Ready, Sent, Setup
from wire.errors import CodedError

CONFIRM_SECONDS: Final = 10.0
"""No byte for so long: a frame was lost."""

Message = TypeVar("Message", bound=msgspec.Struct)
Decoded = Callable[[Any], None]
"""To be called in any one thread with what a frame held, as soon as it is decoded."""


class SendingEnd(Protocol):
    """What hands frames over."""

    def send(self, sequence: int) -> None:
        """Encode one frame and hand it over."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class ReceivingEnd(Protocol):
    """What takes frames."""

    @property
    def meeting(self) -> dict[str, Any]:
        """What the sender must know to reach it."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


class FrameLostError(CodedError):
    """A frame was handed over and never decoded."""

    code = "bench.frame_lost"
    exit_code = 6

    def __init__(self, sequence: int) -> None:
        super().__init__(sequence)
        self.sequence = sequence

    def __str__(self) -> str:
        return (
            f"frame {self.sequence}: not decoded {CONFIRM_SECONDS:g} s after it was sent;"
            " try a smaller one, since brokers drop what they do not allow"
        )


def run_sender(open_end: Callable[[Setup], SendingEnd]) -> int:
    """Be the sender until stdin ends; returns the exit status."""
    setup = _setup()
    confirmed = socket.socket(fileno=setup.confirm_descriptor)
    confirmed.settimeout(CONFIRM_SECONDS)
    try:
        end = open_end(setup)
        _say(Ready())
        sequence = 0
        while (order := _hear(Measure)) is not None:
            _say(_sent(end, order, sequence, confirmed))
            sequence += order.frames
        end.close()
    except CodedError as error:
        _say(Failed(code=error.code, message=str(error)))
        return 1
    return 0


def _sent(end: SendingEnd, order: Measure, first: int, confirmed: socket.socket) -> Sent:
    handed_ns = []
    in_flight = 0
    cpu_ns = time.process_time_ns()
    for sequence in range(first, first + order.frames):
        handed_ns.append(time.monotonic_ns())
        end.send(sequence)
        in_flight += 1
        while in_flight >= order.window:
            in_flight -= _confirmations(confirmed, sequence)
        if order.pause_seconds:
            time.sleep(order.pause_seconds)
    while in_flight:
        in_flight -= _confirmations(confirmed, first + order.frames - 1)
    return Sent(handed_ns=handed_ns, cpu_seconds=(time.process_time_ns() - cpu_ns) / 1e9)


def _confirmations(confirmed: socket.socket, sequence: int) -> int:
    try:
        told = len(confirmed.recv(64))
    except TimeoutError as error:
        raise FrameLostError(sequence) from error
    if not told:
        raise FrameLostError(sequence)
    return told


def run_receiver(open_end: Callable[[Setup, Decoded], ReceivingEnd]) -> int:
    """Be the receiver until stdin ends; returns the exit status."""
    setup = _setup()
    confirm = socket.socket(fileno=setup.confirm_descriptor)
    decoded_ns: list[int] = []  # the parent asks after each measurement, so it stays short

    def decoded(_: Any) -> None:
        decoded_ns.append(time.monotonic_ns())
        confirm.send(b".")

    try:
        end = open_end(setup, decoded)
        _say(Ready(meeting=end.meeting))
        cpu_ns = time.process_time_ns()
        while sys.stdin.buffer.readline():
            now_ns = time.process_time_ns()
            line = _line(Arrived(decoded_ns=decoded_ns, cpu_seconds=(now_ns - cpu_ns) / 1e9))
            decoded_ns.clear()  # before the parent, who hears of it, lets more frames come
            cpu_ns = time.process_time_ns()
            _write(line)
        end.close()
    except CodedError as error:
        _say(Failed(code=error.code, message=str(error)))
        return 1
    return 0


def _setup() -> Setup:
    setup = _hear(Setup)
    if setup is None:
        raise SystemExit(0)
    if setup.core is not None:
        os.sched_setaffinity(0, {setup.core})
    return setup


def _hear(kind: type[Message]) -> Message | None:
    line = sys.stdin.buffer.readline()
    return msgspec.json.decode(line, type=kind) if line else None


def _say(message: msgspec.Struct) -> None:
    _write(_line(message))


def _line(message: msgspec.Struct) -> bytes:
    return msgspec.json.encode([type(message).__name__, message]) + b"\n"


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
