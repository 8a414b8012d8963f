"""The golden frame: exact for whole numbers, within the tolerance for the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.runtimes.identity import IdentityRuntime
from agent.worker.warmup import GoldenFrameError, difference, warm_up
from wire import codecs, frame, golden
from wire.manifest import Tolerance

WITHIN = Tolerance(absolute=0.1, relative=0.01)


def f32(*values):
    """Return a float32 array."""
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("got", "wanted", "gap"),
    [
        (f32(1, 2), f32(1, 2), 0.0),
        (f32(1.05, 2), f32(1, 2), 0.05),
        (f32(100.9), f32(100), 0.9),
        (f32(np.nan, np.inf, -np.inf), f32(np.nan, np.inf, -np.inf), 0.0),
        (f32(), f32(), 0.0),
        (np.array([1, 2]), np.array([1, 2]), 0.0),
        (np.array(True), np.array(True), 0.0),
        (np.float16([1.05]), np.float16([1]), 0.05),
    ],
)
def test_within_the_tolerance(got, wanted, gap):
    """|a - b| <= absolute + relative * |b| for each element; NaN is equal to NaN."""
    assert difference("y", got, wanted, WITHIN) == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize(
    ("got", "wanted", "problem"),
    [
        (None, f32(1), "did not come out"),
        (f32(1.2), f32(1), "1 of 1 elements"),
        (f32(1, 5), f32(1, 1), "1 of 2 elements differ by up to 4"),
        (f32(np.nan), f32(1), "1 of 1"),
        (f32(1), f32(np.nan), "1 of 1"),
        (f32(np.inf), f32(-np.inf), "1 of 1"),
        (f32(1), f32(1, 1), r"is float32\[1\] .expected float32\[2\]"),
        (np.array([1.0]), f32(1), "is float64"),
        (np.array([1]), np.array([2]), "expected to be equal"),
    ],
)
def test_beyond_it(got, wanted, problem):
    """Missing, another shape or type, or too far: refused, and the sentence says how."""
    with pytest.raises(GoldenFrameError, match=problem):
        difference("y", got, wanted, WITHIN)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16])
def test_quantised_elements_may_be_some_steps_off(kind):
    """Accelerators round in other places; how far they may be off came with the segment."""
    got, wanted = np.array([5, 100, 7], kind), np.array([5, 99, 9], kind)

    assert difference("y", got, wanted, WITHIN, quanta=2) == 2.0
    with pytest.raises(GoldenFrameError, match=r"by up to 2 steps \(at most 1\)"):
        difference("y", got, wanted, WITHIN, quanta=1)


def test_other_whole_numbers_are_exact_all_the_same():
    """A class or an index is no quantised value."""
    with pytest.raises(GoldenFrameError, match="expected to be equal"):
        difference("y", np.array([1], np.int32), np.array([2], np.int32), WITHIN, quanta=2)


@given(st.lists(st.floats(width=32), min_size=1, max_size=5))
def test_an_array_equals_itself(values):
    """Whatever is in it, with no tolerance at all."""
    array = f32(*values)

    assert difference("y", array, array.copy(), Tolerance(absolute=0.0, relative=0.0)) == 0.0


def written(folder, inputs, outputs):
    """Write a golden frame."""
    made = golden.join(codecs.tensors(inputs), codecs.tensors(outputs))
    data = b"".join(memoryview(b).cast("B") for b in frame.encode(made))
    (folder / golden.FILE_NAME).write_bytes(data)
    return data


def test_the_golden_frame_is_run(tmp_path):
    """Its inputs go in, its outputs are compared, and the largest difference is told."""
    written(tmp_path, {"x": f32(1, 2)}, {"x": f32(1, 2.05)})

    assert warm_up(IdentityRuntime().run, tmp_path, WITHIN) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("damage", ["missing", "cut", "noise", "no output"])
def test_a_golden_frame_that_cannot_be_read(tmp_path, damage):
    """Then nothing is proved, and the segment does not serve."""
    data = written(tmp_path, {"x": f32(1)}, {"x": f32(1)})
    path = tmp_path / golden.FILE_NAME
    match damage:
        case "missing":
            path.unlink()
        case "cut":
            path.write_bytes(data[:-1])
        case "noise":
            path.write_bytes(b"noise" * 50)
        case _:
            written(tmp_path, {"x": f32(1)}, {})

    with pytest.raises(GoldenFrameError, match="cannot be read"):
        warm_up(IdentityRuntime().run, tmp_path, WITHIN)
