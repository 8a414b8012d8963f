"""A pipeline of two processes with one hop: the same halves of a model over everything.

    uv run --with pyzmq --with grpcio --with aiomqtt --with 'uvicorn[standard]' \\
        python benchmarks/two_stage.py --markdown two_stage.md --svg two_stage.svg

A model of two equal halves of some 8 ms each is cut by our splitter; what crosses the cut is 64 KB
to 3 MB. Each half runs in onnxruntime with one thread, bound to its own core; broker and all else
may use both. Carriers take turns, in the other order each round:

    none (ideal)   two processes that pass each other a word: no tensor travels
    raw tcp, ...   the floors and the peers of benchmarks/hops.py, and our links without an agent
    paceline       real pipelines: two agents, their workers, a client; deployed with --links

*hop*, one frame in flight: from the end of the first half's run to the beginning of the second's
(for peers: end to end minus both runs). *frames/s*, three in flight (ours four: it has hops to and
from its client), beside what the slower stage allows, as the ideal ran in this run. *CPU*: what the
ideal's runs took, beside all that both processes and the broker spent.

On ONE machine the whole model with two threads ties any of these at half the latency: it is the
last row. Same-machine runs prove overhead, not speed-up.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks import bars
from benchmarks.hops import BROKERED, FLOOR, OURS, present
from benchmarks.two_stage_child import BARE, FOLDER
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.split_folder import SEGMENTS_FOLDER
from paceline.bench.hop import cpu_seconds
from paceline.bench.messages import Broker as BrokerAt
from paceline.bench.pair import Pair, PairOptions
from paceline.demo.broker import Broker
from paceline.demo.broker_kinds import MAX_PACKET_BYTES
from paceline.formatting import size_text
from tests.system.place import Place, until
from wire.statistics import median_interval

CHILD = str(Path(__file__).with_name("two_stage_child.py"))
IDEAL = "none (ideal)"
REAL = "paceline"
WIDTH = 256
WINDOW, REAL_WINDOW = 3, 4
TITLE = "Two stages, one hop"
SIZES = "65536,204800,614400,3145728"
COLUMNS = (
    "| carrier | n | hop ms (95 %) | / raw tcp | frames/s | of ideal (95 %)"
    " | CPU ms: first, second, broker | compute / total |"
)  # fmt: skip


class Seen(NamedTuple):
    """One carrier's one round."""

    hops: list
    """Seconds of each frame."""
    rate: float
    first: float
    """CPU seconds of each frame."""
    second: float
    broker: float


# --- the model


