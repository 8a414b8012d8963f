"""What an application may pass in, and the one sentence for what it may not."""

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import paceline
from paceline import arguments
from paceline.errors import BadArgumentError
from wire.errors import BadIdError, BadUrlError, CodedError
from wire.frame import NO_DEADLINE

NO_NUMBERS = ["1", None, True, 1j, [1], Decimal(1), np.ones(2), math.nan, float("nan"), object()]


@pytest.mark.parametrize("value", [1, 8, 1024, np.int64(8)])
def test_windows(value):
    """From one frame to as many as every stage remembers."""
    assert arguments.window(value) == int(value)


@pytest.mark.parametrize("value", [0, -1, 1025, 10**9, 10**30, 1.0, 8.5, math.inf, *NO_NUMBERS])
def test_no_windows(value):
    """Also truth values and whole fractions are no counts."""
    with pytest.raises(BadArgumentError, match=r"window: .* a whole number from 1 to 1024"):
        arguments.window(value)


@pytest.mark.parametrize("value", [None, "mqtt", "paho"])
def test_links(value):
    """Of those that go through the broker; the usual one where none is named."""
    assert arguments.link(value) == (value or "mqtt")


@pytest.mark.parametrize("value", ["", "tcp", "auto", "memory", 7, ["mqtt"]])
def test_no_links(value):
    """A client reaches a pipeline through the broker."""
    with pytest.raises(BadArgumentError, match=r"link: .* one of mqtt, paho, or None"):
        arguments.link(value)


@pytest.mark.parametrize("value", [None, "raw", "fp16", "int8_channel+zstd"])
def test_codecs(value):
    """Any that there is a file for, or the route's."""
    assert arguments.codec(value) == value


@pytest.mark.parametrize("value", ["", "zip", "fp16+zip", 7, b"raw", ["raw"]])
def test_no_codecs(value):
    """The sentence lists those there are."""
    with pytest.raises(BadArgumentError, match=r"codec: .* one of fp16, int8_channel"):
        arguments.codec(value)


@pytest.mark.parametrize("value", [None, 1, 0.5, 1e6, Fraction(1, 3), np.float32(2)])
def test_rates(value):
    """Any finite number above 0, or none."""
    assert arguments.rate(value) == (None if value is None else float(value))


@pytest.mark.parametrize(
    "value", [0, 0.0, -1, math.inf, -math.inf, 10**400, *(v for v in NO_NUMBERS if v is not None)]
)
def test_no_rates(value):
    """Infinity is written None."""
    with pytest.raises(BadArgumentError, match=r"rate: .* frames in a second"):
        arguments.rate(value)


@pytest.mark.parametrize("value", [1, 0.001, 3600, np.float64(1.5), arguments.LONGEST_SECONDS])
def test_times(value):
    """Their milliseconds fit into a frame, and are not taken for 'no deadline'."""
    assert arguments.seconds("deadline_seconds", value) == float(value)
    assert arguments.seconds("deadline_seconds", value) * 1000 < NO_DEADLINE


@pytest.mark.parametrize("value", [0, -1, 1e12, math.inf, -math.inf, 10**400, *NO_NUMBERS])
def test_no_times(value):
    """Each is told by its name."""
    with pytest.raises(
        BadArgumentError, match=r"deadline_seconds: .* seconds, above 0 and at most"
    ):
        arguments.seconds("deadline_seconds", value)


def test_a_time_that_may_be_none():
    """Zero is allowed where it means: do not wait."""
    assert arguments.seconds("timeout_seconds", 0, zero=True) == 0.0
    with pytest.raises(BadArgumentError, match="from 0"):
        arguments.seconds("timeout_seconds", -1, zero=True)


def test_frames_may_come_from_anything_that_can_be_iterated_over():
    """An iterator is taken as it is."""
    source = iter([1])

    assert arguments.frames(source) is source
    assert list(arguments.frames(range(2))) == [0, 1]


@pytest.mark.parametrize("value", [3, None, object(), {"x": [1.0]}])
def test_no_frames(value):
    """One frame's mapping is not many frames: ``pipeline.run`` takes it."""
    with pytest.raises(BadArgumentError, match=r"frames: .* for each frame"):
        arguments.frames(value)


@pytest.mark.parametrize("value", ["m.onnx", Path("m.onnx")])
def test_paths(value):
    """Text and paths."""
    assert arguments.path("model", value) == Path("m.onnx")


@pytest.mark.parametrize("value", ["", None, 3, b"m.onnx", ["m.onnx"]])
def test_no_paths(value):
    """An empty one would be the folder we are in."""
    with pytest.raises(BadArgumentError, match=r"model: .* a path"):
        arguments.path("model", value)


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), (name for name in "ab")])
def test_devices(value):
    """A list, or what can become one."""
    assert arguments.devices(value) == ("a", "b")


@pytest.mark.parametrize("value", ["pi-1", [], None, 3, {"a": "b"}, b"ab"])
def test_no_devices(value):
    """One name alone is no list: it would be a device for each letter."""
    with pytest.raises(BadArgumentError, match=r"devices: .* such as \['pi-1', 'pi-2'\]"):
        arguments.devices(value)


@pytest.mark.parametrize("value", [["A B"], [3], [None], [b"a"]])
def test_devices_have_ids(value):
    """They become parts of topics."""
    with pytest.raises(BadIdError):
        arguments.devices(value)


@pytest.mark.parametrize("value", [0, -1, 1023, 1.5, True, "4096", math.nan])
def test_no_packets(value):
    """Below 1 KiB nothing fits into one."""
    with pytest.raises(BadArgumentError, match="max_packet_bytes"):
        arguments.packet_bytes(value)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"url": 123}, BadUrlError),
        ({"url": b"mqtt://user:secret@host"}, BadUrlError),
        ({"url": ""}, BadUrlError),
        ({"url": "http://x"}, BadUrlError),
        ({"url": "mqtt://x:99999"}, BadUrlError),
        ({"site": 5}, BadIdError),
        ({"root": "A B"}, BadIdError),
        ({"access": ("me", "secret")}, BadArgumentError),
        ({"max_packet_bytes": "1M"}, BadArgumentError),
        ({"timeout_seconds": "soon"}, BadArgumentError),
        ({"timeout_seconds": 0}, BadArgumentError),
    ],
)
def test_connecting_with_what_cannot_be_understood(given, error):
    """Told before anything is started, without what may be secret."""
    with pytest.raises(error) as raised:
        paceline.connect(**given)

    assert "secret" not in str(raised.value)
    assert raised.value.exit_code == 3


def test_a_bad_argument_is_a_value_error_too():
    """An application that catches what Python raises catches it; its sentence stays short."""
    error = BadArgumentError("frames", list(range(10**6)), "frames")

    assert isinstance(error, ValueError)
    assert isinstance(error, CodedError)
    assert len(str(error)) < 200
