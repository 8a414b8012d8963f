"""Which devices can take part in a deploy, and why the others cannot."""

import msgspec
import pytest

from fleet.control import readiness
from fleet.control.deploy_errors import DevicesAbsentError
from fleet.control.device_state import DeviceState
from wire.errors import MessageError
from wire.messages import Assignment, Contract, Info, RuntimeInfo, Status, Transfer

ONLINE = Status(state="online", session=1, boot="b")
CPU = RuntimeInfo(runtime="onnx_cpu", proved=True)
ASSIGNMENT = Assignment(
    pipeline="p",
    generation=1,
    stage=0,
    segment="s0",
    format="onnx",
    files=(),
    contract=Contract(receives=(), sends=(), inputs=(), outputs=()),
    runtime="onnx_cpu",
)


def info(*runtimes, wire=(1, 1), codecs=(), links=()):
    """Return what a device with these runtimes says of itself."""
    return Info(device="a", version="1", runtimes=runtimes, wire=wire, codecs=codecs, links=links)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (DeviceState("a"), "never been seen"),
        (DeviceState("a", Status(state="lost", session=1, boot="b"), info(CPU)), "is lost"),
        (DeviceState("a", Status(state="offline", session=1, boot="b")), "is offline"),
        (DeviceState("a", ONLINE), "not yet said what it is"),
        (
            DeviceState("a", ONLINE, info(CPU), problem=MessageError("info", "no JSON")),
            "cannot be understood",
        ),
    ],
)
def test_a_device_that_is_not_there_says_why(state, problem):
    """Never seen, gone, still starting, or of another world."""
    assert problem in readiness.absences({"a": state})["a"]


def test_a_device_that_is_online_and_known_is_there():
    """Nothing is missing."""
    assert readiness.absences({"a": DeviceState("a", ONLINE, info(CPU))}) == {}


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (info(), "no runtime onnx_cpu for segment s0 (it has none)"),
        (info(RuntimeInfo(runtime="identity", proved=True)), "(it has identity)"),
        (info(RuntimeInfo(runtime="onnx_cpu", reason="no module")), "does not work (no module)"),
        (info(CPU, wire=(2, 3)), "speaks protocol versions 2 to 3 (we speak 1 to 1)"),
        (
            info(RuntimeInfo(runtime="onnx_cpu", proved=True, formats=("tflite",))),
            "its runtime onnx_cpu reads tflite, not onnx (s0)",
        ),
        (None, "has not said what it is"),
    ],
)
def test_a_device_that_cannot_run_its_segment_says_why(told, problem):
    """A runtime counts only when a real inference proved it."""
    states = {"a": DeviceState("a", ONLINE, told)}

    assert problem in readiness.inabilities([ASSIGNMENT], ["a"], states)["a"]


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("usb:0", None),
        ("usb:1", "its runtime tflite_edgetpu does not work (no answer)"),
        ("usb:2", "its runtime tflite_edgetpu has no usb:2 (it has usb:0, usb:1)"),
        ("", None),
    ],
)
def test_an_accelerator_that_is_asked_for_must_be_proved(at, problem):
    """One of several is enough where none is named."""
    sticks = (
        RuntimeInfo(runtime="tflite_edgetpu", accelerator="usb:0", proved=True),
        RuntimeInfo(runtime="tflite_edgetpu", accelerator="usb:1", reason="no answer"),
    )
    states = {"a": DeviceState("a", ONLINE, info(*sticks))}
    asked = msgspec.structs.replace(ASSIGNMENT, runtime="tflite_edgetpu", accelerator=at)

    found = readiness.inabilities([asked], ["a"], states)

    assert found == ({} if problem is None else {"a": problem})


def test_versions_that_overlap_are_enough():
    """A newer agent that still speaks our version takes part."""
    states = {"a": DeviceState("a", ONLINE, info(CPU, wire=(1, 5)))}

    assert readiness.inabilities([ASSIGNMENT], ["a"], states) == {}


@pytest.mark.parametrize(
    ("knows", "entry", "between", "missing"),
    [
        ((), "raw", "raw", {}),
        (("raw", "fp16"), "raw", "fp16", {}),
        (("raw",), "raw", "fp16", {"a": "fp16", "b": "fp16"}),
        (("raw", "fp16"), "int8_token", "fp16", {"a": "int8_token"}),
        ((), "fp16", "raw", {"a": "fp16"}),
    ],
)
def test_both_ends_of_an_edge_need_its_codec(knows, entry, between, missing):
    """A device that does not list one says which it has; what says nothing knows raw."""
    sends = msgspec.structs.replace(ASSIGNMENT, transfer=Transfer(codec=between))
    last = msgspec.structs.replace(ASSIGNMENT, stage=1)
    told = info(CPU, codecs=knows)
    states = {device: DeviceState(device, ONLINE, told) for device in "ab"}

    found = readiness.inabilities([sends, last], ["a", "b"], states, entry)

    assert found == {
        device: f"has no codec {name} (it has {', '.join(knows) or 'raw'})"
        for device, name in missing.items()
    }


@pytest.mark.parametrize(
    ("links", "asked", "problem"),
    [
        ((), "mqtt", None),
        (("memory", "paho"), "mqtt", None),
        (("memory", "paho"), "auto", None),
        (("memory", "mqtt", "paho"), "paho", None),
        (("memory", "mqtt", "paho"), "tcp", "has no link tcp (it has mqtt, paho)"),
        ((), "paho", "has no link paho (it has mqtt)"),
        (("mqtt", "tcp", "uds"), "direct", "has no link direct (it has mqtt, tcp, uds)"),
    ],
)
def test_a_device_needs_the_link_that_is_asked_for(links, asked, problem):
    """Through the broker every agent can; what says nothing of links can that alone."""
    sends = msgspec.structs.replace(ASSIGNMENT, transfer=Transfer(link=asked))
    states = {"a": DeviceState("a", ONLINE, info(CPU, links=links))}

    found = readiness.inabilities([sends], ["a"], states)

    assert found == ({"a": problem} if problem else {})


def test_the_advice_for_an_absent_device_fits_every_command_that_needs_it():
    """`profile` and `link` say it, too: nothing was deployed, and nothing is deployed again."""
    told = str(DevicesAbsentError(readiness.absences({"a": DeviceState("a")})))

    assert told.startswith("device a: has never been seen on this site; start their agents on")
    assert told.endswith("then try again")
    assert "deploy" not in told


def test_a_device_of_an_earlier_version_is_not_sent_frames_that_no_broker_may_carry():
    """What clients send to it counts, too: it would take them from the broker."""
    enters = msgspec.structs.replace(ASSIGNMENT, transfer=Transfer(entry="direct"))
    states = {"a": DeviceState("a", ONLINE, info(CPU, links=("mqtt", "tcp")))}

    found = readiness.inabilities([enters], ["a"], states)

    assert found == {"a": "has no link direct (it has mqtt, tcp)"}
