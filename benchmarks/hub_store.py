"""What keeping telemetry costs the hub: rows, processor time and bytes for each message.

    uv run python benchmarks/hub_store.py --db sqlite:////tmp/bench.db --seconds 600
    uv run python benchmarks/hub_store.py --db postgresql://user@host/database

Each simulated second a fifth of the devices send one health message, in one batch with their
registry rows; every ten seconds each device gets a roll-up. Seconds follow each other without a
pause, and are pruned as in a hub. The database must be a new one.
"""

import argparse
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow
from fleet.hub.store.store import Store
from tests.fixtures import telemetry

VARIETY = 500
ROLLUP_BYTES = 600


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--db", required=True)
    options.add_argument("--devices", type=int, default=3000)
    options.add_argument("--seconds", type=int, default=120)
    asked = options.parse_args()
    chance = random.Random(1)
    payloads = [telemetry.health(f"cam-{n}", time.time_ns(), chance) for n in range(VARIETY)]
    store = Store.open(asked.db)
    begin, rows = time.time_ns() - asked.seconds * 10**9, 0
    writing, pruning = Spent(), Spent()
    for second in range(asked.seconds):
        now = begin + second * 10**9
        batch = made(second, now, asked.devices, payloads)
        rows += len(batch.raw)
        writing.by(lambda batch=batch: store.write(batch))
        if second % 10 == 9:
            pruning.by(lambda now=now: store.prune(now))
    size = store.size_bytes()
    one, everyone = Spent(), Spent()
    of_one = one.by(lambda: sum(1 for _ in store.raw("cam-1", "health", 0)))
    minute = begin + (asked.seconds - 60) * 10**9
    of_all = everyone.by(lambda: sum(1 for _ in store.raw_since(minute)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{store.name}: {rows} messages of {len(payloads[0])} bytes, {asked.devices} devices")
    print(f"  {rows / (writing.wall + pruning.wall):.0f} messages/s")
    print(f"  processor: {writing.cpu / rows * 1e6:.0f} us a message, {pruning.told()} a prune")
    print(f"  a second's batch: {writing.told()}, at worst {writing.worst * 1e3:.0f} ms of time")
    print(f"  {size / rows:.0f} bytes a message, its share of roll-ups included")
    print(f"  read: {of_one} of one device in {one.told()}, {of_all} of all in {everyone.told()}")
    print(f"  peak memory {peak:.0f} MB")
    store.close()


class Spent:
    """Processor time of this process, and time, of something that is done again and again."""

    def __init__(self):
        self.cpu = self.wall = self.worst = 0.0
        self.count = 0

    def by(self, work):
        cpu, clock = time.process_time(), time.perf_counter()
        result = work()
        took = time.perf_counter() - clock
        self.cpu += time.process_time() - cpu
        self.wall += took
        self.worst = max(self.worst, took)
        self.count += 1
        return result

    def told(self):
        return f"{self.cpu / max(1, self.count) * 1e3:.1f} ms"


def made(second, now, devices, payloads):
    batch = Batch()
    for n in range(second % 5, devices, 5):
        name = f"cam-{n}"
        batch.devices[name] = DeviceRow(name, now, now)
        payload = payloads[(n + second) % len(payloads)]
        batch.raw.append(RawRow(name, "health", now, 1, now, payload))
    if second % 10 == 9:
        end = now // 10**10 * 10
        for n in range(devices):
            data = payloads[n % len(payloads)][:ROLLUP_BYTES]
            batch.rollups.append(RollupRow("device", f"cam-{n}", end, data))
    return batch


if __name__ == "__main__":
    main()
