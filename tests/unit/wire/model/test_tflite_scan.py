"""What a device's scan makes of TFLite files as LiteRT writes them."""

import itertools
import struct
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from tests.fixtures.tflite_builder import FLOAT32, INT8, TfliteModel, chain, quantised
from wire.model.errors import (
    ExternalDataError,
    ModelError,
    ModelMalformedError,
    ModelTooLargeError,
    OperatorRefusedError,
)
from wire.model.tflite_limits import Limits
from wire.model.tflite_scan import scan_tflite, tflite_operators

ZOO = Path.home() / ".cache" / "paceline" / "zoo"


def scanned(model, **more):
    """Scan a model that LiteRT's schema wrote."""
    return scan_tflite(model.data(), source="m.tflite", **more)


def refused(model, error, words, **more):
    """Check that the scan refuses a model, and says ``words``."""
    with pytest.raises(error, match=words) as found:
        scanned(model, **more)
    assert str(found.value).startswith("m.tflite: ")


def one_operator(name, constants=(), shape=(1, 4), **more):
    """Return a model that gives its input and constants to one operator."""
    model = TfliteModel()
    x, y = model.tensor("x", shape), model.tensor("y", shape)
    given = [model.constant(f"c{i}", values) for i, values in enumerate(constants)]
    model.operator(name, [x, *given], [y], **more)
    model.graph.inputs, model.graph.outputs = [x], [y]
    return model


def test_what_a_model_consists_of():
    """A model that passes is told by its operators, its sizes and its border."""
    found = scanned(quantised())

    assert dict(found.operators) == {"CONV_2D": 1, "RESHAPE": 1, "DEQUANTIZE": 1}
    assert (found.inputs, found.outputs) == (("image",), ("real",))
    assert found.weight_bytes == 3 * 3 * 3 * 2 + 3 * 4 + 2 * 4
    assert found.activation_bytes == 108 + 4 * 108
    assert not found.is_compiled_for_edgetpu


@pytest.mark.parametrize(
    ("name", "operators"), [("face_landmark", 97), ("openwakeword_embedding", 64)]
)
def test_models_of_others_pass(name, operators):
    """Models as their authors published them are not refused."""
    path = ZOO / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"no {path}: run scripts/fetch-zoo")

    found = scan_tflite(path.read_bytes(), source=path.name)

    assert sum(found.operators.values()) == operators


def test_a_stateful_model_is_refused_by_name():
    """A model whose answers depend on the frames before is refused, with the operator's name."""
    path = ZOO / "hey_jarvis.tflite"
    if not path.exists():
        pytest.skip(f"no {path}: run scripts/fetch-zoo")
    data = path.read_bytes()

    with pytest.raises(OperatorRefusedError, match=r"\(CALL_ONCE\): keeps state between frames"):
        scan_tflite(data, source=path.name)
    assert tflite_operators(data, source=path.name)["VAR_HANDLE"] == 12


def test_an_edge_tpu_model_is_recognised():
    """A compiled model passes, and is told from one that a processor can run whole."""
    model = one_operator("edgetpu-custom-op", custom_options=b"compiled")

    assert scanned(model).is_compiled_for_edgetpu
    assert tflite_operators(model.data(), source="m") == {"edgetpu-custom-op": 1}


@pytest.mark.parametrize(
    "data", [b"", b"TFL3", b"\x1c\0\0\0ONNX" + bytes(64), b"\x1c\0\0\0TFL3", b"\xff" * 4 + b"TFL3"]
)
def test_what_is_no_tflite_model(data):
    """Another format, an empty file, or one that ends at once is malformed."""
    with pytest.raises(ModelMalformedError, match=r"^m\.tflite: "):
        scan_tflite(data, source="m.tflite")


