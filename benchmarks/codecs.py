"""What codecs cost and save on real activations.

    scripts/fetch-zoo
    uv run python benchmarks/codecs.py
    uv run python benchmarks/codecs.py --model other.onnx --input x.npz --bytes 100000

Activations of about 64 KB, 600 KB and 3 MB inside a text detector that looks at a drawn page.
Codecs take turns in each round. Times are CPU times of one frame's tensor, with the 95 % interval
of their median. "Pays below" is the speed of a link at which coding and decoding take the time
that the saved bytes would: on a slower one the codec is worth it.
"""

import argparse
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from paceline.demo.page import draw_page
from paceline.pictures import preprocess
from wire import codec_names, codecs
from wire.frame import Frame, Kind
from wire.manifest import Picture

MODEL = Path.home() / ".cache" / "paceline" / "zoo" / "PP-OCRv6_det_small.onnx"
SIZES = (64_000, 600_000, 3_000_000)
PICTURE = Picture(
    input="x", width=640, height=640, channels="BGR",
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
)  # fmt: skip


def activations(path, feeds, sizes):
    """Return, for each size, the name and array of the activation that comes nearest."""
    model = onnx.load(path)
    shown = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    constants = {o for node in model.graph.node if node.op_type == "Constant" for o in node.output}
    names = [name for name in names if name not in constants]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in shown)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    asked = feeds or {session.get_inputs()[0].name: page()}
    made = dict(zip(names, session.run(names, asked), strict=True))
    floats = {n: a for n, a in made.items() if a.dtype == np.float32 and a.ndim > 2 and a.any()}
    return [
        min(floats.items(), key=lambda item: abs(math.log(item[1].nbytes / size))) for size in sizes
    ]


def page():
    """Return a drawn page as the detector takes it."""
    return preprocess.prepare(draw_page(0), PICTURE).array


def measured(array, rounds):
    """Return, for each codec, its tensor, what comes back, and CPU seconds of both ways."""
    names = codec_names.names()
    found = {name: ([], []) for name in names}
    results = {}
    for _ in range(rounds):
        for name in names:
            began = time.process_time_ns()
            tensors = codecs.tensors({"x": array}, name)
            coded = time.process_time_ns()
            back = codecs.arrays(
                Frame(Kind.DATA, 0, 0, meta=codecs.meta({}, name), tensors=tensors)
            )
            ended = time.process_time_ns()
            results[name] = (tensors[0].data.nbytes, back["x"])
            found[name][0].append((coded - began) / 1e9)
            found[name][1].append((ended - coded) / 1e9)
    return {name: (*results[name], *found[name]) for name in names}


def microseconds(seconds):
    """Return the median and its 95 % interval."""
    ordered = sorted(seconds)
    half = 0.98 * math.sqrt(len(ordered))
    middle = len(ordered) / 2
    low = ordered[max(0, math.floor(middle - half))]
    high = ordered[min(len(ordered) - 1, math.ceil(middle + half))]
    return f"{statistics.median(ordered) * 1e6:.0f} ({low * 1e6:.0f}-{high * 1e6:.0f})"


def show(name, array, rounds):
    """Print the table of one activation."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    zeros = np.mean(array == 0)
    print(f"\n{name} {list(array.shape)}, {array.nbytes} bytes, {zeros:.0%} zeros;", end=" ")
    print(f"n = {rounds}, load {load}\n")
    print("| codec | of raw | relative L2 | encode us | decode us | MB/s both ways | pays below |")
    print("|---|---|---|---|---|---|---|")
    for codec, (size, back, encode, decode) in measured(array, rounds).items():
        off = np.linalg.norm(back - array) / np.linalg.norm(array)
        both = statistics.median(encode) + statistics.median(decode)
        saved = (array.nbytes - size) * 8
        pays = f"{saved / both / 1e6:,.0f} Mbit/s" if saved > 0 else ""
        print(
            f"| {codec} | {size / array.nbytes:.0%} | {off:.2g} | {microseconds(encode)} |"
            f" {microseconds(decode)} | {array.nbytes / both / 1e6:,.0f} | {pays} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--input", type=Path, help=".npz with one array for each input")
    parser.add_argument("--bytes", type=int, action="append", help="of an activation")
    parser.add_argument("--rounds", type=int, default=101)
    options = parser.parse_args()
    feeds = dict(np.load(options.input)) if options.input else None
    for name, array in activations(options.model, feeds, options.bytes or SIZES):
        show(name, array, options.rounds)


if __name__ == "__main__":
    main()
