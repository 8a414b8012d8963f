"""What a broker costs whoever its clients are: a frame's one way through it, by clients in C.

    uv run python -m benchmarks.broker_floor
    uv run python -m benchmarks.broker_floor --bytes 614400 --chunks 0,131072,65536 --turns 7

Two threads in C (`broker_floor.c`, compiled here; needs `cc`) send and receive by a plain socket,
and as MQTT clients that do nothing else, on two cores. The ratio is what no client can be below on
this machine: with it in hand one can say how much of a brokered hop is the broker's. Chunks (0: a
frame is one packet) let a broker pass on the beginning while the end still comes. Turn by turn, so
ratios are of one moment; the broker is the demo's mosquitto, with its settings.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from wire.statistics import median_interval

SOURCE = Path(__file__).with_suffix(".c")
SIZES = "65536,204800,614400,3145728"


def numbers(text):
    return [int(number) for number in text.split(",")]


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
    print("\n| bytes | a packet has | straight ms | broker ms | broker / straight (95 %) |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Broker(broker_kinds.MOSQUITTO) as broker:
        program = Path(folder, "broker_floor")
        subprocess.run(["cc", "-O2", "-o", program, SOURCE, "-lpthread"], check=True)
        port = urlsplit(broker.url).port
        for size in options.bytes:
            ways = [(size, chunk or size) for chunk in options.chunks if chunk < size]
            seen = {way: [] for way in ways}
            for _ in range(options.turns):
                for way in ways:
                    asked = [str(number) for number in (port, *way, options.frames)]
                    said = subprocess.run(
                        [program, *asked], check=True, capture_output=True, text=True
                    )
                    seen[way].append([float(us) / 1e3 for us in said.stdout.split()])
            for (_, chunk), turns in seen.items():
                straight, brokered = (statistics.median(ms) for ms in zip(*turns, strict=True))
                ratios = [through / plain for plain, through in turns]
                low, high = median_interval(ratios)
                print(
                    f"| {size} | {'all' if chunk == size else chunk} | {straight:.2f} |"
                    f" {brokered:.2f} | {statistics.median(ratios):.2f} ({low:.2f}-{high:.2f}) |"
                )
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
