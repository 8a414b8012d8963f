"""A series of a sensor, window by window: a logger fills a folder, the pipeline follows it."""

import json
import sys
import threading
import time
from pathlib import Path

import model
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import Machine, say

WINDOWS = 60
FAILS_AT = 40
HOP = model.WINDOW // 2
SAMPLES_PER_SECOND = 1000
BARS = "▁▂▃▄▅▆▇█"


def series() -> np.ndarray:
    """Return how a machine shakes; its bearing begins to fail."""
    random = np.random.default_rng(1)
    t = np.arange((WINDOWS + 1) * HOP) / SAMPLES_PER_SECOND
    hum = np.sin(2 * np.pi * 24 * t) + 0.3 * np.sin(2 * np.pi * 48 * t)
    worn = np.clip((np.arange(len(t)) - FAILS_AT * HOP) / (6 * HOP), 0, 1)
    rattle = worn * np.sin(2 * np.pi * 310 * t) * 0.7
    return (hum + rattle + random.normal(0, 0.05, len(t))).astype(np.float32)


def log(folder: Path) -> None:
    """Write each window when it is full, as a logger does: aside, then renamed to its place."""
    shaken = series()
    for number in range(WINDOWS):
        window = shaken[number * HOP :][: model.WINDOW]
        aside = folder / ".writing.npz"
        np.savez(aside, window=window[None, None])
        aside.rename(folder / f"{number:06d}.npz")
        time.sleep(HOP / SAMPLES_PER_SECOND / 2)  # twice as fast as it was, for whoever watches


def main() -> None:
    """Start the logger and the pipeline, and show the score of each window."""
    with Machine({"default": ["gateway1", "gateway2"]}) as machine:
        model.write(machine.folder / "bearing.onnx")
        machine.paceline(
            "split",
            "bearing.onnx",
            "--stages",
            2,
            "--out",
            "parts",
            "--name",
            "bearing",
            "--balance",
            "flops",
        )
        machine.deploy("parts", "bearing", "default")
        windows = machine.folder / "windows"
        windows.mkdir()
        logger = threading.Thread(target=log, args=(windows,))
        logger.start()
        say(f"a logger writes windows of {model.WINDOW} samples, every {HOP}")
        run = ("run", "bearing", "--source", "windows", "--follow", "--count", WINDOWS)
        scores: list[float] = []
        with machine.running(*run) as process:
            assert process.stdout is not None
            for line in process.stdout:
                answer = json.loads(line)
                scores.append(answer["outputs"]["score"]["values"][0])
                show(scores)
        logger.join()
    alarm = next((number for number, score in enumerate(scores) if score > 0.5), None)
    print(f"\n{len(scores)} windows; the bearing began to fail at {FAILS_AT}, heard at {alarm}")
    if len(scores) != WINDOWS or alarm is None or not FAILS_AT - 1 <= alarm <= FAILS_AT + 6:
        sys.exit(1)


def show(scores: list[float]) -> None:
    """Draw the scores so far; on a terminal, in one line that grows."""
    bars = "".join(BARS[min(7, int(score * 8))] for score in scores)
    if sys.stdout.isatty():
        print(f"\r{bars} {scores[-1]:.2f}", end="", flush=True)
    elif len(scores) == WINDOWS:
        print(bars)


if __name__ == "__main__":
    main()
