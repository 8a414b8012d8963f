"""Cuts by time, operations and bytes; how measured times correct an estimate."""

import pytest
from onnx import helper

from fleet import measured, split_folder
from fleet.errors import NoCutError
from fleet.formats import AUTO, CutRequest
from fleet.model_graph import balance as onnx_balance
from fleet.model_graph.balance import corrected
from fleet.split import split
from tests.unit.fleet.conftest import F, model, node, value, weight

pytestmark = pytest.mark.usefixtures("in_process")


def uneven(widths):
    """Return a chain of products; the width of each says how much work it is."""
    nodes, weights, before, size = [], [], "x", 64
    for number, width in enumerate(widths):
        weights.append(weight(f"w{number}", size, width))
        nodes.append(node("MatMul", [before, f"w{number}"], [f"y{number}"]))
        before, size = f"y{number}", width
    return model(nodes, [value("x", F, (512, 64))], [value(before, F, (512, size))], weights)


def test_by_time_each_segment_is_measured(saved, tmp_path, real_children):
    """Two halves with a large product each are found, and what each took is told."""
    path = saved(uneven([64, 2048, 64, 64]))

    split(path, tmp_path / "out", CutRequest(stages=2, balance="time"))

    report = split_folder.read_report(tmp_path / "out")
    assert (report.balance, report.cuts) == ("time", (("y1",),))
    assert len(report.segment_seconds) == 2
    assert all(seconds > 0 for seconds in report.segment_seconds)


def test_what_was_measured_is_remembered(saved, tmp_path):
    """The same question gets the same cuts, and so the same digests, without a measurement."""
    path, memory = saved("skips"), tmp_path / "memory"
    request = CutRequest(stages=3, balance="time", memory=memory)
    told = []

    first = split(path, tmp_path / "a", request)
    again = split(path, tmp_path / "b", request, tell=told.append)

    assert first.digest == again.digest
    assert not any("measuring" in line for line in told)
    assert onnx_balance.RECALLED in split_folder.read_report(tmp_path / "b").notes
    reports = [split_folder.read_report(tmp_path / name) for name in "ab"]
    assert reports[0].segment_seconds == reports[1].segment_seconds


def test_measuring_again_is_possible(saved, tmp_path):
    """And another model, another number of stages, is another question."""
    path, memory = saved("skips"), tmp_path / "memory"
    told = []
    split(path, tmp_path / "a", CutRequest(stages=3, memory=memory))

    for request in (
        CutRequest(stages=3, memory=memory, remeasure=True),
        CutRequest(stages=2, memory=memory),
    ):
        split(path, tmp_path / "b", request, tell=told.append)

    assert sum("measuring" in line for line in told) >= 2


def test_a_damaged_memory_is_no_memory(tmp_path):
    """Nor is one of another version, or none at all."""
    (tmp_path / "k.json").write_text('{"schema":2,"cuts":[],"cut_space":"","seconds":[]}')
    (tmp_path / "d.json").write_bytes(b"\xff")

    assert [measured.recall(tmp_path, name) for name in "kdx"] == [None, None, None]


@pytest.mark.parametrize("balance", ["flops", "bytes"])
def test_by_operations_and_by_bytes_nothing_is_measured(saved, tmp_path, balance):
    """They follow from shapes alone: the same cuts, always."""
    path = saved(uneven([64, 64, 2048, 64, 64]))
    told = []
    request = CutRequest(stages=3, balance=balance)

    first = split(path, tmp_path / "a", request, tell=told.append)
    again = split(path, tmp_path / "b", request)

    assert first.digest == again.digest
    assert not any("measuring" in line for line in told)
    report = split_folder.read_report(tmp_path / "a")
    assert report.segment_seconds == ()
    assert report.cuts == (("y1",), ("y2",))


def test_operators_without_a_rule_are_listed(saved, tmp_path):
    """By name and number; they count as no work."""
    body = helper.make_graph([node("Relu", ["a"], ["b"])], "body", [], [value("b", F, None)])
    made = model(
        [
            node("Relu", ["x"], ["a"]),
            node("Cast", ["a"], ["yes"], to=9),
            node("ReduceMax", ["a"], ["m"], keepdims=0),
            node("Cast", ["m"], ["flag"], to=9),
            node("If", ["flag"], ["c"], then_branch=body, else_branch=body),
            node("Relu", ["c"], ["y"]),
        ],
        [value("x")],
        [value("y")],
    )

    split(saved(made), tmp_path / "out", CutRequest(stages=2, balance="flops"))

    notes = split_folder.read_report(tmp_path / "out").notes
    assert any("without a rule" in note and "If (1)" in note for note in notes)


def test_auto_takes_as_many_stages_as_help(saved, tmp_path):
    """A chain of equal parts gives many; one large operator gives few."""
    request = CutRequest(stages=AUTO, balance="flops")

    equal = split(saved(uneven([64] * 12)), tmp_path / "a", request)
    lopsided = split(saved(uneven([16, 16, 4096, 16])), tmp_path / "b", request)

    assert len(equal.segments) == 6  # of two products each: with seven, one still has two
    assert len(lopsided.segments) == 2


@pytest.mark.parametrize("balance", ["flops", "bytes", "time"])
def test_weights_fit_a_bound_in_the_fewest_segments(saved, tmp_path, balance):
    """A product with more weights than that is alone; what is made equal comes after that."""
    path = saved(uneven([64, 64, 64, 4096, 64, 64]))
    fits = 2 * 64 * 64 * 4

    made = split(
        path,
        tmp_path / "out",
        CutRequest(stages=AUTO, balance=balance, most_weight_bytes=fits),
    )

    large = 64 * 4096 * 4
    sizes = [segment.weight_bytes for segment in made.segments]
    assert sizes == [fits // 2, fits, large, large, fits // 2] or sizes == [
        fits, fits // 2, large, large, fits // 2,
    ]  # fmt: skip
    report = split_folder.read_report(tmp_path / "out")
    assert any("5 (the fewest whose weights fit in 0.0312 MiB" in note for note in report.notes)


def test_too_many_stages_are_refused_with_the_largest_number(saved, tmp_path):
    """However the cuts are balanced."""
    for chosen in ("time", "flops", "bytes"):
        with pytest.raises(NoCutError, match="at most 3 stages"):
            split(saved(uneven([64] * 3)), tmp_path / "o", CutRequest(stages=4, balance=chosen))


def test_a_measurement_corrects_its_segment_alone():
    """Costs of its operators are scaled, within bounds; what had no cost gets an equal share."""
    costs = {0: 1.0, 1: 3.0, 2: 2.0, 3: 0.0, 4: 0.0}

    made = corrected(costs, [{0, 1}, {2}, {3, 4}], [8.0, 2000.0, 1.0])

    assert made == {0: 2.0, 1: 6.0, 2: 10.0, 3: 0.5, 4: 0.5}