def test_every_truncation_is_refused():
    """A model that was cut off anywhere is never taken for a whole one."""
    data = quantised().data()

    for size in range(len(data)):
        with pytest.raises(ModelMalformedError):
            scan_tflite(data[:size], source="m")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FlexAddV2", r"operator #0 \(FlexAddV2\): custom operator 'FlexAddV2' runs code"),
        ("VAR_HANDLE", r"\(VAR_HANDLE\): keeps state"),
        ("HASHTABLE", r"\(HASHTABLE\): keeps state"),
        ("WHILE", r"\(WHILE\): runs other graphs"),
        ("STABLEHLO_COMPOSITE", r"\(STABLEHLO_COMPOSITE\): runs other graphs"),
        ("DELEGATE", r"\(DELEGATE\): runs code"),
        ("DENSIFY", r"\(DENSIFY\): has sparse weights"),
        ("CONCAT_EMBEDDINGS", r"\(CONCAT_EMBEDDINGS\): has a kernel in no known runtime"),
    ],
)
def test_operators_that_are_refused(name, words):
    """Foreign code, state and control flow are refused by the operator's place and name."""
    refused(one_operator(name), OperatorRefusedError, words)


def test_operators_that_nothing_uses_are_refused_too():
    """A runtime may look for an operator's code before it knows that it is not needed."""
    model = one_operator("RELU")
    model._code("FlexAddV2", 1)

    refused(model, OperatorRefusedError, r"operator code #1 \(FlexAddV2\)")


def change(what, **fields):
    """Return a change of one part of the model: ``graph.operators[0]`` and the like."""

    def make(model):
        part = eval(f"m.{what}", {"m": model})
        for field, value in fields.items():
            setattr(part, field, value)

    return make


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (change("made", version=2), "schema's version is 2"),
        (change("made.operatorCodes[0]", builtinCode=500), "builtin operator 500 is unknown"),
        (
            change("made.operatorCodes[0]", deprecatedBuiltinCode=3, builtinCode=5),
            "for different operators",
        ),
        (change("made.operatorCodes[0]", customCode="mine"), "a builtin with one"),
        (change("made.operatorCodes[0]", version=0), "its version is 0"),
        (change("graph.operators[0]", opcodeIndex=3), r"operator #0: its operator code is 3"),
        (change("graph.operators[0]", inputs=[0, 9]), r"#0 \(ADD\): tensor 9 is not there"),
        (change("graph.operators[0]", inputs=[0, -2]), "tensor -2 is not there"),
        (change("graph.operators[0]", outputs=[-1]), "tensor -1 is not there"),
        (change("graph.operators[0]", outputs=[]), r"has 0 outputs \(expected 1\)"),
        (change("graph.operators[0]", inputs=[0]), r"has 1 inputs \(expected 2\)"),
        (change("graph.operators[0]", inputs=[0, -1]), "does without input 1"),
        (change("graph.tensors[0]", shape=[1, 0]), "input tensor #0 'x': it has no elements"),
        (change("graph.operators[0]", outputs=[2]), "is a constant, and cannot be made"),
        (change("graph.operators[0]", outputs=[0]), "is made twice"),
        (change("graph.operators[0]", inputs=[1, 2]), "nothing before it makes tensor #1 'y'"),
        (change("graph.operators[0]", intermediates=[7]), "tensor 7 is not there"),
        (change("graph", inputs=[0, 5]), "input: tensor 5 is not there"),
        (change("graph", inputs=[0, 2]), "is a constant, and cannot be made"),
        (change("graph", outputs=[-1]), "output: tensor -1 is not there"),
        (change("graph", outputs=[3]), "nothing before it makes tensor #3"),
        (change("graph.tensors[1]", type=90), "element type 90 is unknown"),
        (change("graph.tensors[1]", shape=[1, -4]), "dimension is negative"),
        (change("graph.tensors[1]", shape=[1] * 9), "9 dimensions"),
        (change("graph.tensors[1]", shapeSignature=[-1, 7]), "does not fit its signature"),
        (change("graph.tensors[1]", shapeSignature=[-1]), "does not fit its signature"),
        (change("graph.tensors[1]", buffer=9), "its buffer is 9"),
        (change("graph.tensors[2]", shape=[1, 5]), r"needs 20 bytes \(its buffer has 16\)"),
        (change("made.buffers[1]", offset=8, size=16), "stand in two places"),
        (change("made.buffers[1]", data=None, offset=8, size=1 << 40), "outside the file"),
        (change("made.buffers[1]", data=None, offset=(1 << 64) - 8, size=16), "outside the file"),
        (change("made.buffers[1]", data=None, offset=9, size=16), "are not aligned"),
        (change("made", metadataBuffer=[7]), "it is buffer 7"),
    ],
)
def test_what_contradicts_itself(made, words):
    """Indices, sizes and ranges that lead nowhere are malformed, named by their place."""
    model = one_operator("ADD", [np.ones((1, 4), np.float32)], kind="Add")
    model.tensor("unmade", (1, 4))
    scanned(model)

    made(model)

    refused(model, ModelMalformedError, words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scale": [0.1, 0.2]}, "2 scales and 1 zero points"),
        ({"scale": [0.1] * 3, "zeroPoint": [0] * 3}, "does not fit 3 scales along 0"),
        ({"quantizedDimension": 4}, "along dimension 4"),
        ({"quantizedDimension": -1}, "along dimension -1"),
        ({"scale": [0.0]}, "a scale is not positive"),
        ({"scale": [float("nan")]}, "a scale is not positive"),
        ({"zeroPoint": [200]}, "a zero point is outside INT8"),
    ],
)
def test_scales_that_do_not_fit(fields, words):
    """Kernels end the process over such scales, so they never see them."""
    model = quantised()
    for field, value in fields.items():
        setattr(model.graph.tensors[0].quantization, field, value)

    refused(model, ModelMalformedError, words)


