"""The processes that are soaked: broker, artifact server, clients, agents that are kept up."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from paceline.demo.home import own_environment
from paceline.demo.processes import Child
from scripts.rig.subject import Subject
from scripts.soaking import plan
from scripts.soaking.broker import Broker
from scripts.soaking.control import Control
from wire import signing

RESTART_SECONDS: Final = 3.0
"""How long after an agent's end it is started again, as its unit says."""
LOOK_SECONDS: Final = 0.1
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
SMALL_DISK_BYTES: Final = 48 << 20
MEMORY: Final = Path("/dev/shm")
"""A file system that writes to no disk."""
MAX_PACKET_BYTES: Final = 8 << 20


class Soaked:
    """The site's processes.

    Args:
        folder: For everything that they write.
        subject: What is deployed.
        link: What carries frames from stage to stage.
        small_disk: Whether one agent's state folder gets a file system of its own; needs root.
    """

    def __init__(self, folder: Path, subject: Subject, link: str, *, small_disk: bool) -> None:
        self.folder = folder
        self.broker = Broker(folder / "broker")
        key = signing.private_key(signing.new_private_key(), "the soak's key")
        (folder / "soak.pub").write_bytes(signing.public_pem(key))
        self.control = Control(self.broker.url, subject.folder, key, link)
        self.agents: dict[str, Child] = {}
        self.clients: dict[str, Child] = {}
        self.unexpected: list[str] = []
        """Agents and clients that ended and were not told to."""
        self._subject = subject
        self._small_disk = small_disk
        self._memory = Path(tempfile.mkdtemp(prefix="paceline-soak-", dir=MEMORY))
        self._artifacts: Child | None = None
        self._held: set[str] = set()
        self._expected_ends: set[int] = set()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="keeper")
        subject.save(folder / "expected.npz")

    def start(self) -> None:
        """Start everything, deploy every pipeline, and start its client."""
        self.broker.start()
        origin = self._serve_artifacts()
        for device in plan.DEVICES:
            self._make_place(device, origin)
            self.agents[device] = self._start_agent(device)
        self._keeper.start()
        self.control.start()
        for pipeline in plan.PLACEMENTS:
            self.control.deploy(pipeline)
            self.start_client(pipeline)

    def stop(self) -> None:
        """End everything; stopping twice is harmless."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()
        self._end(list(self.clients.values()))
        self._end(list(self.agents.values()))
        self._end([self._artifacts] if self._artifacts else [])
        self.control.stop()
        self.broker.stop()
        small = self.folder / plan.SMALL_DISK
        if small.is_mount():
            subprocess.run(["umount", "--lazy", str(small)], check=False)
        for log in self._memory.iterdir() if self._memory.exists() else ():
            (self.folder / log.name).unlink()
            shutil.copy(log, self.folder)
        shutil.rmtree(self._memory, ignore_errors=True)

    # agents

    @contextlib.contextmanager
    def held(self, device: str) -> Iterator[Child]:
        """Keep an agent from being started again, for it is about to be ended."""
        self._held.add(device)
        self._expected_ends.add(self.agents[device].pid)
        try:
            yield self.agents[device]
        finally:
            self._held.discard(device)

    def kill_agent(self, device: str) -> None:
        """Kill -9 of an agent; it is started again after a pause."""
        self._expected_ends.add(self.agents[device].pid)
        self.agents[device].kill()

    # clients

    def start_client(self, pipeline: str) -> None:
        """Start the client that feeds a pipeline."""
        self.clients[pipeline] = self._child(
            f"client-{pipeline}",
            *("scripts.soaking.feeder", self.broker.url, pipeline, str(plan.RATES[pipeline])),
            str(self.folder / "expected.npz"),
        )

    def end_client(self, pipeline: str) -> None:
        """End a client as its user would."""
        child = self.clients[pipeline]
        self._expected_ends.add(child.pid)
        if child.stop(STOP_SECONDS):
            self.unexpected.append(f"client {pipeline} ended with {child.poll()}")

    def end_clients(self) -> None:
        """End every client, all at once."""
        ending = [threading.Thread(target=self.end_client, args=(name,)) for name in self.clients]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()

    def roles(self) -> dict[int, str]:
        """Return what each process is, by its id."""
        found = {child.pid: f"supervisor {device}" for device, child in self.agents.items()}
        found |= {child.pid: f"client {name}" for name, child in self.clients.items()}
        for device in self.agents:
            told = self.control.workers(device)
            found |= {pid: f"worker {device} {key}" for pid, key in told.items()}
        if self._artifacts is not None:
            found[self._artifacts.pid] = "artifact server"
        if self.broker.pid is not None:
            found[self.broker.pid] = "broker"
        return found

    def _keep(self) -> None:
        """Start agents again as systemd would; note who ended without being told to."""
        due: dict[str, float] = {}
        while not self._stopping.wait(LOOK_SECONDS):
            for device, child in list(self.agents.items()):
                if child.poll() is None:
                    continue
                if device not in due:
                    due[device] = time.monotonic() + RESTART_SECONDS
                    self._note(f"agent {device}", child)
                if due[device] <= time.monotonic() and device not in self._held:
                    del due[device]
                    self.agents[device] = self._start_agent(device)
            for pipeline, child in list(self.clients.items()):
                if child.poll() is not None:
                    self._note(f"client {pipeline}", child)

    def _note(self, who: str, child: Child) -> None:
        if child.pid not in self._expected_ends:
            self._expected_ends.add(child.pid)
            self.unexpected.append(f"{who} ended with {child.poll()}: {child.log_tail(3)}")

    def _make_place(self, device: str, origin: str) -> None:
        folder = self.folder / device
        folder.mkdir(mode=0o700)
        if self._small_disk and device == plan.SMALL_DISK:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES},mode=0700", "soak"]
            subprocess.run([*mount, str(folder)], check=True)
        config = {
            "device": device,
            "state_folder": str(folder),
            "broker": {"url": self.broker.url, "max_packet_bytes": MAX_PACKET_BYTES},
            "artifacts": {"origin": origin},
            "trust": {"keys": [str(self.folder / "soak.pub")]},
            "runtime": {"threads": 1},
            "log": {"format": "json"},
        }
        (self.folder / f"{device}.yaml").write_text(yaml.safe_dump(config))

    def _start_agent(self, device: str) -> Child:
        config = str(self.folder / f"{device}.yaml")
        log = self.folder / f"agent-{device}.log"
        if not log.is_symlink():
            # as under systemd, which takes the log: what an agent itself writes is what is counted
            log.symlink_to(self._memory / log.name)
        return self._child(f"agent-{device}", "agent", "--config", config, isolated=True)

    def _serve_artifacts(self) -> str:
        """Start the artifact server; returns its address."""
        served = str(self._subject.folder)
        arguments = ("fleet.artifacts", "--listen", "127.0.0.1:0", served)
        self._artifacts = self._child("artifacts", *arguments, isolated=True)
        ends = time.monotonic() + START_SECONDS
        while not self._artifacts.log_tail(1).startswith("{"):
            if time.monotonic() > ends or self._artifacts.wait(0.1) is not None:
                raise RuntimeError(f"no artifact server: {self._artifacts.log_tail()}")
        return str(json.loads(self._artifacts.log_tail(1))["url"])

    def _child(self, name: str, *module: str, isolated: bool = False) -> Child:
        flags = ["-I"] if isolated else []
        return Child(
            [sys.executable, *flags, "-m", *module],
            log=self.folder / f"{name}.log",
            environment=own_environment(os.environ),
        )

    def _end(self, children: list[Child]) -> None:
        ending = [threading.Thread(target=child.stop, args=(STOP_SECONDS,)) for child in children]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()
