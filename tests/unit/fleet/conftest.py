"""Small ONNX models of every kind that a cut meets, and plain onnxruntime to run them."""

import itertools
import zlib
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet.formats import segment_names
from fleet.model_graph import cuts as onnx_cuts
from fleet.model_graph import parts as onnx_parts
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.open_model import Part
from fleet.model_graph.parts import Interface
from fleet.onnx import graph as onnx_graph
from fleet.onnx import segments as onnx_segments
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx import source as onnx_source
from wire import codecs

F, I64, U8, BOOL, F16 = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.BOOL,
    TensorProto.FLOAT16,
)
node = helper.make_node


def value(name, dtype=F, shape=("N", 8)):
    """Return an input's or output's description."""
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name, *shape, dtype=np.float32):
    """Return a weight that is random, but always the same for a name."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return numpy_helper.from_array(random.standard_normal(shape).astype(dtype), name)


def numbers(name, *values, dtype=np.int64):
    """Return a weight of these values, one axis."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def model(nodes, inputs, outputs, initializers=(), *, ir_version=9, opset=17, **more):
    """Return a model."""
    graph = helper.make_graph(
        nodes, "g", inputs, outputs, list(initializers),
        sparse_initializer=more.pop("sparse", None), value_info=more.pop("value_info", None),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *more.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, **more)


def chain():
    """A dense chain whose weights are of every size class."""
    return model(
        [
            node("MatMul", ["x", "w0"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "w1"], ["c"]),
            node("Add", ["c", "bias"], ["d"]),
            node("MatMul", ["d", "w2"], ["y"]),
        ],
        [value("x")],
        [value("y", F, ("N", 4))],
        [weight("w0", 8, 512), weight("w1", 512, 600), weight("bias", 600), weight("w2", 600, 4)],
    )


def skips():
    """Convolutions with skip connections and dynamic height and width."""
    kernel = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return model(
        [
            node("Conv", ["x", "k0"], ["a"], **kernel),
            node("Relu", ["a"], ["b"]),
            node("Conv", ["b", "k1"], ["c"], **kernel),
            node("Add", ["c", "a"], ["d"]),
            node("Conv", ["d", "k1"], ["e"], **kernel),
            node("Concat", ["e", "b", "d"], ["f"], axis=1),
            node("Conv", ["f", "k2"], ["y"], **kernel),
        ],
        [value("x", F, (1, 3, "H", "W"))],
        [value("y", F, (1, 2, "H", "W"))],
        [weight("k0", 4, 3, 3, 3), weight("k1", 4, 4, 3, 3), weight("k2", 2, 12, 3, 3)],
    )


def types():
    """Integers, booleans and bytes that cross cuts; shapes computed from shapes."""
    return model(
        [
            node("Cast", ["bytes"], ["x"], to=F),
            node("Shape", ["x"], ["shape"]),
            node("Greater", ["x", "half"], ["mask"]),
            node("Mul", ["x", "half"], ["scaled"]),
            node("Gather", ["shape", "zero"], ["rows"]),
            node("Where", ["mask", "scaled", "x"], ["chosen"]),
            node("Concat", ["rows", "minus_one"], ["target"], axis=0),
            node("Reshape", ["chosen", "target"], ["y"]),
            node("And", ["mask", "flag"], ["both"]),
            node("Not", ["both"], ["neither"]),
        ],
        [value("bytes", U8, ("N", 2, 4)), value("flag", BOOL, ())],
        [value("y", F, None), value("neither", BOOL, ("N", 2, 4)), value("shape", I64, (3,))],
        [numbers("half", 0.5, dtype=np.float32), numbers("zero", 0), numbers("minus_one", -1)],
    )


def early_and_late():
    """An output that is ready first, and an input that is needed last."""
    return model(
        [
            node("Relu", ["x"], ["early"]),
            node("Exp", ["early"], ["a"]),
            node("Neg", ["a"], ["b"]),
            node("Sin", ["b"], ["c"]),
            node("Add", ["c", "late"], ["y"]),
        ],
        [value("x"), value("late"), value("unread", F, ("N",))],
        [value("early"), value("y")],
    )


def constants():
    """Weights in Constant nodes, and values computed from weights alone."""
    return model(
        [
            node("Constant", [], ["w"], value=weight("", 8, 64)),
            node("Constant", [], ["two"], value_float=2.0),
            node("Constant", [], ["axes"], value_ints=[0]),
            node("Mul", ["w", "two"], ["w2"]),
            node("Transpose", ["w2"], ["w3"]),
            node("MatMul", ["x", "w2"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "w3"], ["c"]),
            node("Mul", ["c", "two"], ["d"]),
            node("Unsqueeze", ["d", "axes"], ["y"]),
            node("Identity", ["w3"], ["weights_out"]),
        ],
        [value("x")],
        [value("y", F, None), value("weights_out", F, (64, 8)), value("two", F, ())],
    )


