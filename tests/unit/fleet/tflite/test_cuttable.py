"""What cannot be parted is refused by name, before anything is run or written."""

import pytest

from fleet.formats import CutRequest, for_model
from fleet.split import split
from fleet.survey import SurveyRequest, survey
from fleet.tflite.errors import NotCuttableError
from tests.fixtures import tflite_graphs, tflite_models
from tests.fixtures.tflite_builder import TfliteModel
from tests.fixtures.tflite_graphs import WIDTH


def with_operator(kind):
    """Return a model with one more operator, whose result is an output."""
    model = tflite_graphs.batched()
    y = tflite_graphs.plain(model, kind, "z", model.graph.outputs[0])
    model.graph.outputs = [y]
    return model


def with_variable():
    """Return a model whose SVDF keeps what it saw before in a variable."""
    model = TfliteModel()
    x, y = model.tensor("x", (1, WIDTH)), model.tensor("y", (1, WIDTH))
    feature = model.constant("feature", tflite_graphs.weights(1, WIDTH, WIDTH))
    time = model.constant("time", tflite_graphs.weights(2, WIDTH, 2))
    state = model.tensor("state", (1, 2 * WIDTH))
    model.graph.tensors[state].isVariable = True
    model.operator("SVDF", [x, feature, time, -1, state], [y], kind="SVDF", rank=1)
    model.graph.inputs, model.graph.outputs = [x], [y]
    return model


def with_two_graphs():
    """Return a model with two graphs, which nothing in it connects."""
    model = tflite_graphs.batched()
    model.made.subgraphs = [model.graph, model.graph]
    return model


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (with_operator("VAR_HANDLE"), r"keeps state between frames, by VAR_HANDLE \(1\)"),
        (with_operator("CALL_ONCE"), r"keeps state between frames, by CALL_ONCE \(1\)"),
        (with_operator("IF"), r"runs other graphs of the file, by IF \(1\)"),
        (with_operator("WHILE"), r"runs other graphs of the file, by WHILE \(1\)"),
        (with_variable(), r"keeps state between frames, by SVDF \(1\)"),
        (with_two_graphs(), "holds 2 graphs"),
    ],
    ids=["handle", "once", "if", "while", "variable", "graphs"],
)
def test_it_is_refused_by_name(model, named, saved, tmp_path):
    """Whoever asks hears what it is, and what to do instead."""
    path = saved(model)

    with pytest.raises(NotCuttableError, match=named) as refused:
        split(path, tmp_path / "out", CutRequest(stages=2))
    with pytest.raises(NotCuttableError, match=named):
        survey(path, SurveyRequest())

    assert (refused.value.code, refused.value.exit_code) == ("model.not_cuttable", 3)
    assert not (tmp_path / "out").exists()


def test_a_compiled_model_is_explained(tmp_path):
    """Its operators are one by now; the model before the compiler is what can be cut."""
    path = tmp_path / "m_edgetpu.tflite"
    path.write_bytes(tflite_models.compiled())

    with pytest.raises(NotCuttableError, match="compiled for a Coral Edge TPU") as refused:
        for_model(path).identify(path)

    assert "edgetpu-custom-op" in str(refused.value)
    assert "cut the model that it was made from" in str(refused.value)


def test_variables_of_no_operator_are_named(saved):
    """By the tensor, since no operator tells."""
    model = tflite_graphs.batched()
    model.graph.tensors[model.tensor("kept", (1, WIDTH))].isVariable = True
    path = saved(model)

    with pytest.raises(NotCuttableError, match="by the tensor 'kept'"):
        for_model(path).identify(path)
