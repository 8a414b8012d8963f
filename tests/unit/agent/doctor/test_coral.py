"""A Coral's library, delegate, access, link and temperature; the library is a stand-in."""

import os

import pytest

from agent import coral as corals
from agent.doctor import coral
from agent.doctor.coral import Interpreter
from tests.fixtures import stub_edgetpu
from tests.unit.agent.doctor.machines import distribution, machine, program, the, told

STOCK = "BuildLabel(COMPILER=6.3.0 20170516,DATE=redacted,TIME=redacted), RuntimeVersion(14)"
OTHER = "BuildLabel(COMPILER=14.2.0,DATE=Feb 22 2026,TIME=09:51:57), RuntimeVersion(14)"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The stand-in."""
    return stub_edgetpu.compiled(tmp_path_factory.mktemp("library"))


def coral_machine(folder, library, **environ):
    """A machine with a stick and LiteRT."""
    stub_edgetpu.plug_in(folder / "sys")
    distribution(folder / "site", "ai-edge-litert", "2.3.0")
    places = {
        "PATH": str(folder / "bin"),
        corals.LIBRARY_VARIABLE: str(library),
        corals.SYSFS_VARIABLE: str(folder / "sys"),
    }
    return machine(folder, environ=places | environ, search_path=[str(folder / "site")])


def test_a_machine_without_a_coral_is_silent(tmp_path):
    """Whatever is installed there."""
    distribution(tmp_path / "site", "ai-edge-litert", "2.3.0")

    assert not list(coral.findings(machine(tmp_path, search_path=[str(tmp_path / "site")])))


def test_a_coral_that_works(tmp_path, library):
    """The library's own words, the version it was built against, and a real proof."""
    program(tmp_path, "dpkg-query", "libedgetpu1-std 16.0tf2.19.1-1.trixie\n")
    found = told(coral.findings(coral_machine(tmp_path, library)))

    assert {severity for severity, _ in found.values()} == {"ok"}
    assert "16.0tf2.19.1-1.trixie" in found["coral.library"][1]
    assert "built against TensorFlow 2.19" in found["coral.library"][1]
    assert "ai-edge-litert 2.3.0" in found["coral.pair"][1]
    assert "opened usb:0 and ran a proof" in found["coral.delegate"][1]


def test_a_coral_without_its_library(tmp_path):
    """What is there, what is missing, and which build to install."""
    found = the(coral.findings(coral_machine(tmp_path, "libedgetpu.so.0")), "coral.library")

    assert found.severity == "problem"
    assert "Coral here: usb:0" in found.evidence
    assert "libedgetpu.so.0: cannot open shared object file" in found.evidence
    assert "install libedgetpu1-std 16.0TF2.19.1-1" in found.fix


def test_the_pair_that_crashes_is_named(tmp_path, library):
    """Google's own build, and an interpreter that is newer than it; and the build that fits."""
    program(tmp_path, "dpkg-query", "libedgetpu1-std 16.0\n")
    subject = coral_machine(
        tmp_path, library, STUB_EDGETPU_VERSION=STOCK, STUB_EDGETPU="create=crash"
    )
    findings = list(coral.findings(subject))
    pair = the(findings, "coral.pair")

    assert pair.severity == "problem"
    assert "built against TensorFlow 2.5) with ai-edge-litert 2.3.0" in pair.evidence
    assert "16.0TF2.19.1-1" in pair.fix
    assert the(findings, "coral.delegate").severity == "problem"
    assert "ends the process" in the(findings, "coral.delegate").evidence


def test_a_delegate_that_refuses(tmp_path, library):
    """Its own reason is the evidence."""
    subject = coral_machine(tmp_path, library, STUB_EDGETPU="create=fail")
    found = the(coral.findings(subject), "coral.delegate")

    assert found.severity == "problem"
    assert "stub: no Edge TPU device found" in found.evidence
    assert "pull it out" in found.fix


def test_a_delegate_that_hangs(tmp_path, library, monkeypatch):
    """Not said to crash: another build does not help, but the stick put in again."""
    monkeypatch.setattr(coral, "PROBE_SECONDS", 2.0)
    subject = coral_machine(tmp_path, library, STUB_EDGETPU="create=hang")
    found = the(coral.findings(subject), "coral.delegate")

    assert "does not end in 2 s" in found.evidence
    assert "pull it out" in found.fix


