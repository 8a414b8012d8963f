"""Small models whose splits are verified, and changes that should be found out."""

import json
import zlib

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from fleet import digests

F, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
node = helper.make_node


def value(name, dtype=F, shape=("N", 8)):
    """Return an input's or output's description."""
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name, array):
    """Return a weight."""
    return numpy_helper.from_array(np.asarray(array), name)


def random(name, *shape):
    """Return a float weight that is always the same for a name."""
    seeded = np.random.default_rng(zlib.crc32(name.encode()))
    return weight(name, seeded.standard_normal(shape).astype(np.float32))


def model(nodes, inputs, outputs, weights=()):
    """Return a model; outputs are described or only named."""
    described = [ValueInfoProto(name=o) if isinstance(o, str) else o for o in outputs]
    graph = helper.make_graph(nodes, "g", inputs, described, list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def near_ties(*choosers, outputs):
    """Scores of which two are one number but for their last bits, and operators that choose.

    The runtime folds the normalisation into the convolution unless a cut at ``raw`` keeps it.
    """
    kernel = np.random.default_rng(0).standard_normal((6, 8, 3, 3)).astype(np.float32)
    scale = np.ones(6, np.float32)
    scale[1] = 0.3
    kernel[1] = kernel[0] / scale[1]
    zeros, ones = np.zeros(6, np.float32), np.ones(6, np.float32)
    return model(
        [
            node("Conv", ["x", "kernel"], ["raw"], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["raw", "scale", "zeros", "zeros", "ones"], ["scores"]),
            *choosers,
        ],
        [value("x", F, (1, 8, 16, 16))],
        outputs,
        [
            weight("kernel", kernel), weight("scale", scale), weight("zeros", zeros),
            weight("ones", ones), weight("three", np.array([3])), weight("zero", np.array(0)),
            weight("row", np.array([1, 1, -1])), weight("boxes", boxes()),
            weight("many", np.array([2000])), weight("half", np.float32([0.5])),
            weight("low", np.float32([-100])),
        ],
    )  # fmt: skip


def boxes():
    """Return a box for each of the scores of `near_ties`; none overlaps another."""
    corner = np.arange(6 * 16 * 16, dtype=np.float32)[:, None] * 2
    return np.concatenate([corner, corner, corner + 1, corner + 1], axis=1)[None]


def dense():
    """A chain with any batch."""
    return model(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "v"], ["y"]),
        ],
        [value("x")],
        [value("y", F, ("N", 4))],
        [random("w", 8, 6), random("v", 6, 4)],
    )


def fixed_batch(batch="N", length="L"):
    """A model that takes one batch size, and any length."""
    return model(
        [
            node("Concat", ["x", "start"], ["a"], axis=2),
            node("Relu", ["a"], ["b"]),
            node("Neg", ["b"], ["y"]),
        ],
        [value("x", F, (batch, 4, length))],
        [value("y", F, None)],
        [random("start", 1, 4, 1)],
    )


def describe_again(folder, name):
    """Write a segment's digests into the manifest, as nobody should."""
    path = folder / "pipeline.json"
    manifest = json.loads(path.read_text())
    for segment in manifest["segments"]:
        if segment["name"] == name:
            files = digests.files(folder / "segments" / name)
            segment["files"] = [
                {field: getattr(file, field) for field in file.__struct_fields__} for file in files
            ]
    path.write_text(json.dumps(manifest))


def scaled(factor):
    """Return a change that scales a segment's first weight."""

    def change(segment):
        first = segment.graph.initializer[0]
        array = numpy_helper.to_array(first) * np.float32(factor)
        first.CopyFrom(numpy_helper.from_array(array, first.name))

    return change
