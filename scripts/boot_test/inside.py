"""Runs inside the booted machine, as a unit of its own: tries the agent's unit, says what holds."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import paceline
from fleet.control.deploy import DeployRequest, deploy
from wire import broker_url, frame, messages, signing
from wire.clock import clock_id
from wire.frame import Kind
from wire.messages import Info, Reason, Reported
from wire.session import Session
from wire.topics import Site

T = TypeVar("T")
HERE = Path("/boot-test")
RESULTS = HERE / "results.jsonl"
UNIT = "paceline-agent.service"
CGROUP = Path("/sys/fs/cgroup/system.slice", UNIT)
PYTHON = "/var/lib/paceline/slots/current/bin/python"
"""The agent's."""
BROKER = "mqtt://127.0.0.1:1883"
PATIENCE_SECONDS = 90.0
STOP_SECONDS = 30.0
"""TimeoutStopSec of the unit."""
GREEDY_ROWS = 20_000
"""The inner tensor of such a frame of 80 kB is 1.6 GB."""


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
    """The broker's side of the device."""

    def __init__(self) -> None:
        self.topics = Site()
        self.info: Info | None = None
        self.reported: Reported | None = None
        self.reasons: list[tuple[str, Reason]] = []
        self.frames: Counter[tuple[str, str]] = Counter()
        """How many of a pipeline's frames of a kind were at the broker."""
        self.session = Session(broker_url.parse(BROKER), "h:boottest")
        self.session.subscribe(self.topics.filter("info"), 1, self._hear_info)
        self.session.subscribe(self.topics.filter("reported"), 1, self._hear_reported)
        for kind in ("lane", "out"):
            self.session.subscribe(self.topics.filter(kind), 0, self._hear_frame)
        self.session.start()
        self.session.wait_up(PATIENCE_SECONDS)
        self.client = paceline.connect(BROKER)

    def deploy(self, name: str, *, stages: int = 1, link: str = "mqtt") -> None:
        """Deploy one of the pipelines."""
        key = signing.private_key((HERE / "signing.key").read_bytes(), "the test's key")
        request = DeployRequest(
            topics=self.topics,
            folder=HERE / name,
            devices=("d1",) * stages,
            name=name,
            link=link,
            serve="127.0.0.1:8788",
            ready_seconds=PATIENCE_SECONDS,
        )
        session = Session(broker_url.parse(BROKER), "c:boottest")
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

    def heard(self, name: str) -> dict[str, int]:
        """Return how many frames of each kind a pipeline had at the broker."""
        return {kind: count for (of, kind), count in self.frames.items() if of == name}

    def _hear_frame(self, topic: str, payload: bytes) -> None:
        kind = frame.decode_head(payload).kind
        self.frames[self.topics.parse(topic).names["pipeline"], kind.name] += 1

    def _hear_info(self, _: str, payload: bytes) -> None:
        self.info = messages.decode("info", payload, Info)

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


def sandbox(_: Place) -> None:
    """What the unit may write: its state folder, its cgroup, and nothing else."""
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/probe.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\nExecStartPre={PYTHON} -I /boot-test/probe.py\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    drop_in.unlink()
    run("systemctl", "daemon-reload")
    found = json.loads(journal("PROBE ")[-1].removeprefix("PROBE "))
    writes, maps, secrets = found["writes"], found["executable_memory"], found["credentials"]
    say("writes outside the state folder are refused", writes, holds="done" not in writes.values())
    say("the state folder can be written", found["state"], holds=found["state"] == "done")
    say("memory that is written and run is refused", maps, holds=maps != "done")
    say("credentials reach the unit", secrets, holds=bool(secrets))
    clocks = {"in the unit": found["clock"], "outside": clock_id()}
    say("the unit and others name one clock", clocks, holds=len({*clocks.values()}) == 1)
    if (CGROUP / "cgroup.controllers").exists():
        others, own = found["cgroups"].values()
        holds = (others != "done", own == "done") == (True, True)
        say("cgroups can be made in its own alone", found["cgroups"], holds=holds)


def serving(place: Place) -> None:
    """Two pipelines are deployed and answer."""
    for name in ("quiet", "greedy"):
        place.deploy(name)
    status = until(lambda: shown("StatusText")[0].startswith("serving 2 of 2"))
    say("two pipelines serve", repr(shown("StatusText")[0]), holds=status)
    limit = until(lambda: place.info and place.info.memory_limit)
    controllers = CGROUP / "cgroup.controllers"
    given = controllers.exists() and "memory" in controllers.read_text().split()
    holds = limit == ("cgroup" if given else "rlimit_data")
    say("info.memory_limit", f"{limit} (memory controller delegated: {given})", holds=holds)
    answer = place.run("greedy", (4, 1))
    say("a frame within the limit is answered", answer, holds=isinstance(answer, dict))
    for file in sorted(CGROUP.glob("worker-*/memory.max")):
        say(str(file.relative_to(CGROUP)), file.read_text().strip())


