"""Round trips between two sessions, with and without acknowledging quickly.

    uv run python benchmarks/session_round_trip.py
    uv run python benchmarks/session_round_trip.py --broker mqtt://broker.local:1883 --bytes 100000

Each answer follows a grant, as in a pipeline with a window of one frame: two small packets for one
connection. A broker without TCP_NODELAY (mosquitto's default) keeps the second back until the first
is acknowledged, which the kernel delays by 40 ms unless TCP_QUICKACK is armed. Without `--broker`,
a mosquitto with its default is started.
"""

import argparse
import contextlib
import statistics
import threading
import time
from dataclasses import dataclass, fields

from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from wire import broker_url
from wire import session as sessions
from wire.session import Session

PATIENCE_SECONDS = 10.0
GRANT = bytes(100)


@dataclass(frozen=True, slots=True)
class StockKind(broker_kinds.Kind):
    def config(self, ports, *, root):
        usual = broker_kinds.Kind.config(self, ports, root=root)
        return usual.replace("set_tcp_nodelay true\n", "")


def stock_mosquitto():
    broker = Broker(broker_kinds.MOSQUITTO)
    usual = {f.name: getattr(broker._kind, f.name) for f in fields(broker._kind)}  # noqa: SLF001
    broker._kind = StockKind(**usual)  # noqa: SLF001
    return broker


def round_trips(url, rounds, size_bytes):
    """Return the seconds of each round trip."""
    name = f"b{time.time_ns():x}"
    near, far = (Session(broker_url.parse(url), f"{name}-{end}") for end in ("near", "far"))
    answered = threading.Event()

    def answer(_topic, payload):
        far.publish(f"{name}/grant", GRANT)
        far.publish(f"{name}/answer", payload)

    far.subscribe(f"{name}/frame", 0, answer)
    near.subscribe(f"{name}/grant", 0, lambda *_: None)
    near.subscribe(f"{name}/answer", 0, lambda *_: answered.set())
    try:
        for each in (near, far):
            each.start()
            each.wait_up(PATIENCE_SECONDS)
        return [_one(near, f"{name}/frame", bytes(size_bytes), answered) for _ in range(rounds)]
    finally:
        for each in (near, far):
            each.stop()


def _one(near, topic, payload, answered):
    answered.clear()
    began = time.perf_counter()
    near.publish(topic, payload)
    if not answered.wait(PATIENCE_SECONDS):
        raise TimeoutError(f"no answer in {PATIENCE_SECONDS:g} s")
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--broker", help="such as mqtt://broker.local:1883")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=1000, help="of a frame")
    options = parser.parse_args()
    own = contextlib.nullcontext() if options.broker else stock_mosquitto()
    usual = sessions._acknowledge_quickly  # noqa: SLF001
    with own as broker:
        url = options.broker or broker.url
        for label, acknowledge in (("with", usual), ("without", lambda _: None)):
            sessions._acknowledge_quickly = acknowledge  # noqa: SLF001
            seconds = round_trips(url, options.rounds, options.bytes)
            rate, median = options.rounds / sum(seconds), statistics.median(seconds) * 1000
            print(f"{label:>8} TCP_QUICKACK: {rate:7.1f} round trips/s, median {median:.2f} ms")


if __name__ == "__main__":
    main()
