# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#   "paceline[coral,cpu,demo,fleet]",
#   "keras==3.15.1",
#   "tensorflow-cpu==2.21.0; platform_machine == 'x86_64'",
#   "tensorflow==2.21.0; platform_machine != 'x86_64'",
#   "tf2onnx==1.17.0",
# ]
# [tool.uv.sources]
# paceline = { path = "..", editable = true }
# ///
"""From Keras: two sub-models, each on a device of its own, and the whole over both of them.

uv run examples/keras_submodels.py

TensorFlow is in this script's own environment (the lines above), not in Paceline's. Of Keras's
backends it is the one that exports both formats and is not huge: 345 MB are downloaded once, where
torch with its exporters takes 3.3 GB on x86-64, and jax has no LiteRT exporter.
"""

import argparse
import json
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from machine import Machine, say
from numpy.typing import NDArray

import paceline

if TYPE_CHECKING:
    import keras

    from paceline import Pipeline, Site

Images = NDArray[np.float32]
FORMATS: Final = {"onnx": "onnx", "tflite": "litert"}
"""Suffixes of exported files, and what Keras calls the format."""
DEVICES: Final = ("device1", "device2")
SIDE: Final = 28
FEATURES: Final = 64
MAX_DIFFERENCE: Final = 1e-5
MIN_ACCURACY: Final = 0.95
LIT: Final = (
    "012456",
    "25",
    "02346",
    "02356",
    "1235",
    "01356",
    "013456",
    "025",
    "0123456",
    "012356",
)
"""Which of the seven strokes below each digit has."""
STROKES: Final = np.array(
    [
        [(-1, -2), (1, -2)],
        [(-1, -2), (-1, 0)],
        [(1, -2), (1, 0)],
        [(-1, 0), (1, 0)],
        [(-1, 0), (-1, 2)],
        [(1, 0), (1, 2)],
        [(-1, 2), (1, 2)],
    ]
)
"""Both ends of each stroke, right and down from a digit's middle, in quarters of its height."""


class Deployment:
    """Puts Keras models on the devices of a machine, exported in one format."""

    def __init__(self, machine: Machine, site: "Site", suffix: str) -> None:
        self._machine = machine
        self._site = site
        self._suffix = suffix

    def deploy_submodel(self, submodel: "keras.Model", device: str) -> "Pipeline":
        """Put one sub-model on one device, as a pipeline of its own."""
        name, file = self._exported(submodel)
        self._machine.paceline("split", file, "--stages", 1, "--out", name, "--name", name)
        return self._deployed(name, [device])

    def deploy_model(self, model: "keras.Model", devices: Sequence[str]) -> "Pipeline":
        """Put a model of sub-models on devices, one for each, as one pipeline."""
        name, file = self._exported(model)
        at = ",".join(self._borders(file, [part.name for part in submodels(model)]))
        self._machine.paceline("split", file, "--at", at, "--out", name, "--name", name)
        return self._deployed(name, devices)

    def _exported(self, model: "keras.Model") -> tuple[str, str]:
        """Return the pipeline's name and the file's."""
        name = f"{model.name}-{self._suffix}"
        file = f"{name}.{self._suffix}"
        model.export(self._machine.folder / file, format=FORMATS[self._suffix], verbose=False)
        say(f"\nKeras exported {file}")
        return name, file

    def _borders(self, file: str, parts: Sequence[str]) -> list[str]:
        """Return the last tensor of each sub-model but the last: exporters keep Keras's scopes."""
        shown = json.loads(self._machine.told("show", file, "--json"))
        written = shown["along"]["writes"]
        return [
            [name for name in written if re.search(rf"(^|/){re.escape(part)}(_\d+)?/", name)][-1]
            for part in parts[:-1]
        ]

    def _deployed(self, name: str, devices: Sequence[str]) -> "Pipeline":
        self._machine.deploy(name, name, "default", devices)
        return self._site.pipeline(name)


def main() -> None:
    """Train, deploy, and compare what is answered with what Keras itself answers."""
    frames = _arguments().frames
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its greetings
    warnings.filterwarnings("ignore", category=FutureWarning, module="keras")
    model = trained()
    images, _ = drawn(frames, seed=3)
    head, tail = submodels(model)
    features = head.predict(images, verbose=0)
    scores = model.predict(images, verbose=0)
    one, two = DEVICES
    with (
        Machine({"default": DEVICES}) as machine,
        paceline.connect(machine.broker.url) as site,
    ):
        for suffix in FORMATS:
            put = Deployment(machine, site, suffix)
            first, second = put.deploy_submodel(head, one), put.deploy_submodel(tail, two)
            whole = put.deploy_model(model, DEVICES)
            between = answers(first, images)
            compare(f"{suffix}: {head.name} on {one}", between, features)
            compare(f"{suffix}: then {tail.name} on {two}", answers(second, between), scores)
            compare(f"{suffix}: {model.name} on {one} and {two}", answers(whole, images), scores)
        mixed = composed(
            machine, site, "head-onnx.onnx", "tail-tflite.tflite", whole="digits-onnx.onnx"
        )
        compare(f"{head.name} as ONNX, {tail.name} as TFLite", answers(mixed, images), scores)
    print("all answers are Keras's own")


