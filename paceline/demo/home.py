"""The demo's own little site: a broker, an artifact server and agents, all on loopback.

Each is a process of its own in a folder of its own; a dead agent is started again; leaving the
``with`` block ends all of them and removes the folder.
"""

import contextlib
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil
import yaml

from paceline.demo.broker import Broker
from paceline.demo.processes import Child
from wire import signing

LOOK_SECONDS: Final = 0.3
"""How often dead agents are looked for."""
STOP_SECONDS: Final = 15.0
"""How long an agent may take to drain."""
UNPLUGGED_SECONDS: Final = 6.0
"""How long a device stays dark when its plug was pulled."""
MAX_PACKET_BYTES: Final = 8 << 20
"""What the demo's brokers take; said to everyone, since neither broker tells it."""


class Home:
    """The demo's processes.

    Args:
        devices: The agents' device ids.
        preference: Which broker: ``auto``, ``mosquitto`` or ``rumqttd``.
    """

    def __init__(self, devices: Sequence[str], preference: str = "auto") -> None:
        self.devices = tuple(devices)
        self.restarts = 0
        """Agents that were started again."""
        self.plugs_pulled = 0
        self._scratch = tempfile.TemporaryDirectory(prefix="paceline-demo-")
        self.folder = Path(self._scratch.name)
        self._artifacts: Child | None = None
        self._kept_port = _kept_port()
        self._artifacts_address = "{}:{}".format(*self._kept_port.getsockname())
        pem = signing.new_private_key()
        self.key = signing.private_key(pem, "the demo's key")
        """Signs assignments; it lives in memory and ends with the demo."""
        (self.folder / "demo.pub").write_bytes(signing.public_pem(self.key))
        self.broker = Broker(preference=preference)
        self._agents: dict[str, Child] = {}
        self._dark_until: dict[str, float] = {}
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="demo agents")

    def start(self) -> None:
        """Start broker and agents; the agents connect by themselves.

        Raises:
            CodedError: No broker could be started.
        """
        self.broker.start()
        for device in self.devices:
            self._write_config(device)
            self._agents[device] = self._start_agent(device)
        self._keeper.start()

    def serve_artifacts(self, folder: Path) -> None:
        """Start the artifact server on the split model in ``folder``."""
        self._artifacts = Child(
            [
                *(sys.executable, "-I", "-m", "fleet.artifacts"),
                *("--listen", self._artifacts_address, str(folder)),
            ],
            log=self.folder / "artifacts.log",
            environment=own_environment(os.environ),
        )

    def pids(self) -> dict[str, int]:
        """Return each agent's process id."""
        return {device: child.pid for device, child in self._agents.items()}

    def pull_the_plug(self, device: str) -> None:
        """Kill an agent and its workers at once, as a power cut does; it is back in a while."""
        agent = self._agents[device]
        self.plugs_pulled += 1
        self._dark_until[device] = time.monotonic() + UNPLUGGED_SECONDS
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in psutil.Process(agent.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
        agent.kill()

    def dark_seconds(self, device: str) -> float:
        """Return how much longer a device stays dark; 0: its plug is in."""
        return max(0.0, self._dark_until.get(device, 0.0) - time.monotonic())

    def log_tail(self, device: str) -> str:
        """Return the last lines of an agent's log."""
        return self._agents[device].log_tail()

    def stop(self) -> None:
        """End everything and remove the folder; stopping twice is harmless."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        ending = [
            threading.Thread(target=child.stop, args=(STOP_SECONDS,))
            for child in self._agents.values()
        ]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()
        if self._artifacts is not None:
            self._artifacts.stop(STOP_SECONDS)
        self._kept_port.close()
        self.broker.stop()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _write_config(self, device: str) -> None:
        config = {
            "device": device,
            "state_folder": str(self.folder / device),
            "broker": {"url": self.broker.url, "max_packet_bytes": MAX_PACKET_BYTES},
            "artifacts": {"origin": f"http://{self._artifacts_address}"},
            "trust": {"keys": [str(self.folder / "demo.pub")]},
            "runtime": {"threads": 1},
            "log": {"format": "json"},
        }
        (self.folder / f"{device}.yaml").write_text(yaml.safe_dump(config))

    def _start_agent(self, device: str) -> Child:
        config = self.folder / f"{device}.yaml"
        return Child(
            [sys.executable, "-I", "-m", "agent", "--config", str(config)],
            log=self.folder / f"{device}.log",
            environment=own_environment(os.environ),
        )

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for device, child in list(self._agents.items()):
                dead = child.poll() is not None and not self.dark_seconds(device)
                if dead and not self._stopping.is_set():
                    self.restarts += 1
                    self._agents[device] = self._start_agent(device)


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the user's settings: they are for the user's own site."""
    return {name: value for name, value in environ.items() if not name.startswith("PACELINE_")}


def _kept_port() -> socket.socket:
    """Return a socket bound to a port of loopback, so that nobody gets that port by chance.

    A server that says SO_REUSEADDR listens there all the same.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept
