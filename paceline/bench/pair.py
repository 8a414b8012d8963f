"""Two processes with a hop between them: started, told to measure, ended.

Their stderr goes to a file of which an error shows the end. They end when their stdin does, so also
when this process is killed.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, NamedTuple, TypeVar

import msgspec

from paceline.bench.errors import EndFailedError
from paceline.bench.messages import Arrived, Broker, Failed, Measure, Ready, Sent, Setup
from wire.closing import Closing

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 3.0
_SLOWEST_BYTES_PER_SECOND: Final = 1 << 20
"""A hop that is slower than this counts as broken."""
_SAID_BYTES: Final = 300
HOP_COMMAND: Final = (sys.executable, "-I", "-m", "paceline.bench.hop_child")

Message = TypeVar("Message", bound=msgspec.Struct)
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in (Ready, Sent, Arrived, Failed)}


class Measured(NamedTuple):
    """What one measurement gave."""

    latencies_seconds: tuple[float, ...]
    """One way, of each frame in order."""
    seconds: float
    """From the first frame handed over to the last decoded."""
    sender_cpu_seconds: float
    """For each frame."""
    receiver_cpu_seconds: float
    """For each frame."""


@dataclass(frozen=True, slots=True)
class PairOptions:
    """What a pair of ends is."""

    link: str
    size_bytes: int
    broker: Broker | None = None
    max_packet_bytes: int | None = None
    cores: tuple[int, int] | None = None
    """Where sender and receiver are bound to; None: wherever the system puts them."""
    command: Sequence[str] = HOP_COMMAND
    """The ends' program; ``receiver`` or ``sender`` is appended."""


class Pair(Closing):
    """A sender and a receiver that are connected; a context manager.

    Raises:
        EndFailedError: One of them could not start.
    """

    def __init__(self, options: PairOptions) -> None:
        self._options = options
        self._name = f"bench-{os.urandom(4).hex()}"
        self._token = secrets.token_hex()
        self._folder = tempfile.TemporaryDirectory(prefix="paceline-bench-")
        near, far = socket.socketpair()
        self._ends: list[_End] = []
        try:
            with near, far:
                receiver = self._start("receiver", far, {})
                sender = self._start("sender", near, receiver.hear(Ready, START_SECONDS).meeting)
            sender.hear(Ready, START_SECONDS)
        except BaseException:
            self.close()
            raise
        self._sender, self._receiver = sender, receiver

    @property
    def link(self) -> str:
        """What carries the frames."""
        return self._options.link

    def measure(self, frames: int, *, window: int, pause_seconds: float = 0.0) -> Measured:
        """Send ``frames``, at most ``window`` of them unconfirmed; returns what it took.

        Raises:
            EndFailedError: A frame was lost, the connection broke, or it takes far too long.
        """
        order = Measure(frames=frames, window=window, pause_seconds=pause_seconds)
        each = pause_seconds + self._options.size_bytes / _SLOWEST_BYTES_PER_SECOND
        self._receiver.say(b"\n")
        self._receiver.hear(Arrived, START_SECONDS)
        self._sender.say(msgspec.json.encode(order) + b"\n")
        sent = self._sender.hear(Sent, START_SECONDS + frames * each)
        self._receiver.say(b"\n")
        arrived = self._receiver.hear(Arrived, START_SECONDS)
        times = zip(sent.handed_ns, arrived.decoded_ns, strict=True)
        return Measured(
            tuple((decoded - handed) / 1e9 for handed, decoded in times),
            (arrived.decoded_ns[-1] - sent.handed_ns[0]) / 1e9,
            sent.cpu_seconds / frames,
            arrived.cpu_seconds / frames,
        )

    def close(self) -> None:
        """End both; closing twice is harmless."""
        for end in reversed(self._ends):
            end.close()
        self._folder.cleanup()

    def _start(self, role: str, confirm: socket.socket, meeting: dict[str, Any]) -> "_End":
        options = self._options
        setup = Setup(
            link=options.link,
            name=self._name,
            size_bytes=options.size_bytes,
            confirm_descriptor=confirm.fileno(),
            folder=self._folder.name,
            token=self._token,
            broker=options.broker,
            max_packet_bytes=options.max_packet_bytes,
            core=options.cores[role == "receiver"] if options.cores else None,
            meeting=meeting,
        )
        end = _End(options.link, role, [*options.command, role], confirm.fileno())
        self._ends.append(end)
        end.say(msgspec.json.encode(setup) + b"\n")
        return end


class _End:
    """One child process."""

    def __init__(self, link: str, role: str, command: Sequence[str], descriptor: int) -> None:
        self._link = link
        self._role = role
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed with the end
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=(descriptor,),
            start_new_session=True,  # Ctrl-C is ours: we end it in order
        )

    def say(self, line: bytes) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what it said last tells why
            self._child.stdin.write(line)
            self._child.stdin.flush()

    def hear(self, kind: type[Message], timeout_seconds: float) -> Message:
        """Return its next message, which is to be a ``kind``."""
        assert self._child.stdout is not None
        watch = threading.Timer(timeout_seconds, self._child.kill)
        watch.start()
        try:
            line = self._child.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise EndFailedError(self._link, self._role, self._how_it_ended())
        name, body = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
        said = msgspec.json.decode(body, type=_KINDS[name])
        if isinstance(said, Failed):
            raise EndFailedError(self._link, self._role, said.message)
        assert isinstance(said, kind)
        return said

    def close(self) -> None:
        """Let it end, kill it if it does not."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._log.close()

    def _how_it_ended(self) -> str:
        self._child.wait()
        self._log.seek(0)
        said = " ".join(self._log.read().decode(errors="replace").split())[-_SAID_BYTES:]
        status = self._child.returncode
        return f"killed by signal {-status}; {said}" if status < 0 else said or f"exit {status}"
