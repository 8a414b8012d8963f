"""A small real network cut in three, with inputs and what the whole model answers to them.

It is openWakeWord's embedding (MIT): 1.3 MB of convolutions, a few milliseconds a frame.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fleet.compare import Difference, compare, tolerance_for
from paceline.cache import cache_folder

STAGES: Final = 3
DISTINCT: Final = 8
"""Different inputs, fed in turn: frame ``n`` carries number ``n % DISTINCT``."""
_FILE: Final = "openwakeword_embedding.onnx"
_INPUT: Final = "input_1"
_SHAPE: Final = (76, 32, 1)
_BATCH: Final = "unk__314"
_SCRIPTS: Final = Path(__file__).parents[1]

Arrays = dict[str, NDArray[Any]]


class Subject:
    """The model, its split folder, and its answers.

    Args:
        folder: Where ``paceline split`` writes.
        environ: Says where the zoo is; ``scripts/fetch-zoo`` brings the model if it is not there.
        batch: How many samples a frame has; of each, 104 and 69 KB go from stage to stage.
    """

    def __init__(self, folder: Path, environ: dict[str, str], batch: int = 1) -> None:
        self.model = cache_folder(environ) / "zoo" / _FILE
        if not self.model.exists():
            subprocess.run([str(_SCRIPTS / "fetch-zoo")], check=True, stdout=sys.stderr)
        self.folder = folder / "split"
        command = [str(Path(sys.executable).with_name("paceline")), "split", str(self.model)]
        options = ["--out", str(self.folder), "--stages", str(STAGES), "--dim", f"{_BATCH}={batch}"]
        subprocess.run(
            [*command, *options, "--balance", "flops", "--name", "soak", "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        session = ort.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        self.output = session.get_outputs()[0].name
        self._expected = [session.run(None, inputs(n, batch))[0] for n in range(DISTINCT)]
        self._tolerance = tolerance_for(self._expected)

    def save(self, file: Path) -> None:
        """Write the answers and their tolerance into an ``.npz``, for a process that checks."""
        np.savez(file, answers=np.stack(self._expected), absolute=self._tolerance.absolute)

    def difference(self, number: int, tensors: Any) -> Difference:
        """Return how far an answer to frame ``number`` is from the whole model's."""
        expected = self._expected[number % DISTINCT]
        return compare(np.asarray(tensors[self.output]), expected, self._tolerance)


def inputs(number: int, batch: int = 1) -> Arrays:
    """Return the inputs of frame ``number``."""
    random = np.random.default_rng(number % DISTINCT)
    return {_INPUT: random.standard_normal((batch, *_SHAPE)).astype(np.float32)}
