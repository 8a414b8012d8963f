"""Splits to verify: as they were written, or with a segment changed behind our back."""

import zlib

import numpy as np
import onnx
import pytest

from fleet.formats import CutRequest
from fleet.split import split
from tests.unit.fleet.verify.models import describe_again


@pytest.fixture
def cut(saved, tmp_path, in_process):
    """Split a model, given or by its kind; returns the model's path and the folder.

    Models run in this process, but for tests that ask for `real_children`.
    """

    def made(what, **request):
        path = saved(what)
        split(path, tmp_path / "out", CutRequest(**{"balance": "flops", **request}))
        return path, tmp_path / "out"

    return made


@pytest.fixture
def forge():
    """Change a segment's model by a function, and its digests in the manifest."""

    def forged(folder, name, change):
        path = folder / "segments" / name / "segment.onnx"
        segment = onnx.load(path, load_external_data=False)
        change(segment)
        path.write_bytes(segment.SerializeToString())
        describe_again(folder, name)

    return forged


@pytest.fixture
def examples(tmp_path):
    """Write examples of the model `skips` into a folder, by name and picture size."""

    def written(**sizes):
        folder = tmp_path / "examples"
        folder.mkdir()
        for name, shape in sizes.items():
            seeded = np.random.default_rng(zlib.crc32(name.encode()))
            np.savez(folder / f"{name}.npz", x=seeded.random((1, 3, *shape), np.float32))
        return folder

    return written