def test_what_kernels_take_for_granted():
    """Scales of small integers, and counts in options, must be there before a kernel uses them."""
    unscaled, split = quantised(), one_operator("UNPACK", kind="Unpack", num=7)
    unscaled.graph.tensors[0].quantization = None

    refused(unscaled, ModelMalformedError, "tensor #0 'image' is INT8 without a scale")
    refused(split, ModelMalformedError, r"options count 7 \(there are 1\)")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (change("graph.tensors[1]", type=5), "tensors of STRING"),
        (change("graph.tensors[1]", type=13), "tensors of RESOURCE"),
        (change("graph.tensors[1]", type=14), "tensors of VARIANT"),
        (change("graph.tensors[1]", type=8), "no frame carries COMPLEX64"),
        (change("graph.tensors[0]", isVariable=True), "it keeps state between frames"),
        (change("graph.tensors[2]", sparsity=schema.SparsityParametersT()), "sparse tensors"),
        (change("graph.tensors[1]", variantTensors=[schema.VariantSubTypeT()]), "variants"),
        (change("made", subgraphs=[]), "it has 0 graphs"),
    ],
)
def test_what_a_segment_cannot_have(made, words):
    """State, strings and the like are refused by name."""
    model = one_operator("ADD", [np.ones((1, 4), np.float32)], kind="Add")
    made(model)

    refused(model, ModelError, words)


def detection(options, anchors=6):
    """Return a model that ends in the detection's custom operator."""
    model = TfliteModel()
    boxes, scores = model.tensor("boxes", (1, 6, 4)), model.tensor("scores", (1, 6, 3))
    found = [model.tensor(f"found{i}", (1, 5)) for i in range(4)]
    anchors = model.constant("anchors", np.ones((anchors, 4), np.float32))
    model.operator(
        "TFLite_Detection_PostProcess", [boxes, scores, anchors], found, custom_options=options
    )
    model.graph.inputs, model.graph.outputs = [boxes, scores], found
    return model


DETECTION = {
    "max_detections": 5, "max_classes_per_detection": 1, "num_classes": 2, "y_scale": 10.0,
    "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0, "nms_score_threshold": 0.1,
    "nms_iou_threshold": 0.5, "use_regular_nms": False,
}  # fmt: skip