def bodies():
    """If and Loop whose bodies capture an activation, a weight and a computed constant."""
    then = helper.make_graph(
        [node("MatMul", ["a", "w2"], ["then_out"])], "then", [], [value("then_out", F, None)]
    )
    nested = helper.make_graph(
        [node("Sub", ["a", "b"], ["deep_out"])], "deep", [], [value("deep_out", F, None)]
    )
    other = helper.make_graph(
        [node("If", ["flag"], ["else_out"], then_branch=nested, else_branch=nested)],
        "else", [], [value("else_out", F, None)],
    )  # fmt: skip
    loop = helper.make_graph(
        [
            node("Add", ["state", "chosen"], ["next"]),
            node("Identity", ["going"], ["still"]),
        ],
        "loop",
        [value("step", I64, ()), value("going", BOOL, ()), value("state", F, None)],
        [value("still", BOOL, ()), value("next", F, None)],
    )
    return model(
        [
            node("Relu", ["x"], ["a"]),
            node("Neg", ["a"], ["b"]),
            node("Mul", ["w", "w"], ["w2"]),
            node("If", ["flag"], ["chosen"], then_branch=then, else_branch=other),
            node("Sin", ["b"], ["c"]),
            node("Loop", ["three", "", "c"], ["looped"], body=loop),
            node("Add", ["looped", "chosen"], ["y"]),
        ],
        [value("x"), value("flag", BOOL, ())],
        [value("y")],
        [weight("w", 8, 8), numbers("three", 3)],
    )


def many_outputs():
    """Operators with several outputs, some unused, and inputs left out."""
    return model(
        [
            node("Split", ["x", "parts"], ["a", "b"], axis=1),
            node("TopK", ["a", "two"], ["top", "places"]),
            node("Clip", ["b", "", "one"], ["clipped"]),
            node("Dropout", ["clipped"], ["kept", "mask"]),
            node("GatherElements", ["kept", "places"], ["picked"], axis=1),
            node("Add", ["picked", "top"], ["y"]),
            node("Abs", ["x"], ["dead"]),
        ],
        [value("x")],
        [value("y", F, None), value("places", I64, None)],
        [numbers("parts", 4, 4), numbers("two", 2), numpy_helper.from_array(np.float32(1), "one")],
    )


def functions():
    """A function of the model's own that calls another, beside one that nobody calls."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def function(name, nodes):
        return helper.make_function("own", name, ["p"], ["q"], nodes, opsets)

    return model(
        [
            node("Relu", ["x"], ["a"]),
            node("Outer", ["a"], ["b"], domain="own"),
            node("Sin", ["b"], ["c"]),
            node("Inner", ["c"], ["y"], domain="own"),
        ],
        [value("x")],
        [value("y")],
        opsets=[helper.make_opsetid("own", 1)],
        functions=[
            function("Inner", [node("Exp", ["p"], ["q"])]),
            function(
                "Outer", [node("Inner", ["p"], ["i"], domain="own"), node("Neg", ["i"], ["q"])]
            ),
            function("Nobody", [node("Abs", ["p"], ["q"])]),
        ],
    )


def old():
    """IR version 3, where weights are listed as inputs too."""
    return model(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "w"], ["c"]),
            node("Add", ["c", "x"], ["y"]),
        ],
        [value("x"), value("w", F, (8, 8))],
        [value("y")],
        [weight("w", 8, 8)],
        ir_version=3,
        opset=8,
    )


def half():
    """Half precision, which the runtime computes in single precision between cuts."""
    return model(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "w"], ["c"]),
            node("Add", ["c", "x"], ["y"]),
        ],
        [value("x", F16)],
        [value("y", F16)],
        [weight("w", 8, 8, dtype=np.float16)],
    )


def defaults():
    """An input with a default value, and an input that is an output."""
    return model(
        [node("Add", ["x", "w"], ["a"]), node("Mul", ["a", "w"], ["b"]), node("Neg", ["b"], ["y"])],
        [value("x"), value("w", F, (8,)), value("through")],
        [value("y"), value("through")],
        [weight("w", 8)],
    )


def sparse():
    """A sparse weight."""
    elements = numpy_helper.from_array(np.array([1.5, 2.5], np.float32), "w")
    places = numpy_helper.from_array(np.array([3, 9], np.int64), "w_places")
    tensor = helper.make_sparse_tensor(elements, places, [8, 4])
    return model(
        [node("Relu", ["x"], ["a"]), node("MatMul", ["a", "w"], ["b"]), node("Neg", ["b"], ["y"])],
        [value("x")],
        [value("y", F, None)],
        sparse=[tensor],
    )


MODELS = {
    make.__name__: make
    for make in (
        chain, skips, types, early_and_late, constants, bodies, many_outputs, functions, old,
        half, defaults, sparse,
    )
}  # fmt: skip


@pytest.fixture(params=[name for name in MODELS if name != "half"])
def kind(request):
    """Each kind of model whose segments are bit-equal, by name."""
    return request.param


@pytest.fixture
def make_model() -> Callable[[str], onnx.ModelProto]:
    """Return a model by its kind."""
    return lambda name: MODELS[name]()


@pytest.fixture
def saved(tmp_path):
    """Save a model, given or by its kind, and return its path."""

    def save(what, **options):
        made = MODELS[what]() if isinstance(what, str) else what
        path = tmp_path / f"{what if isinstance(what, str) else 'model'}.onnx"
        onnx.save(made, path, **options)
        return path

    return save


def session(path):
    """Return plain onnxruntime without optimisations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feeds_for(path, sizes=None):
    """Return random inputs for a model; named dimensions are 6 unless ``sizes`` says."""
    kinds = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(int64)": "i8"}
    kinds |= {"tensor(uint8)": "u1", "tensor(bool)": "?"}
    random = np.random.default_rng(3)
    feeds = {}
    for taken in session(path).get_inputs():
        shape = [d if isinstance(d, int) else (sizes or {}).get(d, 6) for d in taken.shape]
        values = random.random(shape) if "float" in taken.type else random.integers(0, 2, shape)
        feeds[taken.name] = np.asarray(values).astype(kinds[taken.type])
    return feeds


