"""A real mosquitto on loopback that keeps what is retained when it is restarted."""

import os
import socket
import time
from pathlib import Path
from typing import Final

from paceline.demo import broker_kinds, mqtt_hello
from paceline.demo.processes import Child

READY_SECONDS: Final = 20.0


class Broker:
    """The broker, not yet started.

    Args:
        folder: For its configuration, its database and its log.

    Raises:
        NoBrokerError: mosquitto is not installed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._kind = broker_kinds.find(broker_kinds.MOSQUITTO)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            broker_kinds.mosquitto_config(self._port, root=os.geteuid() == 0).replace(
                "persistence false", f"persistence true\npersistence_location {folder}/"
            )
        )
        self._log = folder / "broker.log"
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """With its version."""
        return self._kind.name

    @property
    def url(self) -> str:
        """Its address."""
        return f"mqtt://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is stopped."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: It does not.
        """
        self._child = Child([*self._kind.program, str(self._config)], log=self._log)
        ends = time.monotonic() + READY_SECONDS
        while not mqtt_hello.answers(self._port, "5"):
            if self._child.wait(0.05) is not None or time.monotonic() > ends:
                raise RuntimeError(f"mosquitto does not start: {self._child.log_tail()}")

    def stop(self) -> None:
        """Ask it to end; it writes what it keeps. Stopping twice is harmless."""
        if self._child is not None:
            self._child.stop()
            self._child = None