def composed(machine: Machine, site: "Site", *parts: str, whole: str) -> "Pipeline":
    """Make one pipeline of sub-models that were exported one by one, in any format."""
    machine.paceline("pipeline", "compose", *parts, "--reference", whole, "--out", "mixed")
    machine.deploy("mixed", "mixed", "default")
    return site.pipeline("mixed")


def trained() -> "keras.Model":
    """Return a model of two sub-models that reads digits; exits if it has not learned to."""
    import keras  # noqa: PLC0415 so that --help needs no TensorFlow

    keras.utils.set_random_seed(1)
    dense = keras.layers.Dense
    head = keras.Sequential(
        [
            keras.Input((SIDE, SIDE), name="image"),
            keras.layers.Flatten(),
            dense(128, activation="relu"),
            dense(FEATURES, activation="tanh"),  # within 1: so are differences
        ],
        name="head",
    )
    tail = keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            dense(64, activation="relu"),
            dense(len(LIT), activation="softmax"),
        ],
        name="tail",
    )
    image = keras.Input((SIDE, SIDE), name="image")
    model = keras.Model(image, tail(head(image)), name="digits")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*drawn(8000, seed=1), epochs=5, batch_size=64, verbose=0)
    accuracy = model.evaluate(*drawn(2000, seed=2), verbose=0)[1]
    print(f"Keras {keras.__version__}: {accuracy:.1%} of digits it never saw are read right")
    if accuracy < MIN_ACCURACY:
        sys.exit(f"it should read {MIN_ACCURACY:.0%}")
    return model


def submodels(model: "keras.Model") -> "list[keras.Model]":
    """Return the models that a model is made of, in order."""
    return [layer for layer in model.layers if hasattr(layer, "layers")]


def drawn(count: int, seed: int) -> tuple[Images, NDArray[np.int64]]:
    """Draw digits of seven strokes, moved, sized, slanted, thick and noisy at random.

    Returns:
        images ``[count, 28, 28] float32`` of 0 to 1, and which digit each shows.
    """
    random = np.random.default_rng(seed)
    digits = random.integers(0, len(LIT), count)
    lit = np.array([[str(stroke) in strokes for stroke in range(7)] for strokes in LIT])
    size = random.uniform(3.5, 5.5, (count, 1, 1))
    moved = random.uniform(-3, 3, (2, count, 1, 1))
    down, right = np.indices((SIDE, SIDE))[:, None] - SIDE / 2 - moved
    right = right + random.uniform(-0.3, 0.3, (count, 1, 1)) * down
    ink = np.zeros((count, SIDE, SIDE))
    thickness = random.uniform(0.8, 1.8, (count, 1, 1))
    for stroke, ((x, y), (to_x, to_y)) in enumerate(STROKES):
        nearest_x = np.clip(right, x * size, to_x * size)
        nearest_y = np.clip(down, y * size, to_y * size)
        distance = np.hypot(right - nearest_x, down - nearest_y)
        shade = np.clip(thickness + 0.5 - distance, 0, 1) * lit[digits, stroke, None, None]
        ink = np.maximum(ink, shade)
    ink += random.normal(0, 0.1, ink.shape)
    return ink.clip(0, 1).astype(np.float32), digits


def answers(pipeline: "Pipeline", frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a pipeline answers to each frame; a frame without an answer ends the example."""
    (taken,) = pipeline.route.receives
    given = []
    for answer in pipeline.stream({taken.name: frame[None]} for frame in frames):
        if answer.error is not None:
            raise answer.error
        (tensor,) = answer.tensors.values()
        given.append(tensor[0])
    return np.stack(given)


def compare(what: str, given: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Say how far answers are from Keras's own; ends the example if that is too far."""
    if given.shape != expected.shape or not np.isfinite(given).all():
        sys.exit(f"{what}: {given.shape} instead of {expected.shape}, or not numbers")
    difference = np.abs(given - expected).max()
    print(f"{what}: {len(given)} answers, at most {difference:.1e} from Keras's own", flush=True)
    if difference > MAX_DIFFERENCE:
        sys.exit(f"more than {MAX_DIFFERENCE:.0e}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="A Keras model of two sub-models: trained, exported, deployed, compared.",
        epilog="example: uv run examples/keras_submodels.py --frames 1000",
    )
    parser.add_argument("--frames", type=int, default=500, help="images to compare (500)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
