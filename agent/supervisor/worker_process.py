"""A worker as its supervisor sees it: started, ordered about, watched, ended."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agent import channel, memory_limit
from agent.channel import Beat, Hung, Inflow, Opened, Order, Report, Stats, Using
from agent.exit_status import how_it_ended
from agent.supervisor.memory_limits import WorkerMemory
from wire.errors import CodedError
from wire.telemetry import StageLatency

log = structlog.get_logger()

END_SECONDS: Final = 2.0
"""A worker told to go that is still there after so long is killed."""
COMMAND: Final = (sys.executable, "-I", "-m", "agent.worker")
"""What a worker is started with; the descriptor of its end of the socket pair follows."""


NOT_STARTED: Final = "worker.not_started"
"""The reason of a worker whose process could not be made: too many files, no memory."""


class WorkerLostError(CodedError):
    """The worker's process ended or was killed before it gave its answer."""

    code = "worker.lost"
    retryable = True

    def __init__(self, reason: str, message: str, unseen_seconds: float = 0.0) -> None:
        super().__init__(reason, message)
        self.reason = reason
        """``worker.lost``, ``worker.hung`` or ``worker.out_of_memory``."""
        self.message = message
        self.unseen_seconds = unseen_seconds
        """How long it hung before that was seen."""

    def __str__(self) -> str:
        return f"worker: {self.message}"


class WorkerFailedError(CodedError):
    """The worker said itself why it cannot go on: starting it again would not help."""

    code = "worker.failed"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class WorkerProcess:
    """One worker.

    Args:
        on_lost: Called once when the process ends without having been told to.
        start_seconds: How long it may be silent while it loads and warms.
        silence_seconds: How long it may be silent while it serves.
        command: What to start.
        memory: Holds it to its memory limit; None: it has none.
        on_using: Called when what runs the segment changes, or may.
    """

    def __init__(
        self,
        on_lost: Callable[[WorkerLostError], None],
        *,
        start_seconds: float,
        silence_seconds: float,
        command: Sequence[str] = COMMAND,
        memory: WorkerMemory | None = None,
        on_using: Callable[[Using], None] = lambda _: None,
    ) -> None:
        self.latency: StageLatency | None = None
        """The newest counts it sent."""
        self._on_lost = on_lost
        self._start_seconds = start_seconds
        self._silence_seconds = silence_seconds
        self._command = command
        self._memory = memory or WorkerMemory()
        self._on_using = on_using
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._watch: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[Report] | None = None
        self._heard_at = 0.0
        self._serving = False
        self._ending = False
        self._hung: Hung | None = None
        self._failure: channel.Failed | None = None

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process.

        Raises:
            WorkerLostError: It cannot be started.
        """
        try:
            ours, theirs = channel.socket_pair()
        except OSError as error:
            raise WorkerLostError(NOT_STARTED, f"cannot be started ({error})") from error
        ours.setblocking(False)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._command, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            self._memory.hold(self._process.pid)
        except OSError as error:
            ours.close()
            self.kill()
            raise WorkerLostError(NOT_STARTED, f"cannot be started ({error})") from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        self._heard_at = asyncio.get_running_loop().time()
        self._watch = asyncio.create_task(self._listen(ours))

    async def order(self, order: Order) -> Report:
        """Give an order and wait for its answer.

        Raises:
            WorkerFailedError: The worker says that it cannot.
            WorkerLostError: It ended first.
        """
        self._answer = asyncio.get_running_loop().create_future()
        await self.tell(order)
        report = await self._answer
        if isinstance(report, channel.Failed):
            raise WorkerFailedError(report.code, report.message)
        self._serving = isinstance(report, Opened)
        return report

    async def tell(self, order: Order) -> None:
        """Give an order that has no answer.

        Raises:
            WorkerLostError: The process has ended.
        """
        if self._socket is None or self._watch is None or self._watch.done():
            raise WorkerLostError("worker.lost", "has ended")
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._socket, channel.encode(order))
        except OSError as error:
            raise WorkerLostError("worker.lost", "has ended") from error

    async def end(self) -> None:
        """End the process: it sees its socket close; after 2 s it is killed."""
        self._ending = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), END_SECONDS)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        if self._watch is not None:
            await self._watch
        if self._socket is not None:
            self._socket.close()

    def kill(self) -> None:
        """Kill the process at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _listen(self, ours: socket.socket) -> None:
        """Watch the process until it is gone, and say so."""
        assert self._process is not None
        watches = [
            asyncio.create_task(watch)
            for watch in (self._kill_when_silent(), self._kill_when_too_large())
        ]
        try:
            await self._take_reports(ours)
        finally:
            for watch in watches:
                watch.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), END_SECONDS)
        if self._process.returncode is None:
            self.kill()
            await self._process.wait()
        error = self._lost_error()
        self._memory.release()
        self._gone(error)

    async def _take_reports(self, ours: socket.socket) -> None:
        """Take reports until the socket closes; a worker that cannot be understood is killed."""
        loop = asyncio.get_running_loop()
        inflow = Inflow()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(ours, 1 << 16):
                self._heard_at = loop.time()
                try:
                    for report in inflow.reports(data):
                        self._take(report)
                except channel.ChannelError as error:
                    self._failure = channel.Failed(code=error.code, message=str(error))
                    self.kill()
                    return

    async def _kill_when_silent(self) -> None:
        loop = asyncio.get_running_loop()
        pause = min(1.0, self._silence_seconds / 2)
        while self._hung is None:
            before = loop.time()
            await asyncio.sleep(pause)
            # what was said while we were stopped ourselves has not been read yet
            self._heard_at += loop.time() - before - pause
            allowed = self._silence_seconds if self._serving else self._start_seconds
            silent = loop.time() - self._heard_at
            if silent > allowed:
                self._hung = Hung(message="sent no heartbeat and was killed", seconds=silent)
                self.kill()

    async def _kill_when_too_large(self) -> None:
        while self._memory.watched:
            await asyncio.sleep(memory_limit.WATCH_SECONDS)
            if self._memory.look():
                self.kill()
                return

    def _take(self, report: Report) -> None:
        match report:
            case Beat():
                return
            case Stats():
                self.latency = report.latency
                return
            case Using():
                self._on_using(report)
                return
            case Hung():
                self._hung = report
                return
            case channel.Failed():
                self._failure = report
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(report)

    def _lost_error(self) -> WorkerLostError:
        assert self._process is not None
        if (short := self._memory.verdict()) is not None:
            return WorkerLostError(memory_limit.CODE, short)
        if (hung := self._hung) is not None:
            return WorkerLostError("worker.hung", hung.message, unseen_seconds=hung.seconds)
        if self._failure is not None:
            return WorkerLostError(self._failure.code, self._failure.message)
        return WorkerLostError("worker.lost", how_it_ended(self._process.returncode))

    def _gone(self, error: WorkerLostError) -> None:
        self._serving = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # whoever waits has it; nobody may be waiting
        if not self._ending:
            log.warning("worker.lost", pid=self.pid, reason=error.reason, error=error.message)
            self._on_lost(error)
