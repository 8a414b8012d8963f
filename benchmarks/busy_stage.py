"""A busy stage with a core left beside it: how long does it stand still between two runs?

    uv run python benchmarks/busy_stage.py [--link tcp] [--size BYTES] [--stage-ms MS]

A model is cut near its end, so that the first of two stages does nearly all: it runs with one
thread, and nothing is bound to a core. *between* is the time of a frame at full pace less the first
stage's run: what the stage does beside its runs, as far as the next one waits for it
(docs/adr/0030). To compare versions, run it in both by turns.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from benchmarks.two_stage import whole, write_model
from benchmarks.two_stage_carriers import Real, agents, bind
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from paceline.demo.broker import Broker
from wire.statistics import median_interval

FIT_TIMES = 3


def lopsided(folder, size_bytes, stage_ms):
    """Write a model that takes so long, and cut it before its last layer."""
    model, layers = folder / "model.onnx", 1
    for _ in range(FIT_TIMES):
        write_model(model, size_bytes, layers)
        layers = max(1, round(layers * stage_ms / 1000 / whole(model, 1, 0.5)[1]))
    write_model(model, size_bytes, layers)
    cut = CutRequest(at=(f"t{2 * layers - 1}",))
    split(model, folder / "split", cut, Presentation(name="p"))
    return folder / "split"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--link", default="tcp")
    parser.add_argument("--size", type=int, default=204_800, help="bytes across the cut")
    parser.add_argument("--stage-ms", type=float, default=10.0, help="of the model, about")
    parser.add_argument("--frames", type=int, default=60, help="in each round")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="busy-stage-") as scratch, Broker() as broker:
        folder = Path(scratch)
        model = lopsided(folder, options.size, options.stage_ms)
        (folder / "place").mkdir()
        with agents(folder / "place", broker) as place:
            real = Real(place, model, options.link)
            for pid in real.workers:
                bind(pid, *os.sched_getaffinity(0))
            load = os.getloadavg()[0]
            for _ in range(options.rounds):
                real.busy(options.frames)
    frames = options.frames
    runs = [run for run, _ in real.runs]
    rounds = [statistics.fmean(runs[n : n + frames]) for n in range(0, len(runs), frames)]
    gaps = [1000 / one.rate - run for one, run in zip(real.seen, rounds, strict=True)]
    low, high = median_interval(gaps)
    print(
        f"{options.link}, {options.size} bytes, {len(gaps)} rounds of {frames}, load {load:.1f}:"
        f" a run {statistics.median(rounds):.2f} ms, between {statistics.median(gaps):.2f} ms"
        f" ({low:.2f}-{high:.2f}), so it runs"
        f" {statistics.median(one.utilisation for one in real.seen):.3f} of the time;"
        f" {statistics.median(one.rate for one in real.seen):.1f} frames/s"
    )


if __name__ == "__main__":
    main()
