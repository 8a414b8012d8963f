"""A camera on a vehicle: an answer in time or none, and always about what is seen now."""

import itertools
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import model
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import Machine, say

SECONDS = 6
RATE = 30
DEADLINE_SECONDS = 0.5
SIZE = (320, 240)


def drive(path: Path) -> None:
    """Film a street: every few seconds a light ahead is red."""
    with av.open(path, "w") as film:
        track = film.add_stream("mpeg4", rate=RATE)
        track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
        track.bit_rate = 2_000_000
        for number in range(SECONDS * RATE):
            street = Image.new("RGB", SIZE, (120, 150, 190))
            draw = ImageDraw.Draw(street)
            draw.polygon([(0, 240), (320, 240), (190, 120), (130, 120)], (90, 90, 95))
            for mark in range(6):
                y = 120 + ((mark * 24 + number * 4) % 120)
                draw.line([(160, y), (160, y + (y - 110) / 8)], "white", 1 + (y - 110) // 30)
            colour = (230, 30, 30) if number // RATE % 3 == 1 else (40, 160, 60)
            draw.ellipse((222, 60, 246, 84), colour, "black")
            film.mux(track.encode(av.VideoFrame.from_image(street)))
        film.mux(track.encode())


def main() -> None:
    """Start what is needed, drive, and look at what came of it."""
    with Machine({"default": ["front", "rear"]}) as machine:
        model.write(machine.folder)
        drive(machine.folder / "drive.mp4")
        say(f"a film of {SECONDS} s stands for the camera: {RATE} pictures a second, {SIZE}")
        machine.paceline(
            "split", "model.onnx", "--stages", 2, "--out", "parts", "--name", "red-light",
            "--preprocess", "in.json", "--postprocess", "out.json", "--balance", "flops",
        )  # fmt: skip
        machine.deploy("parts", "red-light", "default", "--link", "auto")
        # late and dropped frames are what this is about: they are counted, and no failure
        seen = "--source", "drive.mp4", "--policy", "drop_oldest", "--deadline", DEADLINE_SECONDS
        with machine.running("run", "red-light", *seen, "--json") as run:
            assert run.stdout is not None
            summary = watch(json.loads(line) for line in run.stdout)
    tell(summary)


def watch(lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Show what is seen, second by second, as it is seen; returns the run's last line."""
    print(f"\n{'second':>6}  {'seen':<10} {'answers':>8} {'dropped':>8} {'late':>5}")
    for second, now in itertools.groupby(lines, lambda a: int(a.get("at_seconds", -1))):
        answers = list(now)
        if second < 0:
            return answers[-1]
        codes = [a["error"]["code"] for a in answers if "error" in a]
        seen = [a["found"][0]["name"] for a in answers if a.get("found")]
        most = max(set(seen), key=seen.count) if seen else "-"
        late, dropped = codes.count("frame.deadline"), codes.count("frame.dropped")
        print(f"{second:>6}  {most:<10} {len(seen):>8} {dropped:>8} {late:>5}", flush=True)
    sys.exit("the run ended without its summary")


def tell(summary: dict[str, Any]) -> None:
    """Show what became of each frame; ends with 1 when the sum does not hold."""
    account, latency = summary["account"], summary["latency_seconds"] or {"p50": 0, "p95": 0}
    errors = sum(account["errors"].values())
    print(
        f"\n{account['submitted']} frames = {account['results']} answers"
        f" + {account['drops']} dropped + {errors} late or failed;"
        f" latency p50 {latency['p50'] * 1000:.0f} ms, p95 {latency['p95'] * 1000:.0f} ms"
    )
    for words, links in ("frames to", account["links"]), ("answers from", account["links_back"]):
        print(words, *(f"{device}: {link}" for device, link in links.items()))
    ended = account["results"] + account["drops"] + errors
    if not account["results"] or account["submitted"] != ended or account["in_flight"]:
        sys.exit("not every frame is accounted for")


if __name__ == "__main__":
    main()