def test_detections_options_are_read():
    """The kernel takes its options and anchors as they are, so the scan does not."""
    options = bytes(flexbuffers.Dumps(DETECTION))
    scanned(detection(options))
    bad = bytes(flexbuffers.Dumps(DETECTION | {"max_detections": -1}))

    refused(detection(b""), ModelMalformedError, "options of 0 bytes are no map")
    more = bytes(flexbuffers.Dumps(DETECTION | {"_output_types": [1, 1], "_key": "text"}))
    scanned(detection(more))
    wrong = bytes(flexbuffers.Dumps(DETECTION | {"nms_iou_threshold": "text"}))
    refused(detection(wrong), ModelMalformedError, "nms_iou_threshold is missing, or no number")
    refused(detection(bad), ModelMalformedError, "max_detections is -1")
    refused(detection(options, anchors=5), ModelMalformedError, "6 boxes need as many")
    for size in range(1, len(options), 7):
        refused(detection(options[size:]), ModelMalformedError, "option|map")


def test_options_behind_the_flatbuffer():
    """Large options stand after the flatbuffer, in the same file."""
    model = one_operator("edgetpu-custom-op")
    model.graph.operators[0].largeCustomOptionsOffset = 1 << 12
    model.graph.operators[0].largeCustomOptionsSize = 16
    data = model.data()

    scan_tflite(data.ljust((1 << 12) + 16, b"\0"), source="m")
    with pytest.raises(ModelMalformedError, match="options end at byte 4112, outside the file"):
        scan_tflite(data.ljust((1 << 12) + 15, b"\0"), source="m")


def test_more_than_one_graph_is_refused():
    """Nothing that is allowed runs a second graph."""
    model = one_operator("RELU")
    model.made.subgraphs.append(model.graph)

    refused(model, ModelError, "it has 2 graphs")


def test_scales_of_blocks_are_refused():
    """Another scheme than one scale, or one for each channel, is refused by name."""
    model = quantised()
    found = model.graph.tensors[1].quantization
    found.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    found.details = schema.BlockwiseQuantizationT()

    refused(model, ModelError, "scales of blocks")


def test_weights_in_other_files_are_refused():
    """A model that names other files is refused, in either place that can name one."""
    by_tensor, by_model = one_operator("RELU"), one_operator("RELU")
    by_tensor.graph.tensors[0].externalBuffer = 1
    group = schema.ExternalBufferGroupT()
    group.name = "/etc/passwd"
    by_model.made.externalBufferGroups = [group]

    refused(by_tensor, ExternalDataError, "in another file")
    refused(by_model, ExternalDataError, "in other files")


def test_constants_behind_the_flatbuffer_are_read_there():
    """Constants of large models stand after the flatbuffer, in the same file."""
    model = one_operator("ADD", [np.ones((1, 4), np.float32)], kind="Add")
    model.made.buffers[1] = schema.BufferT()
    model.made.buffers[1].offset, model.made.buffers[1].size = 1 << 12, 16
    data = model.data()

    whole = scan_tflite(data.ljust((1 << 12) + 16, b"\0"), source="m")
    with pytest.raises(ModelMalformedError, match="outside the file"):
        scan_tflite(data.ljust((1 << 12) + 15, b"\0"), source="m")

    assert whole.weight_bytes == 16


def test_signatures_and_metadata_lead_somewhere():
    """A signature's tensors and a metadata's buffer must be there."""
    model = one_operator("RELU")
    signature, entry, metadata = schema.SignatureDefT(), schema.TensorMapT(), schema.MetadataT()
    entry.name, entry.tensorIndex = "x", 0
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [entry], []
    signature.subgraphIndex = 0
    metadata.name, metadata.buffer = "min_runtime_version", 0
    model.made.signatureDefs, model.made.metadata = [signature], [metadata]
    scanned(model)

    entry.tensorIndex = 9
    refused(model, ModelMalformedError, r"signature 'serving_default': 'x' is tensor 9")
    entry.tensorIndex, signature.subgraphIndex = 0, 1
    refused(model, ModelMalformedError, "it is of graph 1")
    signature.subgraphIndex, metadata.buffer = 0, 4
    refused(model, ModelMalformedError, "metadata 'min_runtime_version': it is buffer 4")


