"""Look inside the whole model: run it with tensors between its operators as further outputs.

Only where something differs: to name the first tensor that does, and to see whether indices do by
a tie. The model is read into memory for it, so large ones are not looked into.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto

from fleet import formats
from fleet.errors import ChildFailedError, ChildTimeoutError
from fleet.model_graph import open_model
from fleet.model_graph.parts import Interface
from fleet.verify import choices, reasons
from fleet.verify.runs import Runs
from fleet.verify.subject import Arrays, Subject
from fleet.verify.ties import Choice

MAX_MODEL_BYTES: Final = 256 << 20
"""Of the model's file and its weights beside it."""
ONNX: Final = "onnx"


class HiddenError(Exception):
    """Nothing can be seen inside the model; the message says why. It never leaves `verify`."""


def choices_of(subject: Subject, outputs: Sequence[str]) -> dict[str, Choice]:
    """Return how indices in ``outputs`` were chosen, for those that an operator did choose.

    Raises:
        HiddenError: The model is not at hand, is too large, or of another format.
    """
    graph = _read(subject, weights=False).graph
    found = {name: choices.choice(graph, name) for name in outputs}
    return {name: choice for name, choice in found.items() if choice is not None}


def values(runs: Runs, sample: Arrays, tensors: Sequence[str], *, optimisations: bool) -> Arrays:
    """Return ``tensors`` of the whole model, whatever they are in it, for one sample.

    Raises:
        HiddenError: The model is not at hand, is too large, or does not run so.
    """
    with _opened_up(runs.subject, tensors) as path:
        try:
            (found,) = runs.run(path, [sample], "inside the whole model", optimisations, [*tensors])
        except (ChildFailedError, ChildTimeoutError) as error:
            raise HiddenError(f"its inside does not run: {reasons.short(str(error))}") from error
    return found


@contextmanager
def _opened_up(subject: Subject, tensors: Sequence[str]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="paceline-") as folder:
        if subject.format == ONNX:
            path = Path(folder, "inside.onnx")
            _write(path, _read(subject, weights=True), tensors)
            yield path
        else:
            _write_whole(Path(folder), subject, tensors)
            yield Path(folder)


def _write_whole(folder: Path, subject: Subject, tensors: Sequence[str]) -> None:
    """Write a model that is no ONNX as one segment that gives ``tensors`` too."""
    with formats.named(subject.format).opened(_whole(subject)) as model:
        graph = model.graph
        for name in tensors:
            if name not in graph.maker:
                raise HiddenError(f"the model has no tensor {name!r:.80}")
        face = Interface(graph.inputs, tuple(dict.fromkeys([*graph.outputs, *tensors])))
        part = open_model.open_part(model, "inside", graph.moving, face, model.infer())
        model.write_scratch(folder, part)


def _write(path: Path, model: ModelProto, tensors: Sequence[str]) -> None:
    known = {value.name for value in model.graph.output}
    exist = _tensors(model.graph)
    for name in tensors:
        if name not in exist:
            raise HiddenError(f"the model has no tensor {name!r:.80}")
        if name not in known:
            model.graph.output.append(ValueInfoProto(name=name))  # the runtime knows its type
    path.write_bytes(model.SerializeToString())


def _tensors(graph: GraphProto) -> set[str]:
    found = {name for node in graph.node for name in node.output}
    found.update(tensor.name for tensor in graph.initializer)
    found.update(value.name for value in graph.input)
    return found


def _whole(subject: Subject) -> Path:
    if subject.whole is None:
        raise HiddenError("the model is not at hand")
    if subject.whole_bytes > MAX_MODEL_BYTES:
        raise HiddenError(f"the model is larger than {MAX_MODEL_BYTES >> 20} MB")
    return subject.whole


def _read(subject: Subject, *, weights: bool) -> ModelProto:
    path = _whole(subject)
    if subject.format != ONNX:
        raise HiddenError("only ONNX models are looked into for what chose it")
    try:
        return onnx.load(path, load_external_data=weights)
    except Exception as error:  # protobuf's own class has no type stubs
        raise HiddenError(f"the model cannot be read ({error})") from error
