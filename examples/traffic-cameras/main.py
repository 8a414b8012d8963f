"""Traffic cameras of many sites: pictures stay on their site, counts go to whoever subscribes."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import av
import model
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from PIL import Image, ImageDraw

from wire import broker_url

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import Machine, say

SITES = {"north": ["north1"], "south": ["south1"]}
CAMERAS = {"bridge": ("north", 2), "tunnel": ("north", 5), "harbour": ("south", 3)}
"""Of each camera its site, and how many cars pass at a time."""
SECONDS = 5
RATE = 10


def film(path: Path, cars: int) -> None:
    """Film a road from above: as many yellow cars, each in its lane."""
    random = np.random.default_rng(cars)
    starts, speeds = random.integers(0, 120, cars), random.integers(1, 4, cars)
    with av.open(path, "w") as container:
        track = container.add_stream("mpeg4", rate=RATE)
        track.width, track.height, track.pix_fmt = model.WIDTH, model.HEIGHT, "yuv420p"
        track.bit_rate = 4_000_000
        for number in range(SECONDS * RATE):
            road = Image.new("RGB", (model.WIDTH, model.HEIGHT), (80, 82, 86))
            draw = ImageDraw.Draw(road)
            for lane, (start, speed) in enumerate(zip(starts, speeds, strict=True)):
                x = int(start + number * speed) % (model.WIDTH - model.CAR[0])
                y = 8 + lane * 16
                draw.rectangle((x, y, x + model.CAR[0] - 1, y + model.CAR[1] - 1), (250, 220, 20))
            container.mux(track.encode(av.VideoFrame.from_image(road)))
        container.mux(track.encode())


class Board:
    """What a traffic centre sees: the counts alone."""

    def __init__(self, broker: str) -> None:
        self.counts: dict[str, list[float]] = defaultdict(list)
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._connected = threading.Event()
        self._client.on_subscribe = lambda *_: self._connected.set()
        self._client.on_connect = lambda client, *_: client.subscribe("traffic/#")
        where = broker_url.parse(broker)
        self._client.connect(where.host, where.port)
        self._client.loop_start()
        self._connected.wait(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def show(self) -> None:
        """Print one line of what each camera counts now, if there is news."""
        now = [f"{camera} {counts[-1]:.0f}" for camera, counts in sorted(self.counts.items())]
        if now:
            print("cars now: " + ", ".join(now), flush=True)

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        said = json.loads(message.payload)
        if "outputs" in said:
            camera = message.topic.removeprefix("traffic/")
            self.counts[camera].append(said["outputs"]["cars"]["values"][0][0])


def main() -> None:
    """Start two sites on one broker, stream three cameras, and watch the counts."""
    with Machine(SITES) as machine, contextlib.ExitStack() as cameras:
        model.write(machine.folder)
        machine.paceline(
            "split", "model.onnx", "--stages", 1, "--out", "parts", "--name", "cars",
            "--preprocess", "in.json",
        )  # fmt: skip
        for site in SITES:
            machine.deploy("parts", "cars", site)
        board = Board(machine.broker.url)
        cameras.callback(board.close)
        runs: dict[str, subprocess.Popen[str]] = {}
        for camera, (site, cars) in CAMERAS.items():
            film(machine.folder / f"{camera}.mp4", cars)
            source = ("--source", f"{camera}.mp4", "--policy", "drop_oldest", "--deadline", 2)
            sink = ("--sink", f"mqtt:traffic/{site}/{camera}")
            run = machine.running("run", "cars", "--site", site, *source, *sink)
            runs[camera] = cameras.enter_context(run)
        say("")
        while any(run.poll() is None for run in runs.values()):
            time.sleep(1)
            board.show()
        for camera, run in runs.items():
            print(f"\n{camera}:\n{run.communicate()[0]}", end="")
        print()
        wrong = 0
        for camera, (site, cars) in CAMERAS.items():
            counts = board.counts[f"{site}/{camera}"]
            middle = float(np.median(counts)) if counts else -1
            print(f"{site}/{camera}: {len(counts)} counts, {middle:.1f} cars; there were {cars}")
            wrong += round(middle) != cars
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