@pytest.fixture
def run_whole():
    """Run a model: returns its inputs and its outputs, by name."""

    def run(path, sizes=None):
        feeds = feeds_for(path, sizes)
        runner = session(path)
        names = [given.name for given in runner.get_outputs()]
        return feeds, dict(zip(names, runner.run(names, feeds), strict=True))

    return run


@pytest.fixture
def run_chain():
    """Run the segments below a folder one after the other, fed by tensor name."""

    def run(folder, feeds):
        have = dict(feeds)
        for path in sorted(folder.glob("*/segment.onnx")):
            runner = session(path)
            names = [given.name for given in runner.get_outputs()]
            taken = {needed.name: have[needed.name] for needed in runner.get_inputs()}
            have.update(zip(names, runner.run(names, taken), strict=True))
        return have

    return run


def write_part(folder, source, graph, name, inside, face, facts):
    """Write one segment; shapes are left open."""
    open_facts = {tensor: TensorFacts(known.dtype) for tensor, known in facts.items()}
    part = Part(
        name=name,
        operators=onnx_parts.with_constants(graph, inside, face.outputs),
        inputs={tensor: open_facts[tensor] for tensor in face.inputs},
        outputs={tensor: open_facts.get(tensor, TensorFacts()) for tensor in face.outputs},
        metadata={},
    )
    (folder / name).mkdir(parents=True)
    onnx_segments.write(folder / name, source, graph, part)


def measured(folder, source, graph, feeds):
    """Return types and sizes of all tensors, from a run that gives them all."""
    known = onnx_shapes.declared(source.model)
    made = [name for index in graph.moving for name in graph.operators[index].writes]
    face = Interface(graph.inputs, tuple(dict.fromkeys([*graph.outputs, *made])))
    write_part(folder, source, graph, "whole", graph.moving, face, known)
    runner = session(folder / "whole" / "segment.onnx")
    values = runner.run(list(face.outputs), feeds)
    described = codecs.describe(dict(zip(face.outputs, values, strict=True)) | feeds)
    return {name: TensorFacts(dtype, shape) for name, (dtype, shape) in described.items()}


@pytest.fixture
def write_segments(tmp_path):
    """Cut a model and write its segments, in this process; returns plan and folder."""
    count = itertools.count()

    def write(path, request):
        with onnx_source.opened(path) as source:
            graph = onnx_graph.read(source.model.graph, path.name, source.model.functions)
            facts = measured(tmp_path / f"whole-{next(count)}", source, graph, feeds_for(path))
            plan = onnx_cuts.plan(graph, facts, request, path.name)
            folder = tmp_path / f"segments-{next(count)}"
            names = segment_names(len(plan.segments))
            for name, inside, face in zip(names, plan.segments, plan.interfaces, strict=True):
                write_part(folder, source, graph, name, inside, face, facts)
        return plan, folder

    return write
