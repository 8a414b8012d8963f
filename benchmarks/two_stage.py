"""A pipeline of two processes with one hop: the same halves of a model over everything.

    uv run --with pyzmq --with grpcio --with aiomqtt --with 'uvicorn[standard]' --with ray \\
        python benchmarks/two_stage.py --markdown two_stage.md --svg two_stage.svg

A model of two equal halves of some 10 ms each is cut by our splitter; what crosses the cut is 64 KB
to 3 MB. Each half runs in onnxruntime with one thread, bound to its own core; broker and all else
may use both. Carriers take turns, in the other order each round:

    none (ideal)      two processes that pass each other a word: no tensor travels
    raw tcp, ...      the floors and the peers of benchmarks/hops.py, and our links without an agent
    raw tcp, client   the same between a client and two stages, so three hops, as ours has
    Ray actors        a client, which is their driver, and two stages, which are actors of Ray
    paceline          real pipelines: two agents, their workers, a client; deployed with --links

*hop*, one frame in flight: from the end of the first half's run to the beginning of the second's
(where there is no client: end to end minus both runs). *frames/s*, three in flight (with a client
four), beside what the slower half allows. *slower half runs*: how much of that time the half that
takes longer was in a run; one that others keep from its core runs longer, so what they take is not
in it. *CPU*: what the halves' runs take, beside all that both
processes and the broker spent. What the halves take is measured right before and right after each
carrier's frames, with nothing between them, since a shared machine's speed moves: so the first row
is a control, too, and should have shares of 1.

On ONE machine with two cores the whole model with two threads ties any of these at half the
latency: it is the last row. Same-machine runs prove overhead, not speed-up.
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
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks import bars
from benchmarks.hops import FLOOR, OURS, installed, present
from benchmarks.two_stage_carriers import (
    CHILD,
    CLIENT,
    REAL,
    Carried,
    Chained,
    Ideal,
    Real,
    agents,
)  # fmt: skip
from benchmarks.two_stage_child import BARE, FOLDER, IDEAL, WIDTH
from benchmarks.two_stage_ray import RAY, RayActors
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.split_folder import SEGMENTS_FOLDER
from paceline.demo.broker import Broker
from paceline.formatting import size_text
from wire.statistics import median_interval

WITH_CLIENT = (
    "raw tcp", "raw mqtt", "paho + pickle", "pyzmq", "gRPC stream", "NNStreamer edge TCP",
    "NNStreamer MQTT",
)  # fmt: skip
TITLE = "Two stages, one hop"
SIZES = "65536,204800,614400,3145728"
COLUMNS = (
    "| carrier | n | hop ms (95 %) | / raw tcp (95 %) | frames/s | of ideal (95 %)"
    " | slower half runs (95 %) | CPU ms: first, second, broker, client | compute / total (95 %) |"
)  # fmt: skip


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


# --- what comes of it


class Shares(NamedTuple):
    """Of one carrier's one round, beside what the halves took around it."""

    rate: float
    """Frames/s, of what the slower half allows."""
    compute: float
    """Processor time of both runs, of all but the client's."""


def measured(size_bytes, options, names):
    """Return what was seen of each carrier, with its shares; what halves took; the whole model."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="two-stage-")))
        broker = running.enter_context(Broker())
        model, split_folder = halves(folder, size_bytes, options.stage_ms)
        os.environ[FOLDER] = str(folder)
        (folder / "place").mkdir()
        place = running.enter_context(agents(folder / "place", broker))
        ideal = Ideal(folder, broker)
        carriers = [
            *(
                (RayActors if name == RAY else Chained if name.endswith(CLIENT) else Carried)(
                    name, folder, broker
                )
                for name in names
            ),
            *(Real(place, split_folder, link) for link in options.links),
        ]
        turns = []
        for number in range(options.rounds):
            for each in carriers if number % 2 == 0 else reversed(carriers):
                each.alone(options.frames)
                ideal.block(options.frames // 2)
                each.busy(options.frames)
                ideal.block(options.frames // 2)
                turns.append(each.name)
        blocks = ideal.close()
        around = defaultdict(list)
        for name, before, after in zip(turns, blocks[::2], blocks[1::2], strict=True):
            around[name].append((before, after))
        seen = {each.name: each.close() for each in carriers}
        real = [each for each in carriers if isinstance(each, Real)]
        runs = [
            statistics.median(of) for of in zip(*(r for o in real for r in o.runs), strict=True)
        ]
        said = (
            "\nHalves of the real pipelines ran for"
            f" {' and '.join(f'{run:.2f}' for run in runs)} ms (medians)."
        )
        return seen, around, blocks, said, [whole(model, n, 2.0) for n in (1, 2)]


def shares(rounds, around):
    """Return each round's shares of what the halves took before and after it."""
    found = []
    for one, blocks in zip(rounds, around, strict=True):
        slower, cpu = (statistics.fmean(of) for of in zip(*blocks, strict=True))
        spent = one.first + one.second + one.broker
        found.append(Shares(one.rate * slower, cpu / spent))
    return found


