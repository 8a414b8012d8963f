"""Medical pictures: graded on devices of the hospital, nothing kept on any disk, all audited."""

import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import audit
import model
import numpy as np
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
        machine.deploy("parts", "xray", "default")
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
        print(f"\naudit: {audit.verify(log, key.public_key())} lines, signed, unbroken; the last:")
        print("  " + log.read_text().splitlines()[-1][:100] + "...")
        found = kept(machine.folder, taken)
        print(f"on disk: {len(found)} files that hold any part of a picture {found or ''}")
    if found or written.lines != PATIENTS:
        sys.exit(1)


def graded(answer: Any) -> str:
    """Return the answer in words."""
    if answer.error is not None:
        return f"no answer ({answer.error.reason}); take the picture again"
    grades = answer["grades"][0]
    return f"{model.GRADES[int(grades.argmax())]} ({grades.max():.0%})"


def kept(folder: Path, pictures: list[Picture]) -> list[str]:
    """Return the files of all devices, broker and programs that hold 64 bytes of any picture."""
    pieces = [picture.tobytes()[at : at + 64] for picture in pictures for at in (0, 5000, 9000)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = ((path, path.read_bytes()) for path in files)
    return [
        str(p.relative_to(folder)) for p, content in contents if any(x in content for x in pieces)
    ]


if __name__ == "__main__":
    main()
