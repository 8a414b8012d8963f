"""What an agent costs while nothing happens: processor, memory, disk, telemetry.

    uv run python benchmarks/agent_idle.py
    uv run python benchmarks/agent_idle.py --seconds 300 --only idle

A real agent on a real mosquitto, for `--seconds` in each state, after it has come to rest:

    idle      no assignment
    watched   no assignment; somebody watches, so telemetry goes out every second
    serving   one worker that serves 10 small frames a second

Processor time is the supervisor's alone (user and system), as a share of one core: all of it, with
the session, and what the telemetry plane costs. Memory is its Pss, which depends on how many other
processes share its libraries, and Rss, which is what it would be if none did. Bytes on disk are
what the kernel says that it (and its worker) caused to be written, and how much its log grew, as of
a day.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from tests.system.chains import Chain
from tests.system.place import Place, until

SETTLE_SECONDS = 8.0
DAY_SECONDS = 86400
FRAMES_PER_SECOND = 10
COLUMNS = (
    "| state | CPU of a core | Pss MB | Rss MB | written MB/day | log MB/day "
    "| messages/min | bytes/min |"
)


def _field(pid, file, name):
    """Return the number behind a name in one of a process's files."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def _cpu_seconds(pid):
    """Return the time that a process's threads ran, in more than clock ticks."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


class Counted:
    """Telemetry as somebody hears it."""

    def __init__(self, place):
        self.messages = self.bytes = 0
        place.ear.session.subscribe(place.topics.filter("tele"), 0, self._hear)

    def _hear(self, _topic, payload):
        self.messages += 1
        self.bytes += len(payload)


def _measure(state, place, telemetry, seconds):
    pid, log = place.agents["d1"].pid, place.folder / "d1.log"
    watched = {pid, *place.workers("d1")}

    def look():
        written = sum(_field(each, "io", "write_bytes") for each in watched)
        counts = telemetry.messages, telemetry.bytes
        return time.monotonic(), _cpu_seconds(pid), written, log.stat().st_size, *counts

    before = look()
    time.sleep(seconds)
    took, cpu, written, logged, messages, size = (
        after - was for was, after in zip(before, look(), strict=True)
    )
    mb_a_day, a_minute = DAY_SECONDS / took / 1e6, 60 / took
    pss, rss = (_field(pid, "smaps_rollup", name) / 1024 for name in ("Pss", "Rss"))
    print(
        f"| {state} | {cpu / took:.2%} | {pss:.1f} | {rss:.1f} | {written * mb_a_day:.2f} "
        f"| {logged * mb_a_day:.2f} | {messages * a_minute:.0f} | {size * a_minute:.0f} |",
        flush=True,
    )


def _feed(place, inputs, stopping):
    pipeline = place.site.pipeline("p")
    while not stopping.wait(1 / FRAMES_PER_SECOND):
        pipeline.run(inputs)


def _keep_watching(place, stopping):
    while True:
        place.ask("d1", "watch")
        if stopping.wait(20):
            return


def _meanwhile(call, *arguments):
    stopping = threading.Event()
    thread = threading.Thread(target=call, args=(*arguments, stopping))
    thread.start()
    return lambda: (stopping.set(), thread.join())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each state")
    parser.add_argument("--only", choices=("idle", "watched", "serving"))
    options = parser.parse_args()
    print(COLUMNS + "\n" + "|---" * 8 + "|")
    with tempfile.TemporaryDirectory() as name, Broker(broker_kinds.MOSQUITTO) as broker:
        place = Place(Path(name), broker)
        telemetry = Counted(place)
        try:
            place.start("d1")
            until(lambda: place.ear.last("info", "d1"), "the agent")
            for state in ("idle", "watched", "serving"):
                if options.only in {None, state}:
                    _one(state, place, telemetry, options.seconds)
        finally:
            place.end()


def _one(state, place, telemetry, seconds):
    stop = None
    if state == "watched":
        stop = _meanwhile(_keep_watching, place)
    elif state == "serving":
        (place.folder / "chain").mkdir()
        whole = Chain(place.folder / "chain", 1)
        place.deploy(whole.folder, "d1")
        stop = _meanwhile(_feed, place, whole.inputs(0))
    try:
        time.sleep(SETTLE_SECONDS)
        _measure(state, place, telemetry, seconds)
    finally:
        if stop is not None:
            stop()


if __name__ == "__main__":
    main()
