"""What is fuzzed: for each target its seeds, and what must hold for any bytes at all.

A reader answers with a value or with its named error; whatever else comes out of it is a find.
Where another reader knows the same format, both must see the same.
"""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, numpy_helper

from agent import channel
from agent.admission import Admission
from agent.config import source as config_source
from agent.config.errors import ConfigError
from fleet.fleet_file import reading as fleet_reading
from fleet.profiles.pages import Pages
from scripts.fuzzing.frames import FRAME_BYTES, one_frame
from tests.fixtures.tflite_builder import chain, quantised
from tests.unit.fleet.conftest import MODELS
from wire import (
    broker_url,
    chunk,
    codec_names,
    codecs,
    frame,
    manifest,
    messages,
    samples,
    signing,
)
from wire.errors import (
    BadTopicError,
    BadUrlError,
    CodedError,
    FrameError,
    ManifestError,
    MessageError,
    MqttPacketError,
    ReassemblyError,
)
from wire.frame import Frame, Kind, Tensor
from wire.measuring import Cancel, LinkOrder, Page, ProfileOrder, Progress
from wire.model.errors import ModelError
from wire.model.external_data import Policy
from wire.model.scan import scan
from wire.model.skeleton import ENCODED, IN_FILE, skeleton
from wire.model.tflite_scan import scan_tflite, tflite_operators
from wire.mqtt import packets as mqtt_packets
from wire.mqtt.inflow import Came, Coming, Inflow
from wire.profile_report import OperatorTime
from wire.topics import Site

WEIGHTS_BYTES = 4096


class Target(NamedTuple):
    """One reader."""

    seeds: Callable[[], Iterable[bytes]]
    survive: Callable[[bytes], None]
    """Raises nothing, for any bytes."""


def model(data: bytes) -> None:
    """A model from outside: where protobuf reads it too, scan and skeleton say what that sees."""
    try:
        found = scan(data, source="fuzzed", policy=Policy.SOURCE)
        kept_data = skeleton(data, source="fuzzed")
        whole = ModelProto.FromString(data)
    except (ModelError, DecodeError):
        return
    slim = ModelProto.FromString(kept_data)
    assert found.inputs == tuple(value.name for value in whole.graph.input)
    assert found.outputs == tuple(value.name for value in whole.graph.output)
    assert [n.op_type for n in slim.graph.node] == [n.op_type for n in whole.graph.node]
    for kept, tensor in zip(slim.graph.initializer, whole.graph.initializer, strict=True):
        assert (kept.name, kept.dims, kept.data_type) == (
            tensor.name,
            tensor.dims,
            tensor.data_type,
        )
        assert _stored(kept, data) == _stored(tensor, data)


def _stored(tensor: TensorProto, data: bytes) -> bytes:
    """Return what says all of a tensor's elements, wherever they are."""
    known = {entry.key: entry.value for entry in tensor.external_data}
    if known.get("location") == IN_FILE:
        at = int(known["offset"])
        if ENCODED in known:
            return _stored(TensorProto.FromString(data[at : at + int(known[ENCODED])]), data)
        return data[at : at + int(known["length"])]
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return tensor.SerializeToString(deterministic=True)
    return tensor.raw_data or numpy_helper.to_array(tensor).tobytes()


def segment(data: bytes) -> None:
    """A segment that a device fetched: refused by name, or safe to open."""
    try:
        found = scan(data, source="fuzzed", policy=Policy.SEGMENT, weights_bytes=WEIGHTS_BYTES)
    except ModelError:
        return
    assert all(r.location == "weights.bin" for r in found.references)
    assert all(r.offset_bytes + r.size_bytes <= WEIGHTS_BYTES for r in found.references)


def tflite(data: bytes) -> None:
    """A TFLite file: refused by name, or told by its operators, whether they are allowed or not."""
    with contextlib.suppress(ModelError):
        counted = tflite_operators(data, source="fuzzed")
        found = scan_tflite(data, source="fuzzed")
        assert found.operators == counted


def sample_file(data: bytes) -> None:
    """A file of samples."""
    try:
        samples.decode(data)
    except FrameError:
        return


