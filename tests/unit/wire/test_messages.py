"""Messages: read leniently where they may grow, strictly where they are wrong."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import messages, telemetry
from wire.errors import MessageError
from wire.manifest import File, Tolerance
from wire.messages import MESSAGES, Account, Assignment, Command, Contract, Desired, Status
from wire.tensors import TensorSpec
from wire.topics import TOPICS

SPEC = TensorSpec(name="x", dtype=1, shape=("N", 3))
REASON = messages.Reason(code="worker.lost", message="it died")
ASSIGNMENT = Assignment(
    pipeline="det",
    generation=7,
    stage=1,
    segment="01-b",
    format="onnx",
    files=(File(name="segment.onnx", sha256="0" * 64, size_bytes=10),),
    contract=Contract(receives=(SPEC,), sends=(SPEC,), inputs=(SPEC,), outputs=(SPEC,)),
    runtime="onnx_cpu",
    peers=messages.Peers(upstream=(messages.Peer(device="dev0", stage=0),)),
)
SAMPLES = {
    "status": Status(state="online", session=1 << 32, boot="b"),
    "info": messages.Info(
        device="dev1", version="0.1", runtimes=(messages.RuntimeInfo(runtime="identity"),)
    ),
    "desired": Desired(
        site="s", device="dev1", epoch=1, revision=2, assignments=(ASSIGNMENT,), issued_unix_ns=3
    ),
    "reported": messages.Reported(
        device="dev1", session=1, observed=(1, 2), applied=(1, 1), refused=REASON
    ),
    "cmd": Command(id="1", command="watch", reply_to="t", expires_unix_ns=1),
    "rsp": messages.Response(id="1", ok=False, reason=REASON),
    "route": messages.Route(
        pipeline="det",
        generation=7,
        epoch=1,
        manifest="0" * 64,
        stages=(messages.RouteStage(stage=0, device="dev1", segment="00-a", runtime="onnx_cpu"),),
        receives=(SPEC,),
        outputs=(SPEC,),
    ),
    "acct": Account(
        pipeline="det",
        client="c1",
        stream=2**64 - 1,
        submitted=3,
        results=1,
        errors={"frame.deadline": 1},
        drops=0,
        in_flight=1,
        lost=1,
        sent_unix_ns=5,
    ),
    "service_status": messages.ServiceStatus(service="hub", state="online", session=1),
    "rebirth": messages.Rebirth(service="hub"),
}
TELEMETRY = [
    telemetry.Health(
        device="dev1",
        session=1,
        sent_unix_ns=2,
        healthy=True,
        readings=(telemetry.Reading(name="cpu_ratio", value=0.5, labels={"core": "0"}),),
    ),
    telemetry.Latency(
        device="dev1",
        session=1,
        sent_unix_ns=2,
        stages=(
            telemetry.StageLatency(
                pipeline="det",
                generation=7,
                stage=1,
                instance=1,
                counts=telemetry.StageCounts(received=1, errors={"worker.lost": 1}),
                histograms={},
            ),
        ),
    ),
]
EVERY = [*SAMPLES.items(), *(("tele", message) for message in TELEMETRY)]
IDS = [type(message).__name__ for _, message in EVERY]
every_message = pytest.mark.parametrize(("kind", "message"), EVERY, ids=IDS)


def plain(message):
    """The message as JSON's own types, to be spoiled."""
    return json.loads(msgspec.json.encode(message))


def refused(kind, tree, expected):
    """Decode ``tree``; returns the problem it is refused for."""
    data = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    with pytest.raises(MessageError) as caught:
        messages.decode(kind, data, expected)
    assert caught.value.kind == kind
    return caught.value.problem


def test_every_message_has_a_sample_and_a_topic():
    """The table and these tests know the same messages."""
    assert SAMPLES.keys() == MESSAGES.keys() <= TOPICS.keys()
    assert {kind: type(message) for kind, message in SAMPLES.items()} == MESSAGES


@every_message
def test_message_comes_back_as_it_was(kind, message):
    """Encode and decode are inverse, and the text is the canonical one."""
    data = messages.encode(kind, message)

    assert messages.decode(kind, data, type(message)) == message
    assert messages.encode(kind, messages.decode(kind, data, type(message))) == data


