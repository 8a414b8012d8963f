"""What must be true of a split: judged by plain onnxruntime and by what the files say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto

from fleet import split_folder
from fleet.compare import compare
from tests.generated.legal_cuts import SPELLED
from tests.generated.single_nodes import session
from wire import codecs, manifest, tensors
from wire.manifest import Manifest, Segment, Tolerance
from wire.model.files import scan_segment

Arrays = Mapping[str, np.ndarray]
INLINE_BYTES, LARGE_BYTES = 1 << 10, 1 << 20
ALIGNMENT, LARGE_ALIGNMENT = 64, 64 << 10
HALF = TensorProto.FLOAT16


def feeds(path: Path, sizes: Mapping[str, int], seed: int = 3) -> dict[str, np.ndarray]:
    """Return random inputs: floats in [-1, 1), integers 0 and 1."""
    random = np.random.default_rng(seed)
    made = {}
    for taken in session(str(path)).get_inputs():
        shape = [size if isinstance(size, int) else sizes.get(size, 2) for size in taken.shape]
        number = SPELLED[taken.type.removeprefix("tensor(").removesuffix(")")]
        kind = codecs.DTYPES[number]
        is_float = np.issubdtype(kind, np.floating)
        values = random.uniform(-1, 1, shape) if is_float else random.integers(0, 2, shape)
        made[taken.name] = np.asarray(values).astype(kind)
    return made


def run(path: Path, given: Arrays) -> dict[str, np.ndarray]:
    """Return a model's outputs."""
    runner = session(str(path))
    names = [value.name for value in runner.get_outputs()]
    values = runner.run(names, {value.name: given[value.name] for value in runner.get_inputs()})
    return dict(zip(names, values, strict=True))


def chain(out: Path, made: Manifest, given: Arrays) -> dict[str, np.ndarray]:
    """Run the segments one after the other; each gets what its edge carries and no more."""
    carried = _carried(made, 0, given)
    for place, segment in enumerate(made.segments):
        outputs = run(split_folder.segment_folder(out, segment) / "segment.onnx", carried)
        carried = _carried(made, place + 1, {**carried, **outputs})
    return carried


def _carried(made: Manifest, place: int, have: Arrays) -> dict[str, np.ndarray]:
    specs = made.edges[place].tensors
    carried = {spec.name: have[spec.name] for spec in specs}
    tensors.check(f"edge {place}", specs, codecs.describe(carried))
    return carried


def differing(made: Manifest, got: Arrays, expected: Arrays) -> dict[str, str]:
    """Return the outputs that are not what they should be, and how far off.

    Where half precision crosses a cut it is rounded there, which a CPU does not do in between;
    then the loosest tolerance of a segment holds, else nothing may differ.
    """
    crossing = [spec.dtype for edge in made.edges[1:-1] for spec in edge.tensors]
    stated = Tolerance(
        absolute=max(segment.tolerance.absolute for segment in made.segments),
        relative=max(segment.tolerance.relative for segment in made.segments),
    )
    found = {}
    for name, values in expected.items():
        difference = compare(got[name], values, stated)
        is_right = difference.within if HALF in crossing else difference.bit_equal
        if not is_right:
            found[name] = f"off by {difference.max_abs_diff}"
    return found


def check_files(model: ModelProto, out: Path, made: Manifest) -> None:
    """Check manifest and segments as a device does, and where the weights lie."""
    assert manifest.decode((out / "pipeline.json").read_bytes()) == made
    assert split_folder.read(out) == made
    is_checked = _passes(model)
    for segment in made.segments:
        path = split_folder.segment_folder(out, segment) / "segment.onnx"
        scan_segment(path)
        if is_checked:
            onnx.checker.check_model(str(path))
        check_places(path)
        check_faces(path, segment)


def check_faces(path: Path, segment: Segment) -> None:
    """Check that a segment takes and gives what the manifest says, in that order."""
    runner = session(str(path))
    assert [value.name for value in runner.get_inputs()] == [s.name for s in segment.inputs]
    assert [value.name for value in runner.get_outputs()] == [s.name for s in segment.outputs]


def check_places(path: Path) -> None:
    """Check that weights lie where a device can map them, small ones in the model itself."""
    graph = onnx.load(path, load_external_data=False).graph
    for tensor in graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        known: dict[str, Any] = {entry.key: entry.value for entry in tensor.external_data}
        size, offset = int(known["length"]), int(known["offset"])
        assert size >= INLINE_BYTES
        assert offset % (LARGE_ALIGNMENT if size >= LARGE_BYTES else ALIGNMENT) == 0
    inline = [t for t in graph.initializer if t.data_location != TensorProto.EXTERNAL]
    assert [t.name for t in inline if t.ByteSize() >= LARGE_BYTES] == []


def _passes(model: ModelProto) -> bool:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError:
        return False
    return True