def test_a_delegate_that_refuses_the_model(tmp_path, library):
    """The evidence is its reason, without advice for who deploys segments."""
    subject = coral_machine(tmp_path, library, STUB_EDGETPU="prepare=fail")
    found = the(coral.findings(subject), "coral.delegate")

    assert "newer than this runtime version (14)" in found.evidence
    assert "split the model" not in found.evidence


@pytest.mark.parametrize(
    ("label", "package", "built"),
    [
        (STOCK, "libedgetpu1-std 16.0", (2, 5)),
        (STOCK, "", (2, 5)),
        (OTHER, "libedgetpu1-max 16.0tf2.17.1-1.bookworm", (2, 17)),
        (OTHER, "", ()),
    ],
)
def test_which_tensorflow_a_build_is_of(label, package, built):
    """Google's is known by its compiler, others say it in their package's version."""
    assert coral.tensorflow_of(label, package) == built


@pytest.mark.parametrize(
    ("built", "used", "crashes"),
    [
        ((2, 5), Interpreter("ai-edge-litert", "2.3.0", (2, 19)), True),
        ((2, 5), Interpreter("tflite-runtime", "2.14.0", (2, 14)), True),
        ((2, 5), Interpreter("tflite-runtime", "2.5.0.post1", (2, 5)), False),
        ((2, 17), Interpreter("tflite-runtime", "2.17.1", (2, 17)), False),
        ((2, 19), Interpreter("ai-edge-litert", "2.3.0", (2, 19)), False),
        ((2, 5), Interpreter("tflite-runtime", "dev", ()), False),
    ],
)
def test_which_pairs_are_known_to_crash(built, used, crashes):
    """Older than 2.12 with 2.12 and later."""
    assert coral.crashes(built, used) == crashes


@pytest.mark.parametrize(
    ("distributions", "name", "tensorflow"),
    [
        ({"tflite-runtime": "2.14.0"}, "tflite-runtime", (2, 14)),
        ({"tflite_runtime": "2.14.0", "ai-edge-litert": "2.3.0"}, "ai-edge-litert", (2, 19)),
    ],
)
def test_which_interpreter_would_use_it(tmp_path, distributions, name, tensorflow):
    """LiteRT goes before its predecessor, as in the runtime."""
    for each, version in distributions.items():
        distribution(tmp_path, each, version)
    found = coral.interpreter(machine(tmp_path, search_path=[str(tmp_path)]))

    assert (found.name, found.tensorflow) == (name, tensorflow)


def test_a_stick_on_a_slow_port(tmp_path):
    """The speed of its link, and what is expected."""
    stub_edgetpu.plug_in(tmp_path / "sys", speed=480)
    found = the(coral.sticks(machine(tmp_path), tmp_path / "sys"), "coral.usb_speed")

    assert found.severity == "warning"
    assert "480 Mbit/s (5000 expected)" in found.evidence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything: run it as a user")
def test_a_stick_that_this_user_may_not_open(tmp_path):
    """The rule that gives access."""
    stick = stub_edgetpu.plug_in(tmp_path / "sys")
    (stick / "busnum").write_text("1\n")
    (stick / "devnum").write_text("7\n")
    node = tmp_path / "dev/bus/usb/001/007"
    node.parent.mkdir(parents=True)
    node.touch(mode=0o000)
    found = the(coral.sticks(machine(tmp_path), tmp_path / "sys"), "coral.access")

    assert found.severity == "problem"
    assert "udev/rules.d" in found.fix


def test_a_card_that_is_hot_and_one_that_is_dead(tmp_path):
    """Above its first trip point, and by its driver's word."""
    stub_edgetpu.card(tmp_path, 0, temp=85500, trip_point0_temp=84800)
    stub_edgetpu.card(tmp_path, 1, temp=45000, trip_point0_temp=84800, status="DEAD")
    found = {(f.id, f.severity): f.evidence for f in coral.cards(tmp_path)}

    assert "apex_0 is at 86 of 85" in found["coral.temperature", "warning"]
    assert "apex_1 is at 45 of 85" in found["coral.temperature", "ok"]
    assert "apex_1 is DEAD" in found["coral.alive", "problem"]