@every_message
def test_unknown_fields_are_ignored(kind, message):
    """A newer sender may say more; what we know still counts."""
    tree = plain(message) | {"later": {"a": [1, None]}}

    assert messages.decode(kind, json.dumps(tree).encode(), type(message)) == message


def test_unknown_fields_inside_are_ignored():
    """The same in an assignment inside a desired state."""
    tree = plain(SAMPLES["desired"])
    tree["assignments"][0]["later"] = 1
    tree["assignments"][0]["peers"]["upstream"][0]["later"] = 1

    found = messages.decode("desired", json.dumps(tree).encode(), Desired)
    assert found == SAMPLES["desired"]


@every_message
def test_missing_field_is_refused_by_name(kind, message):
    """A required field has no default answer."""
    required = [f.encode_name for f in msgspec.structs.fields(message) if f.required]

    assert required
    for name in required:
        tree = plain(message)
        del tree[name]
        assert name in refused(kind, tree, type(message))


@every_message
def test_wrong_type_is_refused_by_place(kind, message):
    """Nothing is converted: a number written as text is wrong, in every field."""
    for name in plain(message):
        tree = plain(message)
        tree[name] = ["wrong"] if not isinstance(tree[name], list) else "wrong"
        assert f"$.{name}" in refused(kind, tree, type(message))


@every_message
def test_newer_schema_is_refused(kind, message):
    """A new major form is not half understood."""
    for schema in (0, 2):
        tree = plain(message) | {"schema": schema}
        assert refused(kind, tree, type(message)) == f"schema {schema} is unknown (expected 1)"


@every_message
def test_every_truncation_is_refused(kind, message):
    """Half a message is none."""
    data = messages.encode(kind, message)

    for size in range(0, len(data), 7):
        refused(kind, data[:size], type(message))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"state":"online","session":1,"boot":"\xff"}',
        b'{"state":"online","session":1,"boot":"\\ud800"}',
        b'{"state":"asleep","session":1,"boot":""}',
        b'{"state":"online","session":1.0,"boot":""}',
        b'{"state":"online","session":NaN,"boot":""}',
        b'{"state":"online","session":1e999,"boot":""}',
        b'{"x":' + b"[" * 4000,
        b'{"state":"online","session":1,"boot":""}{}',
    ],
)
def test_what_is_no_status_is_refused(data):
    """Bytes from anyone raise MessageError and never anything else."""
    refused("status", data, Status)


@settings(deadline=None)
@given(st.data(), st.integers(0, 255))
def test_changed_byte_is_refused_or_still_a_message(data, byte):
    """Whatever changes, the answer is a typed message or a MessageError."""
    text = bytearray(messages.encode("desired", SAMPLES["desired"]))
    text[data.draw(st.integers(0, len(text) - 1))] = byte

    try:
        found = messages.decode("desired", bytes(text), Desired)
    except MessageError:
        return
    assert isinstance(found, Desired)


@pytest.mark.parametrize("kind", SAMPLES)
def test_largest_size_counts_both_ways(kind):
    """What the topic does not allow is neither sent nor read, valid or not."""
    limit = TOPICS[kind].max_bytes
    data = messages.encode(kind, SAMPLES[kind])

    assert messages.decode(kind, data.ljust(limit), MESSAGES[kind]) == SAMPLES[kind]
    assert f"at most {limit}" in refused(kind, data.ljust(limit + 1), MESSAGES[kind])


def test_too_large_message_is_not_encoded():
    """The sender hears of it, not the broker."""
    message = msgspec.structs.replace(SAMPLES["cmd"], arguments={"text": "x" * (16 << 10)})

    with pytest.raises(MessageError, match=f"at most {16 << 10}"):
        messages.encode("cmd", message)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_not_encoded(number):
    """JSON has no NaN, and a receiver would refuse it."""
    contract = msgspec.structs.replace(ASSIGNMENT.contract, tolerance=Tolerance(absolute=number))
    assignment = msgspec.structs.replace(ASSIGNMENT, contract=contract)
    desired = msgspec.structs.replace(SAMPLES["desired"], assignments=(assignment,))

    with pytest.raises(MessageError, match="JSON"):
        messages.encode("desired", desired)


def test_assignment_key_names_it_on_its_device():
    """Pipeline, generation and stage together."""
    assert ASSIGNMENT.key == "det.7-1"
