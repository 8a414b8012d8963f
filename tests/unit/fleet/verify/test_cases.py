"""What a split is run with."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto

from fleet.compare import HALF
from fleet.errors import BadExampleError, DamagedSplitError
from fleet.verify import cases
from fleet.verify.cases import Case
from fleet.verify.runs import Runs
from fleet.verify.subject import opened
from tests.unit.fleet.conftest import model, node, value
from tests.unit.fleet.verify.models import dense, describe_again
from wire.manifest import Tolerance

SMALL = {"H": 8, "W": 8}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1, 1, 1], [[1, 1, 1]]),
        ([200, 56, 1], [[200, 56], [1]]),
        ([300, 1, 300], [[300], [1], [300]]),
        ([], []),
    ],
)
def test_what_is_in_memory_together_is_bounded(sizes, expected):
    """In order; one case alone may be larger."""
    made = [Case(str(n), {}, {}, dict, size) for n, size in enumerate(sizes)]

    found = cases.groups(made, lambda case: case.size_bytes * (1 << 20))

    assert [[case.size_bytes for case in group] for group in found] == expected


def test_inputs_are_those_of_the_golden_frames(cut):
    """Those that no segment reads are made up, with the sizes of the others."""
    _, folder = cut("early_and_late", at=("a",), dims={"N": 5})

    found = opened(folder, None).golden_inputs()

    assert {name: array.shape for name, array in found.items()} == {
        "x": (5, 8), "late": (5, 8), "unread": (5,),
    }  # fmt: skip


def test_examples_are_checked_and_not_kept(cut, examples):
    """Each is read again when it is run."""
    _, folder = cut("skips", stages=1, dims=SMALL)
    place = examples(a=(9, 8))
    (case,) = cases.of_examples(opened(folder, None), [place / "a.npz"])

    assert (case.name, case.sizes, case.size_bytes) == ("a.npz", {"H": 9, "W": 8}, 4 * 3 * 72)
    np.savez(place / "a.npz", x=np.zeros((1, 3, 2, 2), np.float32))
    assert case.load()["x"].shape == (1, 3, 2, 2)
    (place / "a.npz").write_bytes(b"junk")
    with pytest.raises(BadExampleError, match=r"a\.npz"):
        case.load()


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_damaged_golden_frames_are_named(cut, content):
    """Also where the manifest was made to agree with them, or does not list them."""
    _, folder = cut("skips", stages=1, dims=SMALL)
    path = folder / "segments" / "00-whole" / "golden.frame"
    path.unlink() if content is None else path.write_bytes(content)
    describe_again(folder, "00-whole")

    with pytest.raises(DamagedSplitError, match=r"golden\.frame"):
        opened(folder, None).golden_inputs()


def test_golden_frames_of_other_tensors_are_refused(cut, tmp_path):
    """A frame that holds something else would be compared with something else."""
    _, folder = cut("skips", stages=2, dims=SMALL)
    head, tail = (folder / "segments" / name for name in ("00-head", "01-tail"))
    (head / "golden.frame").write_bytes((tail / "golden.frame").read_bytes())
    describe_again(folder, "00-head")

    with pytest.raises(DamagedSplitError, match=r"golden\.frame: holds no tensors \['x'\]"):
        opened(folder, None).golden_inputs()


def test_files_are_checked_first(cut):
    """A changed file is named, and nothing is run."""
    _, folder = cut("skips", stages=1, dims=SMALL)
    with (folder / "segments" / "00-whole" / "weights.bin").open("ab") as file:
        file.write(b"x")

    with pytest.raises(DamagedSplitError, match=r"weights\.bin"):
        opened(folder, None)


def test_the_tolerance_is_the_models_or_the_golden_frames(cut):
    """Golden frames were made plainly: what a device may differ by is in the manifest."""
    path, folder = cut("skips", stages=1, dims=SMALL)
    subject = opened(folder, path)

    assert subject.tolerance.absolute == 1e-5
    found, said = replace(subject, whole=None).tolerance, subject.manifest.segments[0].tolerance
    assert (found.absolute, found.relative, found.quanta) == (said.absolute, said.relative, 0)


def test_float16_is_rounded_at_cuts_alone(cut):
    """What comes in or goes out as float16 has its tolerance, and its bits have to be equal."""
    path, folder = cut("half", stages=1)
    whole = opened(folder, path)
    _, folder = cut("half", stages=2)
    halves = opened(folder, path)

    assert (whole.half, halves.half) == (False, True)
    assert whole.tolerance == halves.tolerance == HALF


def test_each_cut_that_rounds_brings_its_own_tolerance(cut):
    """Errors of several roundings add up."""
    halves = [[f"t{n}", f"t{n + 1}"] for n in range(3)]
    made = model(
        [node("Sin", [given], [taken]) for given, taken in halves],
        [value("t0", TensorProto.FLOAT16, [4])],
        [value("t3", TensorProto.FLOAT16, [4])],
    )
    path, folder = cut(made, at=("t1", "t2"))

    assert opened(folder, path).tolerance == Tolerance(absolute=2e-3, relative=1e-2)


def test_sizes_that_take_too_long_are_said_to(cut, real_children):
    """A model that never ends with another size is not the split's fault."""
    path, folder = cut(dense(), stages=1)
    subject = opened(folder, path)
    runs = Runs(subject, limit_seconds=0.01)

    found = cases.of_other_sizes(subject, subject.golden_inputs(), runs, 1)

    assert found.cases == ()
    assert found.notes == ("N=2: the whole model does not run (no end after 0.01 s); skipped",)
