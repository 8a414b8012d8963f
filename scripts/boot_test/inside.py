"""Runs inside the booted machine, as a unit of its own: tries the agent's unit, says what holds."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from place import UNIT, Place, journal, ready, run, say, shown, try_all, until

from wire.clock import clock_id

CGROUP = Path("/sys/fs/cgroup/system.slice", UNIT)
PYTHON = "/var/lib/paceline/slots/current/bin/python"
"""The agent's."""
STOP_SECONDS = 30.0
"""TimeoutStopSec of the unit."""
GREEDY_ROWS = 20_000
"""The inner tensor of such a frame of 80 kB is 1.6 GB."""


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
        place.deploy(name, "d1")
    status = until(lambda: shown("StatusText")[0].startswith("serving 2 of 2"))
    say("two pipelines serve", repr(shown("StatusText")[0]), holds=status)
    limit = until(lambda: "d1" in place.info and place.info["d1"].memory_limit)
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
    place.deploy("direct", "d1", "d1", link="direct")
    told = place.run_as_nobody("direct", 4)
    ways = [told["links"], told["links_back"]]
    say("another user reaches both ends directly", told, holds=ways == [{"d1": "tcp"}] * 2)
    holds = told["right"] == told["submitted"]
    say("each of its frames is answered", told["right"], holds=holds)
    results = place.heard("quiet")["RESULT"]
    place.run("quiet", (1, 8))
    until(lambda: place.heard("quiet")["RESULT"] > results)
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


try_all(Place(), (ready, sandbox, serving, bomb, frozen, another_user, stopped))
