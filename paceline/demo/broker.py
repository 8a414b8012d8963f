"""A broker for newcomers: a child process on loopback, gone when we are.

with Broker() as broker:
    paceline.connect(broker.url)
"""

import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from paceline.demo import broker_kinds, mqtt_hello
from paceline.demo.errors import BrokerFailedError
from paceline.demo.processes import Child

READY_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.02
_TRIES: Final = 3
"""A free port may be taken by another process before the broker has it."""


class Broker:
    """A broker process.

    Args:
        preference: ``auto``, ``mosquitto`` or ``rumqttd``.

    Raises:
        NoBrokerError: What is wanted is not installed.
    """

    def __init__(self, preference: str = "auto") -> None:
        self._kind = broker_kinds.find(preference)
        self._ports: dict[str, int] = {}
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """Such as ``mosquitto 2.0.11`` or ``rumqttd (iotcore 0.4.0)``."""
        return self._kind.name

    @property
    def url(self) -> str:
        """Where MQTT 5 is spoken; known from the first start, and the same ever after."""
        return f"mqtt://127.0.0.1:{self._ports['5']}"

    @property
    def urls(self) -> dict[str, str]:
        """An address for each dialect, ``5`` and ``3.1.1``, that says the dialect."""
        return {
            dialect: f"mqtt://127.0.0.1:{port}?protocol={dialect}"
            for dialect, port in self._ports.items()
        }

    @property
    def pid(self) -> int | None:
        """The process's id; None while stopped."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Whether the process is there; one that was just killed may need a moment to be gone."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and wait until it accepts clients; starting a running one changes nothing.

        Raises:
            BrokerFailedError: It ends at once, or does not answer within 10 s.
        """
        if self.running:
            return
        self.stop()  # what is left of one that ended by itself
        chosen = bool(self._ports)
        for tries_left in reversed(range(1 if chosen else _TRIES)):
            if not chosen:
                self._ports = self._free_ports()
            try:
                self._start()
            except BrokerFailedError:
                self.stop()
                if not tries_left:
                    raise
            else:
                return

    def stop(self) -> None:
        """End it and remove its folder; stopping twice is harmless."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
            self._child = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def restart(self) -> None:
        """Stop it and start it again on the same ports; what it kept in memory is lost.

        Raises:
            BrokerFailedError: It does not come back.
        """
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="paceline-broker-")
        folder = Path(self._scratch.name)
        config = broker_kinds.write_config(self._kind, self._ports, folder)
        self._child = Child(
            [*self._kind.program, str(config)],
            log=folder / "broker.log",
            environment={**os.environ, **broker_kinds.HEAP},
        )
        self._wait_ready(self._child)

    def _wait_ready(self, child: Child) -> None:
        ends = time.monotonic() + READY_SECONDS
        waiting = list(self._ports.items())
        while waiting:
            status = child.wait(_LOOK_SECONDS)
            if status is not None:
                raise BrokerFailedError(self.name, f"ended with {status}", child.log_tail())
            if time.monotonic() > ends:
                problem = f"does not answer after {READY_SECONDS:g} s"
                raise BrokerFailedError(self.name, problem, child.log_tail())
            waiting = [(dialect, p) for dialect, p in waiting if not mqtt_hello.answers(p, dialect)]

    def _free_ports(self) -> dict[str, int]:
        """Return a free port for each dialect; one for both where one listener speaks both."""
        with contextlib.ExitStack() as kept:  # both held at once, so that they differ
            found = []
            for _ in range(1 if self._kind.one_port else 2):
                listener = kept.enter_context(socket.socket())
                listener.bind(("127.0.0.1", 0))
                found.append(int(listener.getsockname()[1]))
        return {"5": found[0], "3.1.1": found[-1]}