def write_model(path, size_bytes, layers):
    """Write ``x [1, 256] -> y [1, 256]``, in whose middle ``size_bytes`` are alive."""
    rows = size_bytes // 4 // WIDTH
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(np.zeros((rows, WIDTH), np.float32), "rows")]
    nodes, name = [helper.make_node("Add", ["x", "rows"], ["t0"])], "t0"
    for layer in range(1, 2 * layers + 1):
        dense = random.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)
        weights.append(numpy_helper.from_array(dense.astype(np.float32), f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{layer}"], [f"m{layer}"]))
        name = f"t{layer}"
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [name]))
    nodes.append(helper.make_node("ReduceMean", [name], ["y"], axes=[0], keepdims=1))
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, WIDTH]) for n in "xy"]
    graph = helper.make_graph(nodes, "halves", values[:1], values[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)


def halves(folder, size_bytes, stage_ms):
    """Write the model with halves that take so long, and split it in its middle."""
    model, layers = folder / "model.onnx", 1
    for _ in range(3):
        write_model(model, size_bytes, layers)
        seconds = whole(model, 1, 0.5)[1]
        layers = max(1, round(layers * 2 * stage_ms / 1000 / seconds))
    write_model(model, size_bytes, layers)
    made = split(model, folder / "split", CutRequest(at=(f"t{layers}",)), Presentation(name="p"))
    for number, segment in enumerate(made.segments):
        shutil.copytree(folder / "split" / SEGMENTS_FOLDER / segment.name, folder / str(number))
    return model, folder / "split"


def whole(model, threads, seconds):
    """Return frames/s and the median latency of the whole model in one process."""
    command = [sys.executable, CHILD, "whole", str(model), str(threads), str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


# --- peers


class Carried:
    """Two processes with a carrier between them."""

    def __init__(self, name, folder, broker):
        self.name, self.folder = name, folder
        self.broker_pid = broker.pid if name.removesuffix(BARE) in BROKERED else None
        cores = sorted(os.sched_getaffinity(0))
        self.pair = Pair(
            PairOptions(
                name, 4, BrokerAt(url=broker.url), MAX_PACKET_BYTES, (cores[0], cores[-1]),
                command=(sys.executable, CHILD),
            )
        )  # fmt: skip
        self.measured = []
        """Frames, their window, and what the pair said."""
        self.pair.measure(5, window=1)
        self.skip = 5

    def measure(self, frames):
        for window in (1, WINDOW):
            before = cpu_seconds(self.broker_pid) if self.broker_pid else 0.0
            found = self.pair.measure(frames, window=window)
            after = cpu_seconds(self.broker_pid) if self.broker_pid else 0.0
            self.measured.append((frames, window, found, (after - before) / frames))

    def close(self):
        """End it; returns what was seen in each round, and the halves' runs while both run."""
        self.pair.close()
        runs = [
            json.loads((self.folder / f"{self.name}-{stage}.json").read_text()) for stage in (0, 1)
        ]
        seen, both, at = [], [], self.skip
        for one, many in zip(self.measured[::2], self.measured[1::2], strict=True):
            frames, _, found, _ = one
            own = zip(*(part[at : at + frames] for part in runs), strict=True)
            hops = [
                latency - (first[0] + second[0]) / 1e9
                for latency, (first, second) in zip(found.latencies_seconds, own, strict=True)
            ]
            at += frames
            both.append([part[at : at + frames] for part in runs])
            at += frames
            _, _, busy, broker = many
            rate = (frames - 1) / (busy.seconds - busy.latencies_seconds[0])
            seen.append(
                Seen(hops, rate, busy.sender_cpu_seconds, busy.receiver_cpu_seconds, broker)
            )
        return seen, both


# --- a real pipeline


class Real:
    """A pipeline of two workers on two agents, and its client."""

    def __init__(self, place, split_folder, link):
        self.name = f"{REAL}, {link}" if link else REAL
        self.broker = place.broker
        known = {device: place.workers(device) for device in ("d1", "d2")}
        pipeline = f"p-{link or 'default'}"
        named = {"link": link} if link else {}
        place.deploy(split_folder, "d1", "d2", name=pipeline, **named)
        cores = sorted(os.sched_getaffinity(0))
        self.workers = []
        for device, core in (("d1", cores[0]), ("d2", cores[-1])):
            [pid] = place.workers(device) - known[device]
            self.workers.append(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {core})
        self.pipeline = place.site.pipeline(pipeline)
        self.inputs = {"x": np.ones((1, WIDTH), np.float32)}
        self.seen, self.client, self.runs = [], [], []
        for _ in range(10):
            self.pipeline.run(self.inputs)

    def measure(self, frames):
        hops = []
        for answer in self.pipeline.stream([self.inputs] * frames, window=1):
            first, second = answer.timings
            hops.append((second.run - first.finished) / 1e9)
        pids = (*self.workers, self.broker.pid)
        before, own = [cpu_seconds(pid) for pid in pids], time.process_time()
        answers = list(self.pipeline.stream([self.inputs] * frames, window=REAL_WINDOW))
        self.client.append((time.process_time() - own) / frames)
        spent = [(cpu_seconds(p) - b) / frames for p, b in zip(pids, before, strict=True)]
        for answer in answers:
            self.runs.append([(t.finished - t.run) / 1e6 for t in answer.timings])
        gaps = [b.answered_ns - a.answered_ns for a, b in pairwise(answers)]
        self.seen.append(Seen(hops, 1e9 / statistics.fmean(gaps), *spent))


@contextlib.contextmanager
def agents(folder, broker):
    """Give a site with two agents."""
    place = Place(folder, broker)
    try:
        place.start("d1", "d2")
        for device in ("d1", "d2"):
            until(lambda device=device: place.ear.last("info", device), device)
        yield place
    finally:
        place.end()


# --- what comes of it


class Ideal(NamedTuple):
    """Two halves that run at the same time, without a tensor between them; by round."""

    stages: list
    """Mean seconds of the first and the second half's run."""
    cpu: list
    """Of both halves' runs, for each frame."""

    @classmethod
    def of(cls, rounds):
        means = [
            [[statistics.fmean(values) / 1e9 for values in zip(*part, strict=True)] for part in one]
            for one in rounds
        ]
        return cls([[p[0] for p in one] for one in means], [sum(p[1] for p in o) for o in means])

    @property
    def slowest(self):
        """Seconds of the slower half, by round."""
        return [max(stage) for stage in self.stages]


def measured(size_bytes, options, names):
    """Return what was seen of each carrier, the ideal, a sentence, and the whole model."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="two-stage-")))
        broker = running.enter_context(Broker())
        model, split_folder = halves(folder, size_bytes, options.stage_ms)
        os.environ[FOLDER] = str(folder)
        (folder / "place").mkdir()
        place = running.enter_context(agents(folder / "place", broker))
        carriers = {name: Carried(name, folder, broker) for name in names}
        real = [Real(place, split_folder, link) for link in options.links]
        everything = [*carriers.values(), *real]
        for number in range(options.rounds):
            for each in everything if number % 2 == 0 else reversed(everything):
                each.measure(options.frames)
        seen = {}
        for name, carried in carriers.items():
            seen[name], runs = carried.close()
            if name == IDEAL:
                ideal = Ideal.of(runs)
        for one in real:
            seen[one.name] = one.seen
        client = statistics.median(spent for one in real for spent in one.client)
        runs = [
            statistics.median(of) for of in zip(*(r for o in real for r in o.runs), strict=True)
        ]
        said = (
            f"\nThe client of the real pipelines spent {1000 * client:.2f} ms of CPU on each frame;"
            f" their halves ran for {' and '.join(f'{run:.2f}' for run in runs)} ms (medians)."
        )
        return seen, ideal, said, [whole(model, n, 2.0) for n in (1, 2)]


def rows(seen, ideal):
    """Yield a table row for each carrier, and what is drawn of it."""
    floor = [statistics.median(one.hops) for one in seen[FLOOR]]
    for name, rounds in seen.items():
        hops = [1000 * seconds for one in rounds for seconds in one.hops]
        medians = [statistics.median(one.hops) for one in rounds]
        low, high = median_interval(hops)
        beside = statistics.median(h / f for h, f in zip(medians, floor, strict=True))
        rates = [one.rate for one in rounds]
        shares = [rate * slow for rate, slow in zip(rates, ideal.slowest, strict=True)]
        spent = [statistics.median(getattr(o, k) for o in rounds) for k in Seen._fields[2:]]
        share = statistics.median(
            compute / (one.first + one.second + one.broker)
            for one, compute in zip(rounds, ideal.cpu, strict=True)
        )
        cells = (
            f"**{name}**" if name.startswith(REAL) else name,
            len(hops),
            f"{statistics.median(hops):.2f} ({low:.2f}-{high:.2f})",
            f"{beside:.2f}",
            f"{statistics.median(rates):.1f}",
            f"{statistics.median(shares):.2f} ({min(shares):.2f}-{max(shares):.2f})",
            ", ".join(f"{1000 * part:.2f}" for part in spent),
            f"{share:.2f}",
        )
        drawn = (name, statistics.median(hops) / 1000, statistics.median(shares), share)
        yield "| " + " | ".join(map(str, cells)) + " |", drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default=SIZES, help="bytes across the cut")
    parser.add_argument("--stage-ms", type=float, default=8.0, help="of each half, about")
    parser.add_argument("--frames", type=int, default=100, help="of each carrier in each round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", help="carriers, parted by commas")
    parser.add_argument(
        "--links", type=lambda text: text.split(","), default=[""], help="of real pipelines"
    )
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    names = [IDEAL, *(f"{n}{BARE}" if n in OURS else n for n in present())]
    if options.only:
        names = [name for name in names if name in {IDEAL, FLOOR, *options.only.split(",")}]
    said, drawn = [], defaultdict(list)
    for size_bytes in map(int, options.sizes.split(",")):
        load = os.getloadavg()[0]
        seen, ideal, sentence, alone = measured(size_bytes, options, names)
        found = list(rows(seen, ideal))
        slowest = statistics.median(ideal.slowest)
        stages = [f"{1000 * statistics.median(of):.2f}" for of in zip(*ideal.stages, strict=True)]
        heading = (
            f"\n{size_text(size_bytes)} across the cut; {options.rounds} rounds; stages of"
            f" {' and '.join(stages)} ms,"
            f" so at most {1 / slowest:.1f} frames/s; load before {load:.1f}\n"
        )
        lines = [
            heading,
            COLUMNS,
            "|---" * (COLUMNS.count("|") - 1) + "|",
            *(row for row, _ in found),
            *(
                f"| whole model, {threads} thread{'s' * (threads > 1)}, one process | |"
                f" latency {1000 * latency:.1f} | | {rate:.1f} | {rate * slowest:.2f} | | |"
                for threads, (rate, latency) in zip((1, 2), alone, strict=True)
            ),
            sentence,
        ]
        print("\n".join(lines), flush=True)
        said += lines
        for _, (name, hop, ideal_share, share) in found:
            drawn[size_text(size_bytes)].append((name, hop, ideal_share, share))
    if options.markdown:
        options.markdown.write_text("\n".join([bars.heading(TITLE), *said]) + "\n")
    if options.svg:
        options.svg.write_text(picture(drawn))


def picture(drawn):
    """Return an SVG: the hop, and how near each comes to an ideal pipeline."""
    columns = []
    for heading, place, words in (
        ("hop inside the pipeline", 1, lambda v: f"{1000 * v:.2f} ms"),
        ("frames/s, of an ideal", 2, lambda v: f"{v:.2f}"),
        ("compute CPU / total CPU", 3, lambda v: f"{v:.2f}"),
    ):
        panels = [
            bars.Panel(
                size, [bars.Bar(one[0], (max(one[place], 0),), words(one[place])) for one in found]
            )
            for size, found in drawn.items()
        ]
        columns.append((heading, (), panels))
    strong = {name for found in drawn.values() for name, *_ in found if name.startswith(REAL)}
    return bars.document(
        "Two stages, one hop", "the same halves of a model, each bound to its core", columns, strong
    )


if __name__ == "__main__":
    main()
