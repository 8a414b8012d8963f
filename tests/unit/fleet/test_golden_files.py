"""Golden frames on disk."""

import numpy as np
import pytest

from fleet import golden_files
from wire import frame
from wire.errors import FrameError


def test_what_is_written_is_read(tmp_path):
    """Inputs and outputs, under their own names."""
    inputs, outputs = {"x": np.arange(3)}, {"x": np.ones((), bool), "y": np.float32([1.5])}

    golden_files.write(tmp_path, inputs, outputs)
    back = golden_files.read(tmp_path)

    for side, expected in zip(back, (inputs, outputs), strict=True):
        assert list(side) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(side[name], array)


def test_more_than_a_frame_takes_is_refused(tmp_path, monkeypatch):
    """When it is written, and not when a device reads it."""
    monkeypatch.setattr(frame, "MAX_FRAME_BYTES", 1000)

    with pytest.raises(FrameError, match="golden tensors"):
        golden_files.write(tmp_path, {}, {"y": np.zeros(300, np.float32)})

    assert not list(tmp_path.iterdir())
