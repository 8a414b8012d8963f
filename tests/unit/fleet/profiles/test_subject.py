"""Models made ready to be measured."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet.errors import BadRequestError, UnknownFormatError
from fleet.formats import CutRequest
from fleet.profiles import subject
from fleet.profiles.subject import ProfileRequest
from fleet.split import split
from fleet.survey import SurveyRequest, survey


@pytest.fixture
def model(tmp_path):
    """A model with an operator on weights alone: y = relu(x @ (w + w)) @ w."""
    floats = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")
    ]
    nodes = [
        helper.make_node("Add", ["w", "noise"], ["ww"]),
        helper.make_node("MatMul", ["x", "ww"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.eye(4, dtype=np.float32), n) for n in ("w", "noise")]
    graph = helper.make_graph(nodes, "g", floats[:1], floats[1:], weights)
    file = tmp_path / "m.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, file)
    return file


def test_a_model_is_one_part_with_its_operators(model, tmp_path):
    """By what they write, in the order of the part's file, with the sizes it is run with."""
    made = subject.prepared(
        ProfileRequest(model=model, dims={"N": 3}), tmp_path / "parts", lambda _: None
    )
    (part,) = made.parts
    moving = [one.writes for one in part.operators if not one.constant]

    assert made.sizes == {"x": (3, 4)}
    assert moving == ["a", "b", "y"]
    assert survey(model, SurveyRequest(dims={"N": 3})).along.writes == ("a", "b", "y")
    assert made.manifest.model.sha256 == subject.identified(model).sha256


def test_parts_hold_all_operators_between_them(model, tmp_path):
    """Each once, whatever is computed from weights."""
    made = subject.prepared(
        ProfileRequest(model=model, parts=2), tmp_path / "parts", lambda _: None
    )
    moving = [one.writes for part in made.parts for one in part.operators if not one.constant]

    assert len(made.parts) == 2
    assert moving == ["a", "b", "y"]
    assert set(made.sizes) == {"x"}


def test_a_split_is_measured_as_it_is(model, tmp_path):
    """Its segments are the parts; what a split says itself cannot be asked for."""
    split(model, tmp_path / "cut", CutRequest(stages=2, balance="bytes"))
    request = ProfileRequest(model=tmp_path / "cut")
    made = subject.prepared(request, tmp_path / "unused", lambda _: None)

    assert subject.split_of(ProfileRequest(model=model)) is None
    assert subject.split_of(request).digest == made.manifest.digest
    assert [part.segment.name for part in made.parts] == ["00-head", "01-tail"]
    assert made.folder == tmp_path / "cut"
    assert not (tmp_path / "unused").exists()
    for option in ({"dims": {"N": 2}}, {"parts": 2}, {"example": model}):
        with pytest.raises(BadRequestError):
            subject.split_of(ProfileRequest(model=tmp_path / "cut", **option))


def test_what_a_profile_depends_on(model, tmp_path):
    """Sizes, parts, and the content of an example: not its name."""
    example = tmp_path / "a.npz"
    example.write_bytes(b"1")
    same = tmp_path / "b.npz"
    same.write_bytes(b"1")
    samples = [
        subject.sample_of(ProfileRequest(model=model, **given))
        for given in ({}, {"dims": {"N": 2}}, {"parts": 2}, {"example": example}, {"example": same})
    ]

    assert len(set(samples)) == 4
    assert samples[3] == samples[4]
    for given in ({"example": tmp_path / "none"}, {"example": example, "dims": {"N": 2}}):
        with pytest.raises(BadRequestError):
            subject.sample_of(ProfileRequest(model=model, **given))
    with pytest.raises(UnknownFormatError):
        subject.identified(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("size", "memory", "parts"),
    [(10, 1000, 1), (100, 600, 1), (101, 600, 2), (1000, 600, 10), (1 << 40, 1, 64), (5, 0, 1)],
)
def test_a_model_is_divided_as_memory_asks_for(size, memory, parts):
    """Loading takes three times its weights, and half of the memory is others'."""
    assert subject.fitting_parts(size, memory) == parts
