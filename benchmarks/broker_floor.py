"""What a broker costs whoever its clients are: a frame's one way through it, by clients in C.

    uv run python -m benchmarks.broker_floor
    uv run python -m benchmarks.broker_floor --bytes 614400 --chunks 0,131072,65536 --turns 7

Two threads in C (`broker_floor.c`, compiled here; needs `cc`) send and receive by a plain socket,
and as MQTT clients that do nothing else, on two cores. The ratio is what no client can be below on
this machine: with it in hand one can say how much of a brokered hop is the broker's. Chunks (0: a
frame is one packet) let a broker pass on the beginning while the end still comes. Turn by turn, so
ratios are of one moment; the broker is the demo's mosquitto, with its settings. The last column is
the processor time that it takes for a frame: it has one thread, so with however many cores a frame
is hardly there before.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from paceline.bench.hop import cpu_seconds
from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from wire.statistics import median_interval

SOURCE = Path(__file__).with_suffix(".c")
SIZES = "65536,204800,614400,3145728"


def numbers(text):
    return [int(number) for number in text.split(",")]


def ratio(turns, column):
    """Return the median and its interval of a column over the first one."""
    found = [turn[column] / turn[0] for turn in turns]
    low, high = median_interval(found)
    return f"{statistics.median(found):.2f} ({low:.2f}-{high:.2f})"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bytes", type=numbers, default=numbers(SIZES), help="of a frame")
    parser.add_argument("--chunks", type=numbers, default=[0, 131072], help="0: one packet")
    parser.add_argument("--frames", type=int, default=60, help="in each turn")
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    print(f"load before {os.getloadavg()[0]:.1f}; {options.turns} turns of {options.frames} frames")
    print("\n| bytes | a packet has | straight ms | broker ms | broker / straight (95 %)", end="")
    print(" | its own CPU ms | / straight (95 %) |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Broker(broker_kinds.MOSQUITTO) as broker:
        program = Path(folder, "broker_floor")
        subprocess.run(["cc", "-O2", "-o", program, SOURCE, "-lpthread"], check=True)
        port = urlsplit(broker.url).port
        for size in options.bytes:
            ways = [(size, chunk or size) for chunk in options.chunks if chunk < size]
            seen = {way: [] for way in ways}
            for _ in range(options.turns):
                for way in ways:
                    before = cpu_seconds(broker.pid)
                    asked = [str(number) for number in (port, *way, options.frames)]
                    said = subprocess.run(
                        [program, *asked], check=True, capture_output=True, text=True
                    )
                    taken = (cpu_seconds(broker.pid) - before) / options.frames * 1e3
                    seen[way].append([*(float(us) / 1e3 for us in said.stdout.split()), taken])
            for (_, chunk), turns in seen.items():
                straight, brokered, taken = map(statistics.median, zip(*turns, strict=True))
                print(
                    f"| {size} | {'all' if chunk == size else chunk} | {straight:.2f} |"
                    f" {brokered:.2f} | {ratio(turns, 1)} | {taken:.2f} | {ratio(turns, 2)} |"
                )
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
