"""Do segments give what the model gives? ``splitters_compare.py MODEL OUT [NAME=SIZE ...]``.

Prints one line: ``right``, or what is wrong. In plain onnxruntime with its optimisations off.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def problem(model: Path, out: Path, sizes: dict[str, int]) -> str | None:
    whole = session(model)
    random = np.random.default_rng(7)
    have = {
        given.name: random.random(
            [d if isinstance(d, int) else sizes[d] for d in given.shape], np.float32
        )
        for given in whole.get_inputs()
    }
    names = [output.name for output in whole.get_outputs()]
    expected = dict(zip(names, whole.run(names, have), strict=True))
    del whole
    for place in sorted(out.glob("segments/*/segment.onnx")):
        segment = session(place)
        given = {value.name: have[value.name] for value in segment.get_inputs()}
        made = [value.name for value in segment.get_outputs()]
        have.update(zip(made, segment.run(made, given), strict=True))
    differing = [name for name in names if not np.array_equal(have[name], expected[name])]
    return f"outputs {differing} differ" if differing else None


def main() -> None:
    pairs = (argument.split("=") for argument in sys.argv[3:])
    sizes = {name: int(size) for name, size in pairs}
    try:
        found = problem(Path(sys.argv[1]), Path(sys.argv[2]), sizes)
    except Exception as error:  # noqa: BLE001 whatever the runtime says of the segments is the answer
        found = f"a segment does not run: {str(error).splitlines()[0]}"
    print(found or "right")


main()
