"""Cut a model with one foreign tool: ``splitters_child.py TOOL MODEL OUT BOUNDS``.

BOUNDS is JSON: a list of [inputs, outputs] for each segment. Runs in an environment that holds the
tools. Written as each tool's documentation says, without what one would have to add by hand.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

Bounds = Sequence[tuple[Sequence[str], Sequence[str]]]


def with_extract_model(model: Path, bounds: Bounds, out: Path) -> None:
    """onnx.utils.extract_model: a call for each segment, each reads the whole model."""
    import onnx  # noqa: PLC0415 each tool is measured with its own imports alone

    for place, (inputs, outputs) in _places(bounds, out):
        onnx.utils.extract_model(str(model), str(place), list(inputs), list(outputs))


def with_ir(model: Path, bounds: Bounds, out: Path) -> None:
    """onnx_ir.convenience.extract: external data stays mapped until it is written."""
    import onnx_ir as ir  # noqa: PLC0415 each tool is measured with its own imports alone

    whole = ir.load(model)
    for place, (inputs, outputs) in _places(bounds, out):
        graph = ir.convenience.extract(whole.graph, inputs=list(inputs), outputs=list(outputs))
        part = ir.Model(graph, ir_version=whole.ir_version, functions=whole.functions.values())
        ir.save(part, place, external_data="weights.bin")


def with_graphsurgeon(model: Path, bounds: Bounds, out: Path) -> None:
    """onnx-graphsurgeon: name other inputs and outputs, and clean up."""
    import onnx  # noqa: PLC0415 each tool is measured with its own imports alone
    import onnx_graphsurgeon as gs  # noqa: PLC0415 each tool is measured with its own imports alone

    for place, (inputs, outputs) in _places(bounds, out):
        graph = gs.import_onnx(onnx.load(model))
        tensors = graph.tensors()
        graph.inputs = [tensors[name] for name in inputs]
        graph.outputs = [tensors[name] for name in outputs]
        for tensor in graph.inputs:
            tensor.inputs.clear()
        graph.cleanup()
        made = gs.export_onnx(graph)
        large = model.with_name("weights.bin").exists()
        onnx.save(
            made, place, save_as_external_data=large, location="weights.bin" if large else None
        )


TOOLS: dict[str, Callable[[Path, Bounds, Path], None]] = {
    "onnx.utils.extract_model": with_extract_model,
    "onnx-ir": with_ir,
    "onnx-graphsurgeon": with_graphsurgeon,
}


def _places(
    bounds: Bounds, out: Path
) -> Iterator[tuple[Path, tuple[Sequence[str], Sequence[str]]]]:
    for index, bound in enumerate(bounds):
        place = out / "segments" / f"{index:02}"
        place.mkdir(parents=True)
        yield place / "segment.onnx", bound


TOOLS[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[4]), Path(sys.argv[3]))