def chunks(data: bytes) -> None:
    """Chunks of two senders, as many as fit: memory stays within its bound."""
    put_together = chunk.Reassembler(
        bytearray, max_frame_bytes=FRAME_BYTES, max_bytes=2 * FRAME_BYTES, max_partials=4
    )
    step = max(1, len(data) // 4)
    for at in range(0, len(data), step):
        with contextlib.suppress(FrameError, ReassemblyError):
            put_together.add(data[at : at + step])
        assert 0 <= put_together.unfinished_bytes <= 2 * FRAME_BYTES


def message(data: bytes) -> None:
    """Every message there is, and the order of a stranger."""
    for kind, expected in messages.MESSAGES.items():
        try:
            read = messages.decode(kind, data, expected)
        except MessageError:
            continue
        messages.decode(kind, messages.encode(kind, read), expected)
    admission = Admission(_KEYS, "fuzzing")
    for judged in (
        lambda: signing.verified_desired(data, _KEYS),
        lambda: admission.admit(data, unix_ns=0, clock_believed=True),
    ):
        with contextlib.suppress(CodedError):
            judged()
            raise AssertionError("a stranger's order was taken")


_KEYS = [signing.private_key(signing.new_private_key(), "fuzzing").public_key()]


def measured(data: bytes) -> None:
    """What a device says while it measures; and the orders that it is given."""
    try:
        said = msgspec.json.decode(data, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    pages = Pages(["d"], lambda _: None)
    with contextlib.suppress(msgspec.ValidationError):
        pages.heard("d", said)
    for kind in (ProfileOrder, LinkOrder, Cancel):
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(said, kind)


def fleet_file(data: bytes) -> None:
    """A fleet file: what is wrong is said, each with the file's name."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    fleet, problems = fleet_reading.parsed(text, "fuzzed.yaml")
    assert fleet is not None or problems
    assert all(str(problem).startswith("fuzzed.yaml") for problem in problems)
    if fleet is not None and not problems:
        for device in fleet.devices:
            fleet.speed(device.id)


def pipeline_file(data: bytes) -> None:
    """A manifest: what is read is written as the same manifest again."""
    try:
        read = manifest.decode(data)
    except ManifestError:
        return
    assert manifest.decode(manifest.encode(read)) == read


def config_file(data: bytes) -> None:
    """A configuration file's YAML."""
    try:
        text = data.decode()
        config_source.parse(text, "fuzzed.yaml")
    except (UnicodeDecodeError, ConfigError):
        return


def names(data: bytes) -> None:
    """Topics and addresses that arrive."""
    text = data.decode(errors="replace")
    try:
        parsed = Site().parse(text)
        assert Site().topic(parsed.kind, **parsed.names) == text
    except BadTopicError:
        pass
    with contextlib.suppress(BadUrlError):
        broker_url.parse(text)


def broker(data: bytes) -> None:
    """What a broker answers the doctor, in either dialect."""
    try:
        packets = list(mqtt_packets.Reader().feed(data))
    except MqttPacketError:
        return
    for packet in packets:
        for dialect in ("3.1.1", "5"):
            mqtt_packets.reason_code(dialect, packet)
            for reader in (
                partial(mqtt_packets.refusal, dialect, packet.body),
                partial(mqtt_packets.told_packet_bytes, dialect, packet.body),
                partial(mqtt_packets.message, dialect, packet),
            ):
                with contextlib.suppress(MqttPacketError):
                    reader()


def inflow(data: bytes) -> None:
    """What a broker sends a frame link, in pieces: places are given as a link gives them."""
    for dialect in ("3.1.1", "5"):
        with contextlib.suppress(MqttPacketError):
            _taken(Inflow(dialect), data, step=len(data) % 61 + 1)


def _taken(reader: Inflow, data: bytes, step: int) -> None:
    chunked = chunk.Reassembler(
        bytearray, max_frame_bytes=FRAME_BYTES, max_bytes=2 * FRAME_BYTES, max_partials=4
    )
    slot = None
    at = 0
    while at < len(data):
        window = reader.window
        piece = data[at : at + min(step, window.nbytes)]
        assert piece
        window[: len(piece)] = piece
        at += len(piece)
        event = reader.took(len(piece))
        while event is not None:
            full = isinstance(event, Came)
            if isinstance(event, Coming) and event.size_bytes <= FRAME_BYTES:
                try:
                    slot = chunked.slot(event.peek, event.size_bytes)
                    full = reader.fill(slot.view, slot.payload_start)
                except (FrameError, ReassemblyError):
                    reader.fill(memoryview(bytearray(event.size_bytes)))
            if full and slot is not None:
                chunked.filled(slot)
                slot = None
            event = reader.next_event()
        assert 0 <= chunked.unfinished_bytes <= 2 * FRAME_BYTES


def worker(data: bytes) -> None:
    """What a worker tells its supervisor, in pieces."""
    inflow = channel.Inflow()
    try:
        for at in range(0, len(data), 7):
            list(inflow.reports(data[at : at + 7]))
    except channel.ChannelError:
        return


def _models() -> Iterable[bytes]:
    yield from (make().SerializeToString() for make in MODELS.values())
    kinds = [np.float32, np.float64, np.int8, np.int64, np.float16, np.bool_]
    weights = [numpy_helper.from_array(np.ones((40, 33), t), f"w{n}") for n, t in enumerate(kinds)]
    weights.append(helper.make_tensor("packed", TensorProto.FLOAT, [300], [0.5] * 300))
    weights.append(helper.make_tensor("small", TensorProto.INT32, [3], [1, 2, 3]))
    yield helper.make_model(
        helper.make_graph([], "g", [], [], weights), ir_version=9
    ).SerializeToString()


def _frames() -> Iterable[bytes]:
    tensors = (
        Tensor("x", 1, (2, 3), memoryview(bytes(24))),
        Tensor("y", 7, (1,), memoryview(bytes(8))),
    )
    for kind in Kind:
        made = Frame(kind, 7, 3, tensors=tensors, meta={"client": "c", "timings": [[1, 2]]})
        yield b"".join(bytes(b) for b in frame.encode(made))
    for codec in codec_names.names():
        coded = codecs.tensors({"x": np.linspace(-1, 1, 48, dtype="<f4").reshape(1, 3, 16)}, codec)
        made = Frame(Kind.DATA, 7, 3, tensors=coded, meta=codecs.meta({}, codec))
        yield b"".join(bytes(b) for b in frame.encode(made))


def _chunks() -> Iterable[bytes]:
    made = frame.encode(
        Frame(Kind.DATA, 7, 3, tensors=(Tensor("x", 1, (200,), memoryview(bytes(800))),))
    )
    pieces = [b"".join(bytes(b) for b in part) for part in chunk.split(made, 512)]
    size = max(map(len, pieces))
    yield b"".join(piece.ljust(size, b"\0") for piece in pieces)


def _published() -> Iterable[bytes]:
    frames = [*_frames(), *_chunks()]
    for dialect in ("3.1.1", "5"):
        sent = (mqtt_packets.publish_front(dialect, "a/b", len(f)) + f for f in frames)
        yield b"\x20\x02\x00\x00\x90\x03\x00\x01\x00" + b"".join(sent) + b"\xd0\x00"


def _messages() -> Iterable[bytes]:
    status = messages.Status(state="online", session=1, boot="b")
    desired = messages.Desired(
        site="s", device="d", epoch=1, revision=1, assignments=(), issued_unix_ns=1
    )
    yield messages.encode("status", status)
    yield messages.encode("desired", desired)
    command = messages.Command(id="1", command="profile", reply_to="r", expires_unix_ns=1)
    yield messages.encode("cmd", command)


def _measured() -> Iterable[bytes]:
    row = OperatorTime(1, "Conv", "c", 0.1, 0.2, 0.3, 4)
    yield msgspec.json.encode(Page(table="operators", first=0, rows=(row,)))
    yield msgspec.json.encode(Progress(step="fetching", done_bytes=1, total_bytes=2))
    yield b'{"report":{"runtime":"r"},"told":{"operators":1,"kernels":0}}'


TARGETS = {
    "model": Target(_models, model),
    "segment": Target(_models, segment),
    "tflite": Target(lambda: [chain().data(), quantised().data()], tflite),
    "frame": Target(_frames, one_frame),
    "samples": Target(_frames, sample_file),
    "chunks": Target(_chunks, chunks),
    "message": Target(_messages, message),
    "measured": Target(_measured, measured),
    "fleet": Target(
        lambda: [(Path(__file__).parents[2] / "configs" / "fleet.yaml").read_bytes()], fleet_file
    ),
    "manifest": Target(
        lambda: [b'{"schema":1,"name":"n","segments":[],"edges":[]}'], pipeline_file
    ),
    "config": Target(
        lambda: [b"device: a\nbroker: {url: 'mqtt://h'}\n# c\nl: [1, 2]\n"], config_file
    ),
    "broker": Target(
        lambda: [b"\x20\x08\x00\x00\x05\x27\x00\x10\x00\x00", b"0\x06\x00\x01apay"], broker
    ),
    "inflow": Target(_published, inflow),
    "worker": Target(lambda: [channel.encode(channel.Beat())], worker),
    "names": Target(lambda: [b"paceline/v1/default/d/pi/in/det/3-1", b"mqtts://h:1/?a=b"], names),
}
