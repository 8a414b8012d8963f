"""Export the networks with both of torch's exporters; run by scripts/export-torch-models.

Writes the models into a folder, and beside them models.json: the sizes each runs with, for
scripts/torch-check. Weights are random, from a fixed seed.
"""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networks
import nms
import onnx
import torch
from functions import with_functions
from onnx import AttributeProto, ModelProto

SEED = 7
TORCHSCRIPT_OPSET = 17


@dataclass(frozen=True, slots=True)
class Net:
    """A network, an input to export it with, and which of its dimensions are dynamic."""

    make: Callable[[], torch.nn.Module]
    input_name: str
    example: Callable[[], torch.Tensor]
    dynamic: Mapping[int, str]
    outputs: tuple[str, ...]
    sizes: Mapping[str, int]
    other_sizes: Mapping[str, int]
    notes: Mapping[str, bool] = field(default_factory=dict)
    """What scripts/torch-check must know: ``half``, ``may_refuse``."""


PICTURES = {"batch": 1}, {"batch": 3}
VIT = Net(
    networks.VisionTransformer,
    "picture",
    lambda: torch.rand(2, 3, 224, 224),
    {0: "batch"},
    ("classes",),
    *PICTURES,
)
DETECTOR = Net(
    networks.Detector,
    "picture",
    lambda: torch.rand(1, 3, networks.PICTURE_SIDE, networks.PICTURE_SIDE),
    {},
    ("boxes", "scores", "kinds"),
    {},
    {},
)
GPT = Net(
    networks.Decoder,
    "tokens",
    lambda: torch.randint(0, 1000, (2, 16)),
    {0: "batch", 1: "sequence"},
    ("logits",),
    {"batch": 1, "sequence": 16},
    {"batch": 2, "sequence": 23},
)
HALF = Net(
    lambda: networks.ConvNet().half(),
    "picture",
    lambda: torch.rand(2, 3, 64, 64).half(),
    {0: "batch"},
    ("classes",),
    *PICTURES,
    {"half": True},
)
HALF_VIT = Net(
    lambda: networks.VisionTransformer().half(),
    "picture",
    lambda: torch.rand(2, 3, 224, 224).half(),
    {0: "batch"},
    ("classes",),
    *PICTURES,
    {"half": True},
)
BRANCHING = Net(networks.Branching, "x", lambda: torch.rand(4, 64), {0: "batch"}, ("y",), *PICTURES)
SCRIPTED = Net(
    # the legacy exporter writes control flow only of what torch.jit.script has compiled
    lambda: torch.jit.script(networks.ScriptedBranching().eval()),
    "x",
    lambda: torch.rand(4, 64),
    {0: "batch"},
    ("y",),
    *PICTURES,
)


def torchscript(net: Net, path: Path, **options: Any) -> None:
    """Export with the older exporter, which traces or scripts."""
    torch.onnx.export(
        _model(net),
        (net.example(),),
        path,
        dynamo=False,
        opset_version=TORCHSCRIPT_OPSET,
        input_names=[net.input_name],
        output_names=list(net.outputs),
        dynamic_axes={net.input_name: dict(net.dynamic)} if net.dynamic else None,
        **options,
    )


def dynamo(net: Net, path: Path, **options: Any) -> None:
    """Export with the newer exporter, on torch.export."""
    torch.onnx.export(
        _model(net),
        (net.example(),),
        path,
        dynamo=True,
        input_names=[net.input_name],
        output_names=list(net.outputs),
        dynamic_shapes=(dict(net.dynamic),) if net.dynamic else None,
        custom_translation_table=dict(nms.translations()),
        verbose=False,
        **{"external_data": False, **options},
    )


def dynamo_functions(net: Net, path: Path) -> None:
    """Export with the newer exporter and put functions back; see functions.py."""
    dynamo(net, path)
    onnx.save(with_functions(onnx.load(path)), path)


EXPORTS: Mapping[str, tuple[Net, Callable[[Net, Path], None]]] = {
    "vit.torchscript": (VIT, torchscript),
    "vit.torchscript-block-functions": (
        VIT,
        lambda net, path: torchscript(net, path, export_modules_as_functions={networks.Block}),
    ),
    "vit.torchscript-one-function": (
        VIT,
        lambda net, path: torchscript(net, path, export_modules_as_functions=True),
    ),
    "vit.dynamo": (VIT, dynamo),
    "vit.dynamo-unoptimised": (VIT, lambda net, path: dynamo(net, path, optimize=False)),
    "vit.dynamo-external-data": (VIT, lambda net, path: dynamo(net, path, external_data=True)),
    "vit-half.dynamo": (HALF_VIT, dynamo),
    "detector.torchscript": (DETECTOR, torchscript),
    "detector.dynamo": (DETECTOR, dynamo),
    "gpt.torchscript": (GPT, torchscript),
    "gpt.dynamo": (GPT, dynamo),
    "gpt.dynamo-functions": (GPT, dynamo_functions),
    "half.torchscript": (HALF, torchscript),
    "half.dynamo": (HALF, dynamo),
    "branching.torchscript": (SCRIPTED, torchscript),
    "branching.dynamo": (BRANCHING, dynamo),
}


def _model(net: Net) -> torch.nn.Module:
    torch.manual_seed(SEED)
    return net.make().eval()


def row(path: Path) -> tuple[str, ...]:
    """Return what the table says of a model."""
    model: ModelProto = onnx.load(path, load_external_data=False)
    opset = next(opset.version for opset in model.opset_import if opset.domain == "")
    inside = sum(
        attribute.type == AttributeProto.GRAPH
        for node in model.graph.node
        for attribute in node.attribute
    )
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    numbers = (opset, len(model.graph.node), len(model.functions), inside)
    return (path.name, *map(str, numbers), f"{size / 1e6:.1f}")


def main() -> None:
    """Export all into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # the older exporter warns of its age, at each step
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # torchvision is not needed
    nms.register_for_torchscript(TORCHSCRIPT_OPSET)
    layout = "{:42} {:>5} {:>6} {:>9} {:>7} {:>8}"
    print(layout.format("file", "opset", "nodes", "functions", "bodies", "MB"))
    listed = []
    for name, (net, export) in EXPORTS.items():
        path = folder / f"{name}.onnx"
        export(net, path)
        print(layout.format(*row(path)), flush=True)
        sizes = {"dims": dict(net.sizes), "other_dims": dict(net.other_sizes)}
        listed.append({"file": path.name, **sizes, **net.notes})
    (folder / "models.json").write_text(json.dumps(listed, indent=2) + "\n")


main()
