"""The list of deployments as commands keep it."""

import io
from pathlib import Path

import pytest

from fleet.control import deployments
from fleet.control.deploy import Deployment
from paceline import record
from paceline.output import Output
from wire import messages
from wire.manifest import Picture
from wire.messages import Route, RouteStage
from wire.tensors import TensorSpec
from wire.topics import Site

BROKER = "mqtt://b:1883"
STAGES = (
    RouteStage(stage=0, device="a", segment="s0", runtime="onnx_cpu"),
    RouteStage(stage=1, device="b", segment="s1", runtime="onnx_cpu"),
)
ROUTE = Route(
    pipeline="p",
    generation=2,
    epoch=3,
    manifest="0" * 64,
    stages=STAGES,
    receives=(TensorSpec(name="x", dtype=1, shape=(1, "N", 4)),),
    outputs=(TensorSpec(name="y", dtype=1, shape=(1, 4)),),
    preprocess=Picture(input="x", width=4, height=4),
)
MADE = Deployment(
    pipeline="p",
    generation=2,
    epoch=3,
    manifest="0" * 64,
    stages=STAGES,
    route=ROUTE,
    serving_seconds=1.0,
)


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    """Keep the user's list out of it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_what_was_deployed_is_known_on_its_site_alone():
    """The same pipeline name on another site is another pipeline."""
    record.deployed(Site(), BROKER, MADE, Path("parts"))

    assert [(e.pipeline, e.devices) for e in record.known(Site(), BROKER)] == [("p", ("a", "b"))]
    assert record.known(Site("kitchen"), BROKER) == ()
    assert record.known(Site(), "mqtt://other:1883") == ()


def test_the_route_is_kept_as_it_was_published():
    """A broker may lose it: its bytes can be made again."""
    record.deployed(Site(), BROKER, MADE, Path("parts"))
    (entry,) = record.known(Site(), BROKER)

    assert messages.encode("route", entry.route) == messages.encode("route", ROUTE)


def test_what_was_undeployed_is_forgotten():
    """And forgetting twice is harmless."""
    record.deployed(Site(), BROKER, MADE, Path("parts"))
    record.undeployed(Site(), BROKER, "p")
    record.undeployed(Site(), BROKER, "p")

    assert record.known(Site(), BROKER) == ()


def test_a_list_that_cannot_be_kept_is_a_note_and_no_failure(state_home):
    """The pipeline serves all the same."""
    folder = state_home / "paceline"
    folder.mkdir()
    (folder / deployments.FILE_NAME).write_text("{")
    output = Output(False, io.StringIO(), io.StringIO())
    record.deployed(Site(), BROKER, MADE, Path("parts"), output)
    record.undeployed(Site(), BROKER, "p", output)

    assert output.stderr.getvalue().count("note: list of deployments") == 2
