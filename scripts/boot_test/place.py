"""What the tests inside booted machines share: results, the agent's unit, the broker's side."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import paceline
from fleet.control.deploy import DeployRequest, deploy
from wire import broker_url, frame, messages, signing
from wire.messages import Info, Reason, Reported
from wire.session import Session
from wire.telemetry import Latency
from wire.topics import Site

T = TypeVar("T")
HERE = Path("/boot-test")
RESULTS = HERE / "results.jsonl"
UNIT = "paceline-agent.service"
PATIENCE_SECONDS = 90.0


def say(claim: str, evidence: object, *, holds: bool | None = None) -> None:
    """Write a result; ``holds`` is None for what is only told."""
    with RESULTS.open("a") as out:
        out.write(json.dumps({"claim": claim, "evidence": str(evidence), "holds": holds}) + "\n")


def run(*command: str) -> str:
    """Return what a command printed."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def shown(*names: str) -> list[str]:
    """Return properties of the unit."""
    lines = run("systemctl", "show", UNIT, *(f"--property={name}" for name in names)).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return [found.get(name, "") for name in names]


def journal(words: str) -> list[str]:
    """Return the unit's lines in the journal with these words."""
    lines = run("journalctl", "-o", "cat", "--no-pager", "-u", UNIT).splitlines()
    return [line for line in lines if words in line]


def until(claim: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Wait until ``claim()`` is true; returns what it was last."""
    ends = time.monotonic() + seconds
    while not (found := claim()) and time.monotonic() < ends:
        time.sleep(0.1)
    return found


class Place:
    """The broker's side of the devices.

    Args:
        host: Where the broker is, and segments are served.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.broker = f"mqtt://{host}:1883"
        self.topics = Site()
        self.info: dict[str, Info] = {}
        self.links: dict[str, dict[str, dict[str, str]]] = {}
        """By pipeline and device: what its telemetry says of frames to devices of next stages."""
        self.reported: Reported | None = None
        self.reasons: list[tuple[str, Reason]] = []
        self.frames: Counter[tuple[str, str, str]] = Counter()
        """How many of a pipeline's frames of a kind were at the broker, and for which device."""
        self.session = Session(broker_url.parse(self.broker), "h:boottest")
        self.session.subscribe(self.topics.filter("info"), 1, self._hear_info)
        self.session.subscribe(self.topics.filter("reported"), 1, self._hear_reported)
        self.session.subscribe(self.topics.filter("tele", kind="latency"), 0, self._hear_latency)
        for kind in ("lane", "out"):
            self.session.subscribe(self.topics.filter(kind), 0, self._hear_frame)
        self.session.start()
        self.session.wait_up(PATIENCE_SECONDS)
        self.client = paceline.connect(self.broker)

    def deploy(self, name: str, *devices: str, link: str = "mqtt") -> None:
        """Deploy one of the pipelines."""
        key = signing.private_key((HERE / "signing.key").read_bytes(), "the test's key")
        request = DeployRequest(
            topics=self.topics,
            folder=HERE / name,
            devices=devices,
            name=name,
            link=link,
            serve=f"{self.host}:8788",
            ready_seconds=PATIENCE_SECONDS,
        )
        session = Session(broker_url.parse(self.broker), "c:boottest")
        session.start()
        session.wait_up(PATIENCE_SECONDS)
        try:
            deploy(request, session, key)
        finally:
            session.stop()

    def pid(self, name: str) -> int | None:
        """Return the worker that serves a pipeline; None: it does not serve."""
        told = self.reported.assignments if self.reported else ()
        found = (a.pid for a in told if a.pipeline == name and a.phase == "serving")
        return next(found, None)

    def run(self, name: str, rows: tuple[int, int]) -> Any:
        """Run one frame; returns what came of it."""
        pipeline = self.client.pipeline(name)
        pipeline.wait_route(PATIENCE_SECONDS)
        try:
            return pipeline.run({"x": np.ones(rows, np.float32)}, deadline_seconds=30.0)
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            return f"{type(error).__name__}: {error}"

    def run_as_nobody(self, name: str, factor: int) -> dict[str, Any]:
        """Stream as a user who is not the agent (`client.py`); raises what it ended by."""
        command = [sys.executable, "-I", str(HERE / "client.py"), self.broker, name, str(factor)]
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
            user="nobody", group="nogroup", extra_groups=[],
        )  # fmt: skip
        if ended.returncode:
            raise RuntimeError(ended.stderr[-600:])
        return json.loads(ended.stdout)

    def heard(self, name: str) -> Counter[str]:
        """Return how many frames of each kind a pipeline had at the broker."""
        found: Counter[str] = Counter()
        for (pipeline, kind, _), count in self.frames.items():
            found[kind] += count if pipeline == name else 0
        return +found

    def _hear_frame(self, topic: str, payload: bytes) -> None:
        names = self.topics.parse(topic).names
        kind = frame.decode_head(payload).kind.name
        self.frames[names["pipeline"], kind, names.get("device", "")] += 1

    def _hear_info(self, _: str, payload: bytes) -> None:
        told = messages.decode("info", payload, Info)
        self.info[told.device] = told

    def _hear_latency(self, _: str, payload: bytes) -> None:
        told = messages.decode("tele", payload, Latency)
        for stage in told.stages:
            if stage.links:
                self.links.setdefault(stage.pipeline, {})[told.device] = stage.links

    def _hear_reported(self, _: str, payload: bytes) -> None:
        self.reported = messages.decode("reported", payload, Reported)
        self.reasons += [(a.pipeline, a.reason) for a in self.reported.assignments if a.reason]


def ready(_: Place) -> None:
    """The unit is started: the agent has said so."""
    until(lambda: shown("ActiveState")[0] in {"active", "failed"})
    active, kind, status, pid = shown("ActiveState", "Type", "StatusText", "MainPID")
    evidence = f"{active}, Type={kind}, main process {pid}, status {status!r}"
    say("READY=1 was taken", evidence, holds=(active, kind) == ("active", "notify"))
    status = run("systemctl", "status", "--no-pager", "--lines=0", UNIT)
    say("systemctl status", "\n     " + status.replace("\n", "\n     "))


def try_all(place: Place, steps: Iterable[Callable[[Place], None]]) -> None:
    """Try everything; a step that raises is a failure of its own."""
    version = run("systemctl", "--version").splitlines()[0]
    say("machine", f"{version}; Linux {os.uname().release}")
    for step in steps:
        try:
            step(place)
        except Exception as error:  # noqa: BLE001 the next steps may still tell something
            say(step.__name__, f"{type(error).__name__}: {error}", holds=False)
    keep_journal("journal.txt")
    say("end", "the machine is switched off")


def keep_journal(name: str) -> None:
    """Leave the machine's journal beside the results."""
    (HERE / name).write_text(run("journalctl", "--no-pager", "-o", "short-monotonic"))
