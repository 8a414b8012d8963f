"""What a hub costs beside thousands of devices: processor, lag, memory, disk; who is known when.

    uv run python benchmarks/hub_scale.py
    uv run python benchmarks/hub_scale.py --devices 3000 --seconds 120 --json

A mosquitto with its default limits, devices simulated by a few processes (real messages over MQTT:
births, infos, reports retained, one telemetry message each 5 s, a rebirth answered), and one
``paceline hub serve`` as a process of its own, bound to one core. First with an empty registry,
then killed with -9 and started again.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fixtures import telemetry
from wire import broker_url, messages
from wire.errors import LinkDownError
from wire.messages import Info, Reported, Status
from wire.session import Session
from wire.topics import Site

PROCESSES = 3
EVERY_SECONDS = 5.0
KNOWN_SECONDS = 120.0
TOPICS = Site()


def simulate(url, first, count):
    """Be ``count`` devices until killed."""
    names = [f"cam-{number:04d}" for number in range(first, first + count)]
    session = Session(broker_url.parse(url), f"sim-{first}")
    reborn = threading.Event()
    session.subscribe(TOPICS.filter("rebirth"), 1, lambda _topic, _payload: reborn.set())
    session.start()
    session.wait_up(20)
    _births(session, names)
    print("born", flush=True)
    chance = random.Random(first)
    began = time.monotonic()
    for turn in range(1 << 40):
        number = turn % count
        if reborn.is_set():
            reborn.clear()
            threading.Thread(target=_births, args=(session, names), daemon=True).start()
        due = began + turn * EVERY_SECONDS / count
        time.sleep(max(0.0, due - time.monotonic()))
        payload = telemetry.health(names[number], time.time_ns(), chance)
        _say(session, TOPICS.topic("tele", device=names[number], kind="health"), payload, 0)


def _births(session, names):
    for name in names:
        said = {
            "status": Status(state="online", session=1 << 32, boot="b"),
            "info": Info(device=name, version="0.1.0", runtimes=()),
            "reported": Reported(device=name, session=1 << 32, observed=(1, 1), applied=(1, 1)),
        }
        for kind, message in said.items():
            _say(session, TOPICS.device(kind, name), messages.encode(kind, message), 1)
        time.sleep(0.001)


def _say(session, topic, payload, qos):
    for _ in range(50):
        try:
            session.publish(topic, payload, qos, retain=qos == 1)
        except LinkDownError:
            time.sleep(0.1)
        else:
            return


class Hub:
    """A hub as a process."""

    def __init__(self, broker, database):
        self.process = subprocess.Popen(
            [
                *("taskset", "-c", "0", sys.executable, "-m", "paceline", "hub", "serve"),
                *("--broker", broker, "--listen", "127.0.0.1:0", "--db", f"sqlite:///{database}"),
                "--json",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.began = time.monotonic()
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.seen = psutil.Process(self.process.pid)

    def ask(self, path):
        with urllib.request.urlopen(f"{self.url}api/v1/{path}", timeout=30) as answer:
            return json.load(answer)

    def until_known(self, devices):
        """Wait until every device is heard; returns the seconds since the start, and by then."""
        ends, heard, known = time.monotonic() + KNOWN_SECONDS, 0, 0
        while time.monotonic() < ends:
            site = self.ask("site?devices=10000")
            heard, known = site["devices_heard"], site["devices_known"]
            told = sum(d["version"] is not None for d in site["devices"])
            if heard == known == told == devices:
                break
            time.sleep(1.0)
        return round(time.monotonic() - self.began, 1), heard, known, told

    def measured(self, seconds):
        """Return what it costs while nobody looks."""
        cpu, wall = self.seen.cpu_times(), time.monotonic()
        lags, rates = [], []
        while time.monotonic() < wall + seconds:
            time.sleep(5.0)
            hub = self.ask("hub")
            lags.append(hub["lag_seconds"])
            rates.append(hub["messages_per_second"])
        after, passed = self.seen.cpu_times(), time.monotonic() - wall
        spent = after.user + after.system - cpu.user - cpu.system
        return {
            "cpu_ratio_of_a_core": round(spent / passed, 3),
            "messages_per_second": round(statistics.median(rates), 1),
            "lag_seconds_median": round(statistics.median(lags), 4),
            "lag_seconds_max": round(max(lags), 4),
            "resident_mb": round(self.seen.memory_info().rss / 1e6, 1),
            "refused": hub["refused_messages"],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--simulate", nargs=3, metavar=("URL", "FIRST", "COUNT"))
    options = parser.parse_args()
    if options.simulate:
        simulate(options.simulate[0], *map(int, options.simulate[1:]))
    with tempfile.TemporaryDirectory(prefix="hub-scale-") as scratch:
        found = run(Path(scratch), options.devices, options.seconds)
    print(json.dumps(found, indent=None if options.json else 2))


def run(folder, devices, seconds):
    port = 20000 + os.getpid() % 20000
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen(
        ["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    url, started = f"mqtt://127.0.0.1:{port}", [broker]
    try:
        time.sleep(1.0)
        each = devices // PROCESSES
        for number in range(PROCESSES):
            count = each if number else devices - each * (PROCESSES - 1)
            first = 0 if not number else devices - each * (PROCESSES - number)
            child = subprocess.Popen(
                [sys.executable, __file__, "--simulate", url, str(first), str(count)],
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(child)
        for child in started[1:]:
            child.stdout.readline()
        time.sleep(EVERY_SECONDS)
        database = folder / "hub.db"
        hub = Hub(url, database)
        started.append(hub.process)
        first = hub.until_known(devices)
        size = database.stat().st_size
        cost = hub.measured(seconds)
        grown = (_size(database) - size) / seconds
        hub.process.send_signal(signal.SIGKILL)
        hub.process.wait()
        again = Hub(url, database)
        started.append(again.process)
        second = again.until_known(devices)
        return {
            "devices": devices,
            "load": [round(one, 1) for one in os.getloadavg()],
            "first start: seconds, heard, known, with info": first,
            "after kill -9: seconds, heard, known, with info": second,
            "database_mb_per_hour": round(grown * 3600 / 1e6, 1),
            **cost,
        }
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


def _size(database):
    return sum(file.stat().st_size for file in database.parent.glob("hub.db*"))


if __name__ == "__main__":
    main()
