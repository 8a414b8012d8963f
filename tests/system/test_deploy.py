"""Deploy, run, deploy again, undeploy: real agents, real brokers, a real runtime."""

import pytest

import paceline
from fleet import keys
from fleet.split_folder import SEGMENTS_FOLDER
from tests.system.feeding import Feeding
from tests.system.place import PATIENCE_SECONDS, alive, until

DEVICES = ("d1", "d2", "d3")


@pytest.mark.on_each_broker
def test_a_model_over_three_agents(place, chain):
    """Whole-model answers; what runs is said; a new generation loses nothing; then all is gone."""
    place.start(*DEVICES)

    first = place.deploy(chain.folder, *DEVICES)
    pipeline = place.site.pipeline("p")
    told = [place.assignment(device) for device in DEVICES]
    segments = {device: place.segments(device) for device in DEVICES}

    assert chain.right(0, pipeline.run(chain.inputs(0)))
    assert [place.status(device).state for device in DEVICES] == ["online"] * 3
    assert [(a.phase, a.stage, a.generation) for a in told] == [
        ("serving", stage, first.generation) for stage in range(3)
    ]
    assert {(a.runtime_asked, a.runtime_actual) for a in told} == {("onnx_cpu", "onnx_cpu")}
    assert [segments[device] for device in DEVICES] == [{a.digest} for a in told]
    assert [place.workers(device) for device in DEVICES] == [{a.pid} for a in told]

    with Feeding(pipeline, chain) as feeding:
        feeding.more()
        second = place.deploy(chain.folder, *DEVICES)
        feeding.more()

    assert second.generation > first.generation
    assert second.leftovers == ()
    assert feeding.errors == {}
    assert pipeline.route.generation == second.generation
    until(lambda: not any(alive(a.pid) for a in told), "the end of the old workers")

    place.undeploy()

    until(lambda: place.ear.last("route", "p") is None, "the cleared route")
    until(lambda: not any(place.workers(device) for device in DEVICES), "the end of the workers")
    until(lambda: not any(place.segments(device) for device in DEVICES), "the empty stores")
    until(lambda: not any(place.reported(d).assignments for d in DEVICES), "the empty reports")


def test_the_python_interface(place, chain, monkeypatch, tmp_path):
    """deploy_model and deploy_submodel, with the user's own key and record."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    address = f"127.0.0.1:{place.port()}"
    place.key = keys.load_or_make(tmp_path / "config" / "paceline" / "signing.key")
    place.public.write_bytes(keys_public(place.key))
    place.start(*DEVICES[:2], artifacts={"origin": f"http://{address}"})
    for device in DEVICES[:2]:
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")

    with paceline.connect(place.broker.url) as site:
        pipeline = site.deploy_model(
            chain.model, devices=DEVICES[:2], name="model", serve=address, link="auto"
        )
        numbers = range(5)
        answers = list(pipeline.stream(chain.inputs(n) for n in numbers))
        segment = chain.folder / SEGMENTS_FOLDER / chain.manifest.segments[0].name
        head = site.deploy_submodel(segment, DEVICES[0], name="head", serve=address, link="uds")
        given = head.run(chain.inputs(0))
        until(lambda: head.run(chain.inputs(0)) and head.account.links == {DEVICES[0]: "uds"})
        whole = pipeline.run(chain.inputs(1))

    assert [chain.right(n, a.tensors) for n, a in zip(numbers, answers, strict=True)] == [True] * 5
    assert chain.right(1, whole)
    assert set(given) == {spec.name for spec in chain.manifest.segments[0].outputs}
    both = {"model": "serving", "head": "serving"}
    until(lambda: {a.pipeline: a.phase for a in place.reported(DEVICES[0]).assignments} == both)


def keys_public(key):
    """Return the public half of a key as a PEM file's bytes."""
    from wire import signing

    return signing.public_pem(key)


def test_two_clients_at_once(place, chain):
    """Each gets its own answers."""
    place.start("d1")
    place.deploy(chain.folder, "d1", "d1", "d1")
    with paceline.connect(place.broker.url) as other:
        first = Feeding(place.site.pipeline("p"), chain)
        second = Feeding(other.pipeline("p", timeout_seconds=PATIENCE_SECONDS), chain)
        with first, second:
            first.more(20)
            second.more(20)

    assert (first.errors, second.errors) == ({}, {})
