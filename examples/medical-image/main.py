"""Medical pictures: graded in the hospital, nothing kept, nothing at the broker, all audited."""

import getpass
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import audit
import model
import numpy as np
import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

import paceline

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import Machine, say

PATIENTS = 8
QUICK = ("--balance", "flops")
"""Nothing is measured: the network is small."""
Picture = NDArray[np.uint8]


def scans() -> Iterator[dict[str, Picture]]:
    """Yield what the X-ray machine takes; pictures exist in memory alone."""
    for patient in range(PATIENTS):
        random = np.random.default_rng(patient)
        picture = random.normal(60, 12, (model.SIDE, model.SIDE))
        y, x = np.mgrid[: model.SIDE, : model.SIDE]
        distance = np.hypot(y - random.integers(30, 98), x - random.integers(30, 98))
        picture += (0, 60, 130)[patient % 3] * np.exp(-((distance / 14) ** 2))
        yield {"image": picture.clip(0, 255).astype(np.uint8)[None, None]}


def main() -> None:
    """Grade all pictures; then show that the audit holds and that nothing was kept."""
    with Machine({"default": ["ward1", "ward2"]}) as machine:
        model.write(machine.folder / "xray.onnx")
        machine.paceline(
            "split", "xray.onnx", "--stages", 2, "--out", "parts", "--name", "xray", *QUICK
        )
        machine.deploy("parts", "xray", "default", "--link", "direct")
        listener = Listener(machine.broker.url)
        key = Ed25519PrivateKey.generate()  # a real one stays in the hospital's own keeping
        log = machine.folder / "audit.jsonl"
        written = audit.Audit(log, getpass.getuser(), key)
        say("\ngrading: answers go to this terminal and nowhere else\n")
        taken = []
        with paceline.connect(machine.broker.url) as site:
            for answer in site.pipeline("xray").stream(scans()):
                error = answer.error.reason if answer.error else None
                written.add(answer.inputs, answer.tensors, error)
                taken.append(answer.inputs["image"])
                print(f"patient {answer.sequence}: {graded(answer)}", flush=True)
        written.close()
        heard = listener.close()
        print(f"\naudit: {audit.verify(log, key.public_key())} lines, signed, unbroken; the last:")
        print("  " + log.read_text().splitlines()[-1][:100] + "...")
        found, seen = kept(machine.folder, taken), sum(holds(each, taken) for each in heard)
        print(f"at the broker: {len(heard)} messages, {seen} with any part of a picture")
        print(f"on disk: {len(found)} files that hold any part of a picture {found or ''}")
    if found or seen or not heard or written.lines != PATIENTS:
        sys.exit(1)


def graded(answer: Any) -> str:
    """Return the answer in words."""
    if answer.error is not None:
        return f"no answer ({answer.error.reason}); take the picture again"
    grades = answer["grades"][0]
    return f"{model.GRADES[int(grades.argmax())]} ({grades.max():.0%})"


class Listener:
    """Somebody who may read everything at the broker."""

    def __init__(self, url: str) -> None:
        self._heard: list[bytes] = []
        ready = threading.Event()
        self._mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._mqtt.on_message = lambda _client, _data, message: self._heard.append(message.payload)
        self._mqtt.on_subscribe = lambda *_: ready.set()
        where = urlsplit(url)
        self._mqtt.connect(where.hostname or "", where.port or 1883)
        self._mqtt.subscribe("#")
        self._mqtt.loop_start()
        ready.wait(10)

    def close(self) -> list[bytes]:
        """Listen no more; returns what was heard."""
        self._mqtt.disconnect()
        self._mqtt.loop_stop()
        return self._heard


def holds(content: bytes, pictures: list[Picture]) -> bool:
    """Whether 64 bytes of any picture, from one of three places in it, are in there."""
    places = (0, 5000, 9000)
    return any(p.tobytes()[at : at + 64] in content for p in pictures for at in places)


def kept(folder: Path, pictures: list[Picture]) -> list[str]:
    """Return the files of all devices, broker and programs that hold any part of a picture."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(p.relative_to(folder)) for p in files if holds(p.read_bytes(), pictures)]


if __name__ == "__main__":
    main()