LARGE = 1 << 20
ONE = np.array(1, np.float32)


@pytest.mark.parametrize(
    ("name", "constants", "more"),
    [
        ("FILL", [], {}),
        ("TILE", [np.array([LARGE, LARGE], np.int32)], {"kind": "Tile"}),
        ("BROADCAST_TO", [np.array([LARGE, LARGE], np.int64)], {"kind": "BroadcastTo"}),
        ("PAD", [np.array([[0, LARGE], [LARGE, 0]], np.int32)], {"kind": "Pad"}),
        ("ONE_HOT", [np.array(1 << 30, np.int32), ONE, ONE], {"kind": "OneHot"}),
        ("RANGE", [np.array(1e12, np.float32), np.array(1, np.float32)], {"kind": "Range"}),
    ],
)
def test_bombs(name, constants, more):
    """A few bytes that ask for gigabytes are refused before anything is allocated."""
    model = one_operator(name, constants, **more)
    if name == "FILL":
        dims = model.constant("dims", np.array([LARGE, LARGE], np.int32))
        model.graph.operators[0].inputs = [dims, 0]
    if name == "RANGE":
        start = model.constant("start", np.array(0, np.float32))
        model.graph.operators[0].inputs = [start, 2, 3]

    refused(model, ModelTooLargeError, rf"#0 \({name}\): makes a tensor of")


def test_resized_bombs():
    """A picture that is made larger counts with its channels."""
    model = one_operator(
        "RESIZE_BILINEAR",
        [np.array([LARGE, LARGE], np.int32)],
        (1, 4, 4, 3),
        kind="ResizeBilinear",
    )

    refused(model, ModelTooLargeError, "makes a tensor of 1.3")


def test_shapes_that_are_bombs():
    """One tensor, and all that are alive at once, stay below what runtimes can count."""
    one = one_operator("RELU")
    one.graph.tensors[1].shape = [1 << 16, 1 << 15]
    refused(one, ModelTooLargeError, r"tensor #1 'y': shape \[65536, 32768\] takes")

    many = TfliteModel()
    tensors = [many.tensor(f"t{i}", (1 << 28,), INT8) for i in range(9)]
    for tensor in tensors[1:]:
        many.operator("RESHAPE", [tensors[0]], [tensor])
    many.graph.inputs, many.graph.outputs = tensors[:1], tensors[1:]
    refused(many, ModelTooLargeError, r"operator #6 \(RESHAPE\): \d+ bytes of tensors are alive")


def test_what_is_no_longer_needed_does_not_count():
    """A chain of any length takes what two neighbours take."""
    model = TfliteModel()
    tensors = [model.tensor(f"t{i}", (1 << 20,), FLOAT32) for i in range(100)]
    for before, after in itertools.pairwise(tensors):
        model.operator("RELU", [before], [after])
    model.graph.inputs, model.graph.outputs = tensors[:1], tensors[-1:]

    assert scanned(model).activation_bytes == 2 << 22


def test_a_shared_part_does_not_make_the_scan_long():
    """Many operators that share one list of tensors are many parts, wherever they are stored."""
    model = one_operator("ADD_N", kind="AddN")
    model.graph.operators[0].inputs = [0] * 1000

    refused(model, ModelMalformedError, "more parts than are allowed", limits=Limits(max_parts=900))
    scanned(model, limits=Limits(max_parts=1500))


def test_the_fixture_writes_what_flatbuffers_reads():
    """The identifier stands where every reader looks for it."""
    data = chain().data()

    assert flatbuffers.util.BufferHasIdentifier(data, 0, b"TFL3")
    assert struct.unpack_from("<I", data)[0] < len(data)
