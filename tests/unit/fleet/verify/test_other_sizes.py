"""Other sizes of dynamic dimensions: those that the whole model takes, the segments take too."""

import pytest

from fleet.errors import OutputsDifferError
from fleet.verify import VerifyRequest, verify
from tests.unit.fleet.verify.models import dense, fixed_batch

THREE = VerifyRequest(sizes=3)


def fixed(tensor, size):
    """Return a change that lets a segment take one size of an input's first dimension."""

    def change(segment):
        for given in segment.graph.input:
            if given.name == tensor:
                given.type.tensor_type.shape.dim[0].Clear()
                given.type.tensor_type.shape.dim[0].dim_value = size

    return change


def sizes_of(report):
    """Return the sizes of all cases."""
    return [case.sizes for case in report.cases]


def test_three_sizes_are_verified(cut, real_children):
    """Those of the golden frames, and two others, in the same sessions."""
    _, folder = cut("skips", stages=2, dims={"H": 64, "W": 10})
    runs = []
    report = verify(folder, None, THREE, runs.append)

    assert sizes_of(report) == [{"H": 64, "W": 10}, {"H": 96, "W": 11}, {"H": 32, "W": 5}]
    assert [case.name for case in report.cases] == ["golden frames", "other sizes", "other sizes"]
    assert report.bit_equal
    assert report.notes == ()
    assert len(runs) == 2 + 6


def test_a_model_of_one_size_is_run_with_it(cut):
    """There is nothing to vary."""
    _, folder = cut(fixed_batch(length=5, batch=1), stages=1)

    assert sizes_of(verify(folder, None, THREE)) == [{}]


def test_a_size_that_the_model_itself_does_not_take_is_no_failure(cut):
    """It is said with the runtime's reason."""
    _, folder = cut(fixed_batch(length=5), stages=1)
    report = verify(folder, None, THREE)

    assert report.passes
    assert sizes_of(report) == [{"N": 1}]
    assert [note.partition(" (")[0] for note in report.notes] == [
        "N=2: the whole model does not run",
        "N=3: the whole model does not run",
    ]
    assert "Concat" in report.notes[0]
    assert report.notes[0].endswith("; skipped")


def test_the_other_dimensions_are_varied_alone(cut):
    """What does not run stays as it was, and is not tried again."""
    _, folder = cut(fixed_batch(), stages=1, dims={"L": 64})
    report = verify(folder, None, THREE)

    assert report.passes
    assert sizes_of(report) == [{"N": 1, "L": 64}, {"N": 1, "L": 96}, {"N": 1, "L": 32}]
    assert len(report.notes) == 1
    assert report.notes[0].startswith("N=2 L=96: the whole model does not run (Concat")
    assert report.notes[0].endswith("; ran with N=1")


def test_a_size_that_only_the_segments_do_not_take_is_a_failure(cut, forge):
    """The error names the segment, the size and the runtime's reason; the others are verified."""
    path, folder = cut(dense(), at=("b",))
    forge(folder, "01-tail", fixed("b", 1))

    with pytest.raises(OutputsDifferError) as refused:
        verify(folder, path, THREE)

    report = refused.value.report
    assert [case.passes for case in report.cases] == [True, False, False]
    assert [case.stopped and case.stopped.segment for case in report.cases] == [
        None, "01-tail", "01-tail",
    ]  # fmt: skip
    assert "of stage 1 (01-tail) never comes: the segment does not run" in str(refused.value)
    assert "Got: 2 Expected: 1" in str(refused.value)
    assert "(with N=2)" in str(refused.value)
