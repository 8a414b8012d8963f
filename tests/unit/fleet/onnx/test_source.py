"""Reading models from outside: external weights, Constant operators, what is refused."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fleet.onnx import source as onnx_source
from wire.model.errors import ExternalDataError, ModelError, ModelMalformedError


def weights(model):
    """Return the initializers of a model that holds them all as arrays."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def loaded(path):
    """Return the model's structure, and its initializers as arrays."""
    with onnx_source.opened(path) as source:
        whole = {
            tensor.name: numpy_helper.to_array(source.files.whole(tensor))
            for tensor in source.model.graph.initializer
        }
        return source.model, whole


def opened(path):
    """Open a model and close it again."""
    with onnx_source.opened(path) as source:
        return source


def external(saved, kind="chain", **options):
    """Save a model with its weights beside it."""
    defaults = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    return saved(kind, **defaults | options)


@pytest.mark.parametrize("options", [{}, {"all_tensors_to_one_file": False, "location": None}])
def test_weights_beside_the_model_are_found(saved, make_model, options):
    """Each is the one that was saved, wherever it stands."""
    path = external(saved, **options)

    _, found = loaded(path)

    for name, array in weights(make_model("chain")).items():
        assert found[name].tobytes() == array.tobytes()


def test_large_weights_stay_in_the_file(saved, make_model):
    """The structure refers to their bytes; only small ones are in it."""
    path = saved("chain")

    model, _ = loaded(path)

    outside = {t.name for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL}
    assert outside == {"w0", "w1", "bias", "w2"}
    assert model.ByteSize() < 2000


@pytest.mark.parametrize("form", ["raw", "float_data", "unpacked", "int32_data", "int64_data"])
def test_each_form_of_elements_is_read(saved, make_model, form):
    """Raw, typed and packed, typed and not packed: the same numbers come out."""
    model = make_model("early_and_late")
    array = np.arange(600)
    dtype, field, kind = {
        "raw": (TensorProto.FLOAT, "raw_data", np.float32),
        "float_data": (TensorProto.FLOAT, "float_data", np.float32),
        "unpacked": (TensorProto.FLOAT, "float_data", np.float32),
        "int32_data": (TensorProto.UINT8, "int32_data", np.uint8),
        "int64_data": (TensorProto.INT64, "int64_data", np.int64),
    }[form]
    array = (array % 200).astype(kind)
    tensor = model.graph.initializer.add(name="many", data_type=dtype, dims=[600])
    if form == "raw":
        tensor.raw_data = array.tobytes()
    else:
        getattr(tensor, field).extend(array.tolist())
    path = saved(model)
    if form == "unpacked":
        packed = b"\x22\xe0\x12" + array.tobytes()
        single = b"".join(b"\x25" + element.tobytes() for element in array)
        path.write_bytes(_with_field(path.read_bytes(), packed, single))

    _, found = loaded(path)

    np.testing.assert_array_equal(found["many"], array)
    assert found["many"].dtype == kind


def _with_field(data, old, new):
    """Return a model whose last initializer has another field; its lengths are made to fit."""
    model = onnx.ModelProto.FromString(data)
    (tensor,) = (t for t in model.graph.initializer if t.name == "many")
    body = tensor.SerializeToString()
    assert old in body
    del model.graph.initializer[:]
    graph = model.graph.SerializeToString() + _field(5, body.replace(old, new))
    model.ClearField("graph")
    return model.SerializeToString() + _field(7, graph)


def _field(number, content):
    size, length = len(content), bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def test_weights_of_constants_in_bodies_are_taken_in(saved, make_model):
    """Wherever a reference may stand, it is followed, within the model's folder."""
    path = external(saved, "constants", convert_attribute=True)

    _, found = loaded(path)

    original = numpy_helper.to_array(make_model("constants").graph.node[0].attribute[0].t)
    np.testing.assert_array_equal(found["w"], original)


def test_constant_operators_become_weights(saved):
    """In each of the forms that Constant has; the operators are gone."""
    model, found = loaded(saved("constants"))

    assert {name: array.shape for name, array in found.items()} == {
        "w": (8, 64),
        "two": (),
        "axes": (1,),
    }
    assert found["two"] == np.float32(2)
    assert "Constant" not in {node.op_type for node in model.graph.node}


def test_the_digest_covers_weights_beside_the_model(saved):
    """Another weight is another model; the same files are the same one."""
    path = external(saved)
    first = onnx_source.identify(path)
    again = onnx_source.identify(path)
    data = bytearray((path.parent / "w.data").read_bytes())
    data[100] ^= 1
    (path.parent / "w.data").write_bytes(data)

    other = onnx_source.identify(path)

    assert first == again
    assert other.sha256 != first.sha256
    assert first.size_bytes == path.stat().st_size + len(data)


def test_a_models_digest_is_that_of_its_file(saved):
    """Without weights beside it, so that people can compare it with what they downloaded."""
    path = saved("skips")

    assert opened(path).ref.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("trick", ["symlink", "hard link", "outside", "missing", "short"])
def test_weights_that_lead_elsewhere_are_refused(saved, tmp_path, trick):
    """Links, paths out of the folder, and files that are not there or too short."""
    path = external(saved)
    data, other = path.parent / "w.data", tmp_path / "other"
    match trick:
        case "symlink":
            data.rename(other)
            data.symlink_to(other)
        case "hard link":
            other.hardlink_to(data)
        case "outside":
            content = path.read_bytes().replace(b"w.data", b"../w.d")
            path.write_bytes(content)
        case "missing":
            data.unlink()
        case _:
            data.write_bytes(data.read_bytes()[:-1])

    with pytest.raises(ExternalDataError):
        opened(path)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x08\x09", bytes(100)])
