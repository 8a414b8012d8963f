"""Which tensor comes to which input."""

import pytest

from fleet.compose.contract import Contract
from fleet.compose.errors import UnmatchedError
from fleet.compose.matching import pairs


def contracts(stage, *names):
    """Return contracts of these names."""
    return tuple(
        Contract(stage=stage, format="onnx", name=name, dtype=1, shape=(1, 2)) for name in names
    )


def matched(wanted, given, earlier=()):
    """Return who comes to whom, and how that was found."""
    return [
        ((pair.made.stage, pair.made.name), pair.wanted.name, pair.by)
        for pair in pairs(wanted, given, earlier)
    ]


def test_names_win_over_the_order():
    """Tensors that are named alike belong together wherever they stand."""
    found = matched(contracts(1, "a", "b"), contracts(0, "b", "a"))

    assert found == [((0, "a"), "a", "name"), ((0, "b"), "b", "name")]


@pytest.mark.parametrize(
    ("made", "wanted"), [("pool", "pool:0"), ("serving_default_x:0", "x"), ("x:0", "x")]
)
def test_what_exporters_add_to_a_name_is_no_difference(made, wanted):
    """ONNX and TFLite files of one model spell its tensors differently."""
    assert matched(contracts(1, wanted), contracts(0, made)) == [((0, made), wanted, "name")]


def test_an_exact_name_wins_over_an_alike_one():
    """`x` is `x`, and `x:0` the other one."""
    found = matched(contracts(1, "x", "x:0"), contracts(0, "x:0", "x"))

    assert [(made[1], wanted) for made, wanted, _ in found] == [("x", "x"), ("x:0", "x:0")]


def test_other_names_are_matched_in_order():
    """Whole models rarely know each other's names."""
    found = matched(contracts(1, "in1", "in2"), contracts(0, "out1", "out2"))

    assert found == [((0, "out1"), "in1", "position"), ((0, "out2"), "in2", "position")]


def test_the_pipelines_input_is_no_match_while_something_comes():
    """Two models that both call their input `x` stand behind each other, not beside."""
    found = matched(contracts(1, "x"), contracts(0, "y"), contracts(-1, "x"))

    assert found == [((0, "y"), "x", "position")]


def test_tensors_are_passed_on_by_name():
    """A skip connection comes from an earlier stage, or from the pipeline's input."""
    found = matched(
        contracts(2, "t", "skip", "mask"),
        contracts(1, "t"),
        (*contracts(0, "skip"), *contracts(-1, "mask")),
    )

    assert [made for made, _, _ in found] == [(1, "t"), (0, "skip"), (-1, "mask")]


def test_a_tensor_that_nothing_comes_to_is_named_with_what_comes():
    """Both sides stand in the error."""
    with pytest.raises(UnmatchedError, match=r"stage 1 \(onnx\) 'b'.*nothing that is not taken"):
        pairs(contracts(1, "a", "b"), contracts(0, "a"))
