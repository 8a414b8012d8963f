"""Reading models from outside: external weights, Constant operators, what is refused."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fleet.onnx import source as onnx_source
from wire.model.errors import ExternalDataError, ModelError, ModelMalformedError


def weights(model):
    """Return the initializers as arrays."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def external(saved, kind="chain", **options):
    """Save a model with its weights beside it."""
    defaults = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    return saved(kind, **defaults | options)


@pytest.mark.parametrize("options", [{}, {"all_tensors_to_one_file": False, "location": None}])
def test_weights_beside_the_model_are_taken_in(saved, make_model, options):
    """The loaded model needs no other file, and is the one that was saved."""
    path = external(saved, **options)

    loaded = onnx_source.load(path).model

    for name, array in weights(make_model("chain")).items():
        assert weights(loaded)[name].tobytes() == array.tobytes()
    assert all(t.data_location == TensorProto.DEFAULT for t in loaded.graph.initializer)


def test_weights_of_constants_in_bodies_are_taken_in(saved, make_model):
    """Wherever a reference may stand, it is followed, within the model's folder."""
    path = external(saved, "constants", convert_attribute=True)

    loaded = onnx_source.load(path).model

    original = numpy_helper.to_array(make_model("constants").graph.node[0].attribute[0].t)
    np.testing.assert_array_equal(weights(loaded)["w"], original)


def test_constant_operators_become_weights(saved):
    """In each of the forms that Constant has; the operators are gone."""
    loaded = onnx_source.load(saved("constants")).model

    assert {name: array.shape for name, array in weights(loaded).items()} == {
        "w": (8, 64),
        "two": (),
        "axes": (1,),
    }
    assert weights(loaded)["two"] == np.float32(2)
    assert "Constant" not in {node.op_type for node in loaded.graph.node}


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

    assert onnx_source.load(path).ref.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


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
        onnx_source.load(path)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x08\x09", bytes(100)])
def test_what_is_no_model_is_refused(tmp_path, content):
    """Empty, garbage, or without a graph."""
    path = tmp_path / "m.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelMalformedError, match=r"m\.onnx"):
        onnx_source.load(path)


def test_a_truncated_model_is_refused(saved):
    """Wherever it ends early."""
    path = saved("chain")
    whole = path.read_bytes()
    for size in range(1, len(whole), len(whole) // 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            onnx_source.load(path)


def test_a_missing_model_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be opened"):
        onnx_source.load(tmp_path / "none.onnx")


def test_an_unknown_domain_is_refused(saved, make_model):
    """Operators that would need foreign code are named, before anything runs."""
    model = make_model("chain")
    model.graph.node[1].domain = "evil.ops"
    model.opset_import.append(onnx.helper.make_opsetid("evil.ops", 1))

    with pytest.raises(ModelError, match=r"evil\.ops"):
        onnx_source.load(saved(model))