def test_what_is_no_model_is_refused(tmp_path, content):
    """Empty, garbage, or without a graph."""
    path = tmp_path / "m.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelMalformedError, match=r"m\.onnx"):
        opened(path)


def test_a_truncated_model_is_refused(saved):
    """Wherever it ends early."""
    path = saved("chain")
    whole = path.read_bytes()
    for size in range(1, len(whole), len(whole) // 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            opened(path)


def test_a_missing_model_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be opened"):
        opened(tmp_path / "none.onnx")


def test_an_unknown_domain_is_refused(saved, make_model):
    """Operators that would need foreign code are named, before anything runs."""
    model = make_model("chain")
    model.graph.node[1].domain = "evil.ops"
    model.opset_import.append(onnx.helper.make_opsetid("evil.ops", 1))

    with pytest.raises(ModelError, match=r"evil\.ops"):
        opened(saved(model))


def test_functions_are_written_out(saved):
    """Where they are called, one within the other; those that nobody calls are gone."""
    model, _ = loaded(saved("functions"))

    assert [node.op_type for node in model.graph.node] == ["Relu", "Exp", "Neg", "Sin", "Exp"]
    assert not model.functions


def test_a_foreign_operator_in_a_function_that_nobody_calls_is_no_matter(saved, make_model):
    """A domain is refused only when an operator of it remains."""
    model = make_model("functions")
    (nobody,) = (function for function in model.functions if function.name == "Nobody")
    nobody.node[0].domain = "evil.ops"

    assert opened(saved(model)).weight_bytes == 0

    nobody.name = "Inner"
    model.functions.remove(next(f for f in model.functions if f.name == "Inner"))
    with pytest.raises(ModelError, match=r"evil\.ops"):
        opened(saved(model))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.ClearField("ir_version"), "says no ir_version"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "is listed twice"),
        (lambda m: m.graph.node[0].output.append("more"), "gives one output"),
    ],
)
def test_what_runtimes_refuse_is_refused(saved, make_model, change, problem):
    """Before anything is written."""
    model = make_model("constants")
    change(model)

    with pytest.raises(ModelMalformedError, match=problem):
        opened(saved(model))


def test_defaults_of_a_functions_attributes_are_kept(saved, make_model):
    """A call without the attribute means the function's own value, not the operator's."""
    model = make_model("functions")
    (inner,) = (function for function in model.functions if function.name == "Inner")
    inner.attribute_proto.append(onnx.helper.make_attribute("slope", 0.25))
    inner.node[0].op_type = "LeakyRelu"
    alpha = inner.node[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    alpha.ref_attr_name = "slope"

    flat, _ = loaded(saved(model))

    slopes = [node.attribute[0].f for node in flat.graph.node if node.op_type == "LeakyRelu"]
    assert slopes == [0.25, 0.25]


def test_a_default_holds_where_the_outer_call_leaves_it_open(saved, make_model):
    """An attribute that is only passed on, and was not given, is the inner function's own."""
    model = make_model("functions")
    inner, outer = model.functions[0], model.functions[1]
    inner.attribute_proto.append(onnx.helper.make_attribute("slope", 0.25))
    inner.node[0].op_type = "LeakyRelu"
    alpha = inner.node[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    alpha.ref_attr_name = "slope"
    outer.attribute.append("tilt")
    passed = outer.node[0].attribute.add(name="slope", type=onnx.AttributeProto.FLOAT)
    passed.ref_attr_name = "tilt"

    flat, _ = loaded(saved(model))

    slopes = [node.attribute[0].f for node in flat.graph.node if node.op_type == "LeakyRelu"]
    assert slopes == [0.25, 0.25]


def test_a_function_that_a_runtime_has_by_itself_is_left_to_it(saved, make_model):
    """Whether its operator or the model's function is meant is the runtime's to say."""
    model = make_model("chain")
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    model.functions.append(
        onnx.helper.make_function(
            "com.microsoft", "Gelu", ["p"], ["q"], [onnx.helper.make_node("Neg", ["p"], ["q"])],
            opsets,
        )
    )  # fmt: skip
    model.opset_import.append(opsets[1])
    model.graph.node[1].op_type, model.graph.node[1].domain = "Gelu", "com.microsoft"

    flat, _ = loaded(saved(model))

    assert [node.op_type for node in flat.graph.node] == [
        "MatMul",
        "Gelu",
        "MatMul",
        "Add",
        "MatMul",
    ]
    assert [function.name for function in flat.functions] == ["Gelu"]


def test_an_overload_that_calls_its_namesake_keeps_its_defaults(saved):
    """Both are written out in one go, since they have one name."""
    text = """<ir_version: 10, opset_import: ["" : 16, "own" : 1]>
        g (float[3] x) => (float[3] y) { y = own.F:two (x) }
        <domain: "own", opset_import: ["" : 16]>
        F <slope: float = 0.5> (p) => (q) { q = LeakyRelu <alpha: float = @slope> (p) }
        <domain: "own", overload: "two", opset_import: ["" : 16, "own" : 1]>
        F (p) => (r) { q = own.F (p) r = own.F (q) }"""

    flat, _ = loaded(saved(onnx.parser.parse_model(text)))

    assert [node.attribute[0].f for node in flat.graph.node] == [0.5, 0.5]
