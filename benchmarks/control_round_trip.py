"""Round trips of the control session with QoS 1 beside QoS 0, on brokers as they come.

    uv run python benchmarks/control_round_trip.py
    uv run python benchmarks/control_round_trip.py --brokers mosquitto --rounds 100

Two `wire.session` sessions: one publishes a message of 1 KB, the other answers it with the same
QoS, one at a time. mosquitto runs with its default of no TCP_NODELAY, rumqttd with its own; on such
brokers a client without TCP_QUICKACK waits 40 ms for each acknowledgement. The goal: QoS 1 takes at
most 2.5 times what QoS 0 takes, and no round trip takes 40 ms. Both take turns.
"""

import argparse
import os
import statistics
import threading
import time

from benchmarks.session_round_trip import stock_mosquitto
from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from wire import broker_url
from wire.session import Session
from wire.statistics import median_interval, quantile

PATIENCE_SECONDS = 10.0
PAYLOAD = bytes(1000)
TURNS = 5
BROKERS = {"mosquitto": stock_mosquitto, "rumqttd": lambda: Broker(broker_kinds.RUMQTTD)}


class Ends:
    """Two sessions that answer each other."""

    def __init__(self, url):
        name = f"b{time.time_ns():x}"
        self.near, self.far = (
            Session(broker_url.parse(url), f"{name}-{end}") for end in ("near", "far")
        )
        self.answered = threading.Event()
        self.asks = {qos: f"{name}/ask/{qos}" for qos in (0, 1)}
        for qos, topic in self.asks.items():
            answer = f"{name}/answer/{qos}"
            self.near.subscribe(answer, qos, lambda *_: self.answered.set())
            self.far.subscribe(topic, qos, self._answers(answer, qos))
        for each in (self.near, self.far):
            each.start()
            each.wait_up(PATIENCE_SECONDS)

    def round_trip(self, qos):
        self.answered.clear()
        began = time.perf_counter()
        self.near.publish(self.asks[qos], PAYLOAD, qos)
        if not self.answered.wait(PATIENCE_SECONDS):
            raise TimeoutError(f"no answer in {PATIENCE_SECONDS:g} s")
        return time.perf_counter() - began

    def stop(self):
        for each in (self.near, self.far):
            each.stop()

    def _answers(self, topic, qos):
        return lambda _topic, payload: self.far.publish(topic, payload, qos)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--brokers", default="mosquitto,rumqttd")
    parser.add_argument("--rounds", type=int, default=300, help="round trips of each QoS")
    options = parser.parse_args()
    print(f"load before {os.getloadavg()[0]:.1f}\n")
    print("| broker | QoS | n | p50 ms (95 %) | p95 ms | most ms | over 40 ms | QoS 1 / QoS 0 |")
    print("|---" * 8 + "|")
    for name in options.brokers.split(","):
        with BROKERS[name]() as broker:
            ends = Ends(broker.url)
            try:
                table(broker.name, ends, options.rounds)
            finally:
                ends.stop()


def table(name, ends, rounds):
    for qos in (0, 1):
        for _ in range(10):
            ends.round_trip(qos)
    seen = {0: [], 1: []}
    ratios = []
    for turn in range(TURNS):
        for qos in (0, 1) if turn % 2 == 0 else (1, 0):
            seen[qos].append([ends.round_trip(qos) for _ in range(rounds // TURNS)])
        ratios.append(statistics.median(seen[1][-1]) / statistics.median(seen[0][-1]))
    for qos, parts in seen.items():
        ms = [1000 * seconds for part in parts for seconds in part]
        low, high = median_interval(ms)
        said = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(
            f"| {name} | {qos} | {len(ms)} | {quantile(ms, 0.5):.2f} ({low:.2f}-{high:.2f})"
            f" | {quantile(ms, 0.95):.2f} | {max(ms):.1f} | {sum(m > 40 for m in ms)}"
            f" | {said if qos else ''} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
