"""Deploys that do not come about: the devices are put back to what they ran."""

import pytest

from fleet.control.deploy_errors import (
    DeployRefusedError,
    DeployTimeoutError,
    DeployUnfetchedError,
    DevicesAbsentError,
    NotDeployedError,
    OrdersGarbledError,
    OrdersUnknownError,
)
from fleet.control.observe import Observer
from fleet.control.pipeline_status import pipeline_status
from fleet.control.undeploy import UndeployRefusedError
from tests.system.place import PATIENCE_SECONDS, until
from wire import signing

DEVICES = ("d1", "d2")


@pytest.fixture
def stranger():
    """A key that no device trusts."""
    return signing.private_key(signing.new_private_key(), "a stranger's key")


@pytest.fixture
def orders(place):
    """Return a function that gives what stands on each device's ``desired``."""

    def orders():
        with Observer(place.site.session, place.topics) as seen:
            seen.watch_devices(DEVICES)
            seen.wait(lambda: all(d.desired for d in seen.devices().values()), PATIENCE_SECONDS)
            return [seen.device(device).desired for device in DEVICES]

    return orders


def status(place, pipeline="p"):
    """Return how a pipeline is, once nothing is on its way any more."""
    with Observer(place.site.session, place.topics) as seen:
        seen.watch_route(pipeline)
        seen.watch_devices(DEVICES)

        def settled():
            found = pipeline_status(pipeline, seen.route(pipeline), seen.devices())
            return found if found.state == "serving" and not found.others else None

        return seen.wait(settled, PATIENCE_SECONDS)


def test_a_deploy_that_comes_too_late_is_taken_back(place, slow_chain, chain, tmp_path):
    """Nobody serves the files: what ran goes on, and the reason names device and phase."""
    place.start(*DEVICES)
    before = place.deploy(slow_chain.folder, *DEVICES)

    with pytest.raises(DeployTimeoutError, match="d1, 00-head: still fetching") as caught:
        place.deploy(chain.folder, "d1", "d1", "d2", serve=None, timeout_seconds=8.0)
    assert caught.value.restored
    assert {s.generation for s in status(place).stages} == {before.generation}


def test_a_key_that_no_device_trusts_changes_nothing(place, slow_chain, stranger, orders):
    """Refused by each device; its orders stand again as they stood, byte by byte."""
    place.start(*DEVICES)
    place.deploy(slow_chain.folder, *DEVICES)
    before = orders()
    trusted, place.key = place.key, stranger

    with pytest.raises(OrdersUnknownError, match="not given by us"):
        place.deploy(slow_chain.folder, *DEVICES)
    with pytest.raises(DeployRefusedError, match=r"d2, 01-tail: signature\.refused"):
        place.deploy(slow_chain.folder, *DEVICES, force=True)
    with pytest.raises(OrdersUnknownError):
        place.undeploy()
    assert orders() == before
    place.key = trusted
    assert status(place) is not None


def test_an_undeploy_that_is_refused_leaves_route_and_orders(place, slow_chain, stranger, orders):
    """Also when it is forced."""
    from fleet.control.undeploy import UndeployRequest, undeploy

    place.start(*DEVICES)
    place.deploy(slow_chain.folder, *DEVICES)
    before = orders()
    request = UndeployRequest(topics=place.topics, pipeline="p", force=True)

    with pytest.raises(UndeployRefusedError, match=r"signature\.refused"):
        undeploy(request, place.site.session, stranger)
    assert orders() == before
    assert status(place) is not None


def test_another_pipeline_is_left_alone_and_numbers_grow_over_an_undeploy(place, slow_chain):
    """A device refuses a generation that it has seen: nothing on the broker shows it any more."""
    place.start(*DEVICES)
    first = place.deploy(slow_chain.folder, *DEVICES)
    other = place.deploy(slow_chain.folder, *DEVICES, name="other")
    moved = place.deploy(slow_chain.folder, "d2", "d2")
    gone = place.undeploy()
    again = place.deploy(slow_chain.folder, "d1", "d1")

    assert first.generation < moved.generation < again.generation
    assert (gone.devices, gone.absent, gone.leftovers) == (("d2",), (), ())
    assert {s.generation for s in status(place, "other").stages} == {other.generation}


def test_devices_that_are_not_there_are_named(place, slow_chain):
    """Nothing is ordered from the others."""
    place.start("d1")
    until(lambda: place.ear.last("info", "d1") and place.reported("d1"), "info and report of d1")

    with pytest.raises(DevicesAbsentError, match="device d9: has never been seen"):
        place.deploy(slow_chain.folder, "d1", "d9", ready_seconds=4.0)
    with pytest.raises(NotDeployedError):
        place.undeploy()
    assert place.reported("d1").observed == (0, 0)


def test_a_device_that_fetches_elsewhere_ends_a_deploy_at_its_first_attempt(place, slow_chain):
    """Long before it gives up; both addresses are named. Noise in the place of orders is, too."""
    origin = f"http://127.0.0.1:{place.port()}"
    place.start("d1", artifacts={"origin": origin})
    place.order("d1", b"noise")

    with pytest.raises(OrdersGarbledError, match="replace it with --force"):
        place.deploy(slow_chain.folder, "d1", "d1")
    with pytest.raises(DeployUnfetchedError, match="no file after 1 attempt") as caught:
        place.deploy(slow_chain.folder, "d1", "d1", force=True)

    assert f"served at {place.artifacts} (--serve)" in str(caught.value)
    assert f"d1 fetches from {origin} (artifacts.origin)" in str(caught.value)
    assert caught.value.restored
