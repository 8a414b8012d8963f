"""Whether the wall clock is believed."""

import ctypes

from agent import clock


def test_it_is_as_the_kernel_says():
    """TIME_ERROR (5) is a clock that nobody keeps."""
    buffer = ctypes.create_string_buffer(208)
    state = ctypes.CDLL(None).adjtimex(buffer)

    assert clock.believed() == (state != 5)


def test_without_the_kernels_word_it_is_timesyncd_s(tmp_path, monkeypatch):
    """A unit with ProtectClock= may not ask: then the file counts."""

    class Denied:
        def adjtimex(self, _):
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Denied())
    file = tmp_path / "synchronized"
    before = clock.believed(file)
    file.touch()

    assert (before, clock.believed(file)) == (False, True)