def bomb(place: Place) -> None:
    """A worker that takes too much dies with the reason; nobody else does."""
    until(lambda: place.pid("quiet") and place.pid("greedy"))
    before, greedy = (shown("MainPID")[0], place.pid("quiet")), place.pid("greedy")
    answer = place.run("greedy", (GREEDY_ROWS, 1))
    dead = until(lambda: not Path(f"/proc/{greedy}").exists())
    say("the greedy worker died", f"pid {greedy}; its frame: {answer}", holds=dead)
    reasons = until(lambda: [r for name, r in place.reasons if name == "greedy"])
    text = f"{reasons[0].code}: {reasons[0].message}" if reasons else "none was reported"
    holds = {r.code for r in reasons} == {"worker.out_of_memory"}
    say("its reason is the limit", text, holds=holds)
    quiet = place.run("quiet", (1, 8))
    after = (shown("MainPID")[0], place.pid("quiet"))
    holds = after == before and isinstance(quiet, dict)
    say("supervisor and quiet worker stay", f"{before} before, {after} after", holds=holds)
    back = until(lambda: place.pid("greedy") not in {None, greedy} and place.pid("greedy"))
    say("the greedy pipeline serves again", f"pid {back}", holds=bool(back))


def frozen(place: Place) -> None:
    """A supervisor that does not run is started anew, and takes its work up again."""
    before = shown("MainPID")[0]
    began = time.monotonic()
    os.kill(int(before), signal.SIGSTOP)
    until(lambda: shown("ActiveState")[0] == "active" and shown("NRestarts")[0] != "0")
    seconds = time.monotonic() - began
    restarts, after = shown("NRestarts", "MainPID")
    words = next(iter(journal("atchdog")), "nothing in the journal")
    evidence = f"{seconds:.0f} s after SIGSTOP; {before} -> {after}, NRestarts {restarts}; {words}"
    holds = restarts == "1" and after != before
    say("a frozen supervisor is started anew", evidence, holds=holds)
    until(lambda: shown("StatusText")[0].startswith("serving 2 of 2"))
    quiet = place.run("quiet", (1, 8))
    evidence = f"{shown('StatusText')[0]!r}, quiet answers {quiet}"
    say("it takes up what it served", evidence, holds=isinstance(quiet, dict))


def another_user(place: Place) -> None:
    """Who may not enter the agent's folder reaches both ends of a pipeline by loopback."""
    place.deploy("direct", stages=2, link="direct")
    command = [sys.executable, "-I", str(HERE / "client.py"), BROKER, "direct"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        user="nobody", group="nogroup", extra_groups=[],
    )  # fmt: skip
    told = json.loads(ended.stdout) if ended.returncode == 0 else {}
    evidence = told or ended.stderr[-600:]
    ways = [told.get("links"), told.get("links_back")]
    say("another user reaches both ends directly", evidence, holds=ways == [{"d1": "tcp"}] * 2)
    right = told and told["right"] == told["submitted"]
    say("each of its frames is answered", told.get("right"), holds=bool(right))
    results = place.frames["quiet", Kind.RESULT.name]
    place.run("quiet", (1, 8))
    until(lambda: place.frames["quiet", Kind.RESULT.name] > results)
    other, own = place.heard("quiet"), place.heard("direct")
    say("the broker sees frames of another pipeline", other, holds={"DATA", "RESULT"} <= {*other})
    tensors = {"DATA", "RESULT", "CHUNK"} & {*own}
    say("of this one it sees no tensor", own, holds=bool(own) and not tensors)


def stopped(place: Place) -> None:
    """`systemctl stop` drains: frames in flight are answered, and it ends in time by itself."""
    pipeline, over = place.client.pipeline("quiet"), threading.Event()

    def frames() -> Iterator[dict[str, Any]]:
        while not over.is_set():
            yield {"x": np.ones((1, 8), np.float32)}

    def feed() -> None:
        with contextlib.suppress(Exception):
            for _ in pipeline.stream(frames(), window=4, rate=50):
                pass

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    time.sleep(2)
    began = time.monotonic()
    run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - began
    over.set()
    feeding.join(30)
    ended = tuple(shown("ActiveState", "Result", "ExecMainStatus"))
    said = bool(journal('"agent.stopped"'))
    evidence = f"{seconds:.1f} s of {STOP_SECONDS:.0f}; {ended}; agent.stopped logged: {said}"
    holds = seconds < STOP_SECONDS and ended == ("inactive", "success", "0") and said
    say("systemctl stop drains in time", evidence, holds=holds)
    account = pipeline.account
    holds = account is not None and account.results > 0 and account.in_flight == account.lost == 0
    evidence = account and {
        name: getattr(account, name)
        for name in ("submitted", "results", "errors", "in_flight", "lost")
    }
    say("frames in flight had their end", evidence, holds=holds)


def main() -> None:
    """Try everything; a step that raises is a failure of its own."""
    version = run("systemctl", "--version").splitlines()[0]
    say("machine", f"{version}; Linux {os.uname().release}")
    place = Place()
    for step in (ready, sandbox, serving, bomb, frozen, another_user, stopped):
        try:
            step(place)
        except Exception as error:  # noqa: BLE001 the next steps may still tell something
            say(step.__name__, f"{type(error).__name__}: {error}", holds=False)
    (HERE / "journal.txt").write_text(run("journalctl", "--no-pager", "-o", "short-monotonic"))
    say("end", "the machine is switched off")


main()
