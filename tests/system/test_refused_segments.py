"""Segments that are what was ordered, and still must not serve."""

import numpy as np
import onnx
import pytest

from fleet.control.deploy_errors import DeployFailedError
from tests.system.place import alive, until
from wire import codecs, frame, golden


def other_golden(data):
    """Return a golden frame that expects something else."""
    inputs, outputs = golden.split(frame.decode(data))
    arrays = codecs.arrays(frame.Frame(frame.Kind.DATA, 0, 0, tensors=outputs))
    moved = codecs.tensors({name: array + np.float32(0.01) for name, array in arrays.items()})
    return b"".join(frame.encode(golden.join(inputs, moved)))


def external_elsewhere(data):
    """Return a model with a weight in another file."""
    model = onnx.load_model_from_string(data)
    entries = [e for w in model.graph.initializer for e in w.external_data if e.key == "location"]
    assert entries
    for entry in entries:
        entry.value = "../../../../../../etc/passwd"
    return model.SerializeToString()


def unknown_domain(data):
    """Return a model with an operator of somebody's own."""
    model = onnx.load_model_from_string(data)
    model.graph.node[0].domain = "evil.corp"
    model.opset_import.append(onnx.helper.make_opsetid("evil.corp", 1))
    return model.SerializeToString()


def no_model(data):
    """Return half a model."""
    return data[: len(data) // 2]


CASES = {
    "golden": ("golden.frame", other_golden, "segment.golden_differs"),
    "external": ("segment.onnx", external_elsewhere, "model."),
    "domain": ("segment.onnx", unknown_domain, "model."),
    "truncated": ("segment.onnx", no_model, "model."),
}


@pytest.fixture(scope="module")
def served(shared_place, chain):
    """Three devices that serve a good split."""
    shared_place.start("d1", "d2", "d3")
    shared_place.deploy(chain.folder, "d1", "d2", "d3")
    return shared_place


@pytest.mark.parametrize("name", CASES)
def test_the_deploy_fails_and_the_devices_go_back(served, chain, tmp_path, name):
    """The reason is told, nothing of it serves, and what ran before runs on."""
    file, change, code = CASES[name]
    before = {device: served.assignment(device) for device in ("d1", "d2", "d3")}
    route = served.ear.last("route", "p")
    folder = chain.changed(tmp_path / "split", 1, file, change)

    with pytest.raises(DeployFailedError) as caught:
        served.deploy(folder, "d1", "d2", "d3")
    until(lambda: all(len(served.reported(d).assignments) == 1 for d in before), "going back")

    (where, why) = next(iter(caught.value.reasons.items()))
    assert where.startswith("d2")
    assert why.startswith(code)
    assert caught.value.restored
    assert {device: served.assignment(device).pid for device in before} == {
        device: told.pid for device, told in before.items()
    }
    assert all(alive(told.pid) for told in before.values())
    assert served.ear.last("route", "p") == route
    assert chain.right(0, served.site.pipeline("p").run(chain.inputs(0)))
    phases = {
        assignment.phase
        for heard in served.ear.all("reported", "d2")
        for assignment in heard.message.assignments
        if assignment.generation > before["d2"].generation
    }
    assert "serving" not in phases


def test_a_first_deploy_that_fails_leaves_nothing(place, whole, tmp_path):
    """No route, no worker, no segment."""
    folder = whole.changed(tmp_path / "split", 0, "golden.frame", other_golden)
    place.start("d1")

    with pytest.raises(DeployFailedError):
        place.deploy(folder, "d1")

    until(lambda: place.reported("d1").assignments == (), "an empty report")
    until(lambda: not place.workers("d1") and not place.segments("d1"), "nothing left")
    assert place.ear.last("route", "p") is None
