"""Messages between supervisor and worker: whole, typed, bounded, in any slices."""

import itertools
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import channel
from agent.channel import ChannelError, Inflow
from wire.manifest import File
from wire.messages import Assignment, Contract, Reason
from wire.telemetry import StageCounts, StageLatency
from wire.tensors import TensorSpec

SPEC = TensorSpec(name="x", dtype=1, shape=("N", 3))
LOAD = channel.Load(
    device="d1", site="s", root="r", folder=Path("/store/abc"), threads=2, weights="mapped",
    inbox_frames=4, inbox_bytes=1 << 20, max_frame_bytes=1 << 20, memory_bytes=None,
    broker=channel.BrokerAccess(url="mqtt://h", password_file=Path("/run/secret")),
    assignment=Assignment(
        pipeline="p", generation=7, stage=1, segment="s", format="onnx", runtime="identity",
        files=(File(name="segment.onnx", sha256="0" * 64, size_bytes=3),),
        contract=Contract(receives=(SPEC,), sends=(SPEC,), inputs=(SPEC,), outputs=(SPEC,)),
    ),
)  # fmt: skip
LATENCY = StageLatency(
    pipeline="p", generation=7, stage=1, instance=(1 << 63) - 1,
    counts=StageCounts(refused={"link.lost": (1 << 53) - 1}), histograms={"run": {"count": 1}},
)  # fmt: skip
LOST = Reason(code="accelerator.lost", message="the stick is gone")
ORDERS = [
    LOAD,
    msgspec.structs.replace(LOAD, without=LOST),
    channel.WarmUp(),
    channel.OpenInput(),
    channel.UseAccelerator(),
    channel.CloseInput(),
]
REPORTS = [
    channel.Beat(),
    channel.Loaded(runtime="identity", seconds=0.5),
    channel.Warmed(seconds=0.5, max_abs_diff=float("nan")),
    channel.Opened(),
    channel.Using(runtime="tflite_cpu", accelerator="cpu", degraded=LOST),
    channel.Drained(),
    channel.Failed(code="a.b", message="no"),
    channel.Stats(latency=LATENCY),
]


def slices(data, cuts):
    """Return ``data`` cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_orders_come_out_as_they_went_in(cuts):
    """However the bytes are sliced, paths and nested structs included."""
    inflow = Inflow()
    data = b"".join(channel.encode(order) for order in ORDERS)

    got = [order for piece in slices(data, cuts) for order in inflow.orders(piece)]

    assert got == ORDERS
    assert isinstance(got[0].folder, Path)


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_reports_come_out_as_they_went_in(cuts):
    """The same for the other direction."""
    inflow = Inflow()
    data = b"".join(channel.encode(report) for report in REPORTS)

    got = [report for piece in slices(data, cuts) for report in inflow.reports(piece)]

    assert [channel.encode(r) for r in got] == [channel.encode(r) for r in REPORTS]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"type": "Beat"}), b"\xff" * 10),
        b"\x81\xa4type\xa4Be\xd3t",
    ],
    ids=["nothing", "never", "untagged", "report", "noise", "no text"],
)
def test_what_is_no_order_is_refused(body):
    """Bytes that are no order of ours are an error, not an exception of the decoder."""
    with pytest.raises(ChannelError):
        list(Inflow().orders(struct.pack("<I", len(body)) + body))


def test_a_report_that_announces_too_much_is_refused_at_once():
    """Nothing is gathered for a message larger than any of ours."""
    with pytest.raises(ChannelError, match="bytes"):
        list(Inflow().reports(struct.pack("<I", channel.MAX_MESSAGE_BYTES + 1)))


@given(st.binary(max_size=200))
def test_noise_is_refused_or_waited_for(data):
    """Any bytes: messages, an error with our code, or waiting for more."""
    try:
        got = list(Inflow().reports(data))
    except ChannelError:
        return

    assert all(isinstance(report, msgspec.Struct) for report in got)


def test_the_pair_is_connected():
    """What one end sends the other receives; closing one ends the other's stream."""
    ours, theirs = channel.socket_pair()
    with ours, theirs:
        ours.sendall(b"hello")
        ours.close()

        assert (theirs.recv(10), theirs.recv(10)) == (b"hello", b"")
