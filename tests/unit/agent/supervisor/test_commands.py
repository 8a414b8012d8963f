"""What a device answers to short requests."""

import msgspec
import pytest

from agent.reconcile import MAX_ASSIGNMENTS
from agent.supervisor import commands
from wire import messages
from wire.manifest import File
from wire.messages import Assignment, Command, Contract, Desired, Peer, Peers, Response
from wire.reports import DoctorReport, Examination, Finding
from wire.tensors import TensorSpec
from wire.topics import TOPICS

NOW_UNIX_NS = 1_000
SIGNED = '{"assignments":[],"signature":"ed25519:é"}'


def answered(
    command, *, obeyed=SIGNED, expires_unix_ns=NOW_UNIX_NS, clock_believed=True, begins=True
):
    """Return the answer, and how often telemetry or an examination was asked for."""
    watched = []
    asked = Command(id="7", command=command, reply_to="r", expires_unix_ns=expires_unix_ns)
    response = commands.answer(
        asked,
        unix_ns=NOW_UNIX_NS,
        clock_believed=clock_believed,
        obeyed=obeyed,
        watch=lambda: watched.append(1),
        examine=lambda: watched.append(1) or begins,
    )
    assert response is None or response.id == "7"
    return response, len(watched)


def desired(count):
    """Return the text of a desired state with so many assignments."""
    tensors = tuple(TensorSpec(name=f"conv2d_{n}.tmp_0", dtype=1, shape=(1, 96)) for n in range(2))
    names = ("golden.frame", "segment.onnx", "weights.bin")
    made = Assignment(
        pipeline="detector", generation=1, stage=1, segment="01-backbone", format="onnx",
        files=tuple(File(name=name, sha256="0" * 64, size_bytes=1 << 22) for name in names),
        contract=Contract(receives=tensors, sends=tensors, inputs=tensors, outputs=tensors),
        runtime="onnx_cpu",
        peers=Peers(upstream=(Peer(device="a", stage=0),), downstream=(Peer(device="c", stage=2),)),
    )  # fmt: skip
    listed = tuple(msgspec.structs.replace(made, generation=n + 1) for n in range(count))
    whole = Desired(
        site="default", device="b", epoch=1, revision=1, assignments=listed, issued_unix_ns=1,
        signature="ed25519:" + "A" * 88,
    )  # fmt: skip
    return messages.encode("desired", whole).decode()


def test_ping_is_a_sign_of_life():
    """With the device's clock, for people."""
    assert answered("ping")[0].result == {"unix_ns": NOW_UNIX_NS}


def test_watch_asks_for_telemetry():
    """That is all it does."""
    response, watched = answered("watch")

    assert (response.ok, response.result, watched) == (True, {}, 1)


def test_desired_gives_what_is_obeyed_character_by_character():
    """Also through its topic: the signature stays right."""
    response, _ = answered("desired")
    carried = messages.decode("rsp", messages.encode("rsp", response), Response)

    assert (carried.ok, carried.result) == (True, {"desired": SIGNED})


def test_a_device_that_obeys_nothing_says_so():
    """As one that has never been ordered, or whose journal was lost."""
    response, _ = answered("desired", obeyed=None)

    assert (response.ok, response.reason.code) == (False, "desired.unknown")


@pytest.mark.parametrize("text", ["x", '"'])
def test_a_desired_state_that_its_topic_cannot_carry_is_refused_by_name(text):
    """With the sizes; quotation marks take two bytes in an answer."""
    largest = TOPICS["desired"].max_bytes
    response, _ = answered("desired", obeyed=text * largest)

    assert (response.ok, response.reason.code) == (False, "command.answer_too_large")
    assert f"at most {TOPICS['rsp'].max_bytes}" in response.reason.message
    messages.encode("rsp", response)


def test_as_many_assignments_as_a_device_takes_fit():
    """Each with three files and a cut of two tensors."""
    answer, _ = answered("desired", obeyed=desired(MAX_ASSIGNMENTS))

    assert answer.ok


def test_what_came_too_late_is_not_done():
    """A command that a broker held for long is nobody's wish any more."""
    response, watched = answered("watch", expires_unix_ns=NOW_UNIX_NS - 1)

    assert (response.ok, response.reason.code, watched) == (False, "command.expired", 0)


def test_without_a_clock_nothing_is_too_old():
    """A device that starts in 1970 or a year ahead does as it is asked."""
    response, watched = answered("watch", expires_unix_ns=NOW_UNIX_NS - 1, clock_believed=False)

    assert (response.ok, watched) == (True, 1)


def test_what_is_unknown_is_refused_with_what_is_known():
    """Whoever sees the answer knows what could be asked."""
    response, _ = answered("format-disk")

    assert (response.ok, response.reason.code) == (False, "command.unknown")
    assert "(ping, watch, desired, doctor, profile, link, cancel)" in response.reason.message


def test_an_examination_is_answered_later_and_only_one_runs():
    """Who asks meanwhile is told to ask again."""
    later, begun = answered("doctor")
    busy, _ = answered("doctor", begins=False)

    assert (later, begun) == (None, 1)
    assert (busy.ok, busy.reason.code) == (False, "command.busy")


def report(count, *severities):
    """Return a report with so many long findings of each severity."""
    findings = tuple(
        Finding(id="python.version", severity=s, evidence="x" * 1000)
        for s in severities
        for _ in range(count)
    )
    return DoctorReport(
        host="h", examinations=(Examination(group="g", title="G", findings=findings),)
    )


@pytest.mark.parametrize(
    ("count", "kept", "left_out"),
    [
        (20, {"ok", "note", "warning", "problem"}, 0),
        (35, {"note", "warning", "problem"}, 35),
        (50, {"warning", "problem"}, 100),
        (100, {"problem"}, 300),
        (200, set(), 800),
    ],
)
def test_a_report_is_shortened_to_what_its_topic_carries(count, kept, left_out):
    """What is well goes first; what was left out is counted."""
    asked = Command(id="7", command="doctor", reply_to="r", expires_unix_ns=1)
    made = report(count, "ok", "note", "warning", "problem")
    answer = commands.examined(asked, made)
    carried = messages.decode("rsp", messages.encode("rsp", answer), Response)

    (examination,) = msgspec.convert(carried.result["report"], DoctorReport).examinations
    assert {f.severity for f in examination.findings} == kept
    assert examination.left_out == left_out


def test_why_there_is_no_report_is_said():
    """The child crashed, or took too long."""
    asked = Command(id="7", command="doctor", reply_to="r", expires_unix_ns=1)
    response = commands.examined(asked, "the doctor took over 180 s")

    assert (response.reason.code, response.reason.message) == (
        "doctor.failed",
        "the doctor took over 180 s",
    )