def rows(seen, around):
    """Yield a table row for each carrier, and what is drawn of it."""
    floor = [statistics.median(one.hops) for one in seen[FLOOR]]
    for name, rounds in seen.items():
        hops = [1000 * seconds for one in rounds for seconds in one.hops]
        medians = [statistics.median(one.hops) for one in rounds]
        low, high = median_interval(hops)
        beside = [hop / least for hop, least in zip(medians, floor, strict=True)]
        rates, computes = zip(*shares(rounds, around[name]), strict=True)
        spent = [statistics.median(of) for of in list(zip(*rounds, strict=True))[3:]]
        cells = (
            f"**{name}**" if name.startswith(REAL) else name,
            len(hops),
            f"{statistics.median(hops):.2f} ({low:.2f}-{high:.2f})",
            interval(beside),
            f"{statistics.median(one.rate for one in rounds):.1f}",
            interval(rates),
            interval([one.utilisation for one in rounds]),
            ", ".join(f"{1000 * part:.2f}" for part in spent),
            interval(computes),
        )
        drawn = name, statistics.median(hops) / 1000, *map(statistics.median, (rates, computes))
        yield "| " + " | ".join(map(str, cells)) + " |", drawn


def interval(values):
    """Return a median, and where it is with 95 % confidence."""
    low, high = median_interval(values)
    return f"{statistics.median(values):.2f} ({low:.2f}-{high:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default=SIZES, help="bytes across the cut")
    parser.add_argument("--stage-ms", type=float, default=10.0, help="of each half, about")
    parser.add_argument("--frames", type=int, default=40, help="of each carrier in each round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", help="carriers, parted by semicolons")
    parser.add_argument(
        "--links", type=lambda text: text.split(","), default=[""], help="of real pipelines"
    )
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    peers = present()
    names = [IDEAL, *(f"{name}{BARE}" if name in OURS else name for name in peers)]
    names += [RAY] * installed("ray")
    names += [f"{name}{CLIENT}" for name in WITH_CLIENT if name in peers]
    if options.only is not None:
        names = [name for name in names if name in {IDEAL, FLOOR, *options.only.split(";")}]
    said, drawn = [], defaultdict(list)
    for size_bytes in map(int, options.sizes.split(",")):
        load = os.getloadavg()[0]
        seen, around, blocks, sentence, alone = measured(size_bytes, options, names)
        found = list(rows(seen, around))
        took = sorted(1000 * block.slower for block in blocks)
        slower = statistics.median(took)
        heading = (
            f"\n{size_text(size_bytes)} across the cut; {options.rounds} rounds; the slower half"
            f" takes {slower:.2f} ms ({took[0]:.2f} to {took[-1]:.2f} in {len(took)} blocks),"
            f" so at most {1000 / slower:.1f} frames/s; load before {load:.1f}\n"
        )
        lines = [
            heading,
            COLUMNS,
            "|---" * (COLUMNS.count("|") - 1) + "|",
            *(row for row, _ in found),
            *(
                f"| whole model, {threads} thread{'s' * (threads > 1)}, one process | |"
                f" latency {1000 * latency:.1f} | | {rate:.1f} | {rate * slower / 1000:.2f} | | | |"
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
