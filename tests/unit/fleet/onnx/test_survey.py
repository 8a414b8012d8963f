"""Look at ONNX models of every kind without cutting them."""

import pytest
from onnx import TensorProto, helper

from fleet import survey as surveying
from fleet.errors import BadRequestError, UnknownFormatError
from fleet.formats import CutRequest
from fleet.split import split
from fleet.survey import SurveyRequest, survey
from wire.model.errors import ModelError

pytestmark = pytest.mark.usefixtures("in_process")

INFO = helper.make_tensor_value_info
SIX = {"N": 6}


def test_every_kind_of_model_can_be_looked_at(kind, saved):
    """There is a width before each operator and behind the last, and no operator is lost."""
    seen = survey(saved(kind), SurveyRequest())
    along = seen.along

    assert seen.operators == len(along.names) == sum(one.count for one in seen.kinds)
    assert len(along.crossing_bytes) == len(along.cuttable) == seen.operators + 1
    assert along.seconds == ()
    assert [along.crossing_bytes[place.operators] for place in seen.places] == [
        place.size_bytes for place in seen.places
    ]
    assert all(along.cuttable[place.operators] for place in seen.places)


def test_a_chain_is_told_by_work_weights_and_widths(saved):
    """Numbers are for the sizes that were asked for."""
    seen = survey(saved("chain"), SurveyRequest(dims=SIX))

    assert seen.sizes == {"x": (6, 8)}
    assert seen.opsets == {"ai.onnx": 17}
    assert seen.along.names == ("MatMul", "Relu", "MatMul", "Add", "MatMul")
    assert seen.along.crossing_bytes == tuple(4 * 6 * n for n in (8, 512, 512, 600, 600, 4))
    assert seen.along.weight_bytes == (4 * 8 * 512, 0, 4 * 512 * 600, 4 * 600, 4 * 600 * 4)
    assert seen.along.cuttable == (False, True, True, True, True, False)
    (product, *_) = seen.kinds
    assert (product.name, product.count, product.without_rule) == ("MatMul", 3, 0)
    assert product.multiply_accumulates == 6 * (8 * 512 + 512 * 600 + 600 * 4)
    assert [place.tensors for place in seen.places] == [("b",)]


def test_the_same_cuts_are_found_again_at_their_places(saved):
    """The operators of each segment stand together, whatever the file's order."""
    cuts = (("d",), ("e", "b", "d"))
    seen = survey(saved("skips"), SurveyRequest(cuts=cuts))

    assert [set(place.tensors) for place in seen.places] == [{"b", "d"}, {"b", "d", "e"}]
    assert [place.operators for place in seen.places] == [4, 5]
    assert seen.cut_space == "named"


def test_functions_that_were_written_out_are_told(saved):
    """Since the operators are not those that the file lists."""
    seen = survey(saved("functions"), SurveyRequest())

    assert "functions written out where they are called: 3" in seen.notes
    assert "own.Outer" not in seen.along.names


def test_operators_without_a_rule_are_marked(saved):
    """What counts as no work is not passed off as none."""
    seen = survey(saved("bodies"), SurveyRequest())
    without = {kind.name: kind.without_rule for kind in seen.kinds}

    assert (without["If"], without["Loop"], without["Relu"]) == (1, 1, 0)
    assert "operators without a rule, counted as no work: If (1), Loop (1)" in seen.notes


def test_a_model_is_run_only_where_inference_does_not_do(saved):
    """And the reader is told that it was."""
    run_once = "run once for its shapes: inference does not know all of them"

    assert run_once not in survey(saved("chain"), SurveyRequest()).notes
    assert run_once in survey(saved("bodies"), SurveyRequest()).notes


def test_operators_are_timed_on_demand(saved):
    """Each has a time, and so has each kind."""
    seen = survey(saved("chain"), SurveyRequest(time=True))

    assert len(seen.along.seconds) == seen.operators
    assert sum(seen.along.seconds) > 0
    assert all(kind.seconds is not None for kind in seen.kinds)
    assert all(place.time_share is not None for place in seen.places)


def test_a_split_is_looked_at_with_its_own_sizes_and_cuts(saved, tmp_path):
    """They are in its golden frames and edges; an input that nothing reads is in none."""
    model = saved("early_and_late")
    request = CutRequest(stages=2, balance="flops", dims={"N": 3})
    made = split(model, tmp_path / "parts", request)
    seen = survey(model, surveying.request_of_split(tmp_path / "parts", made))

    assert seen.sizes["x"] == (3, 8)
    crossing = [spec.name for spec in made.edges[1].tensors]
    assert [list(place.tensors) for place in seen.places] == [crossing]


def test_the_model_of_a_split_is_known_by_its_digest(saved, tmp_path):
    """A name proves nothing."""
    made = split(saved("chain"), tmp_path / "parts", CutRequest(stages=1))

    assert surveying.is_model_of(saved("chain"), made)
    assert not surveying.is_model_of(saved("old"), made)


@pytest.mark.parametrize("name", ["model.xyz", "model"])
def test_a_file_of_no_known_format_is_refused(tmp_path, name):
    """By its suffix, before it is opened."""
    with pytest.raises(UnknownFormatError, match=r"known:.*\.onnx"):
        survey(tmp_path / name, SurveyRequest())


def test_what_is_no_model_and_what_it_has_no_dimension_for_are_refused(saved, tmp_path):
    """With the errors that a split gives."""
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError):
        survey(tmp_path / "bad.onnx", SurveyRequest())
    with pytest.raises(BadRequestError, match="no such dynamic dimension"):
        survey(saved("chain"), SurveyRequest(dims={"M": 3}))


@pytest.mark.parametrize("count", [0, 1])
def test_a_graph_of_nothing_or_one_operator_has_no_place_to_cut(saved, count):
    """And the notes say why."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])] * count, "g",
        [INFO("x", TensorProto.FLOAT, [2])], [INFO("y" if count else "x", TensorProto.FLOAT, [2])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    seen = survey(
        saved(helper.make_model(graph, opset_imports=opsets, ir_version=9)), SurveyRequest()
    )
    why = ["no operator depends on an input", "only 1 operator depends on inputs"]

    assert (seen.operators, seen.places) == (count, ())
    assert seen.along.crossing_bytes == (8,) * (count + 1)
    assert seen.notes == (why[count],)
