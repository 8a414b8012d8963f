"""A broker that keeps nothing over a restart: deploys go on with what the devices hold."""

import pytest

from fleet.control.deploy_errors import OrdersUnknownError
from tests.system.place import PATIENCE_SECONDS, Place, until
from wire import signing

DEVICES = ("d1", "d2")


@pytest.fixture
def forgotten(place, slow_chain):
    """A site that serves two pipelines, after its broker has lost everything."""
    place.start(*DEVICES)
    place.deploy(slow_chain.folder, *DEVICES)
    place.deploy(slow_chain.folder, *DEVICES, name="other")
    place.restart_broker()
    return place


def pids(place, pipeline):
    """Return the processes that serve a pipeline, by device."""
    return {
        device: {a.pid for a in place.reported(device).assignments if a.pipeline == pipeline}
        for device in DEVICES
    }


@pytest.mark.on_each_broker
def test_a_second_generation_needs_no_force_and_others_go_on(forgotten, slow_chain):
    """Devices prove by what order they run; the other pipeline's workers never notice."""
    before = pids(forgotten, "other")
    second = forgotten.deploy(slow_chain.folder, *DEVICES)
    pipeline = forgotten.site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)

    assert slow_chain.right(1, pipeline.run(slow_chain.inputs(1)))
    assert (pipeline.route.generation, second.leftovers) == (second.generation, ())
    assert second.was_lost == DEVICES
    assert pids(forgotten, "other") == before


def test_an_undeploy_needs_no_force_and_others_go_on(forgotten):
    """Its devices are named, since the route that names them is lost as well."""
    before = pids(forgotten, "other")
    gone = forgotten.undeploy(devices=DEVICES)

    assert (gone.devices, gone.absent, gone.leftovers) == (DEVICES, (), ())
    until(lambda: not any(pids(forgotten, "p").values()), "the end of p")
    assert pids(forgotten, "other") == before


def test_a_stranger_still_cannot_carry_on_what_devices_run(forgotten: Place, slow_chain):
    """The device gives its orders to anyone; only the right key proves them."""
    forgotten.key = signing.private_key(signing.new_private_key(), "a stranger's key")

    with pytest.raises(OrdersUnknownError, match=r"d1: runs other, p, and .* not given by us"):
        forgotten.deploy(slow_chain.folder, *DEVICES)
