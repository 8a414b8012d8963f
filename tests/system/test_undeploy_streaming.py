"""A pipeline that is undeployed while a client streams: every frame ends once, and says how."""

import pytest

from paceline.errors import PipelineUndeployedError, PipelineUnknownError
from tests.system.feeding import Feeding, ended
from tests.system.place import PATIENCE_SECONDS, until
from wire import messages

HOW_FRAMES_END = {"worker.draining", "worker.lost", "pipeline.undeployed"}


def test_undeployed_while_a_client_streams(place, slow_chain):
    """The stream ends by itself with a true account, and goes on with what is deployed next."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    pipeline = place.site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)

    feeding = Feeding(pipeline, slow_chain).__enter__()
    feeding.more()
    place.undeploy()
    until(feeding._stopped.is_set, "the end of the stream")
    with pytest.raises(PipelineUndeployedError, match="in mid-stream"):
        feeding.stop()
    account = feeding.account

    assert feeding.unbalanced == []
    assert (account.in_flight, account.lost, account.drops) == (0, 0, 0)
    assert account.submitted == len(feeding.answers) == ended(account)
    assert set(account.errors) <= HOW_FRAMES_END
    assert account.errors.get("worker.draining", 0) < 100  # it was thousands without a pause
    assert [a.sequence for a in feeding.answers] == list(range(account.submitted))
    with pytest.raises(PipelineUnknownError, match="paceline deploy"):
        pipeline.run(slow_chain.inputs(0))

    place.deploy(slow_chain.folder, "d1", "d2")
    pipeline.wait_route(PATIENCE_SECONDS)
    assert slow_chain.right(0, pipeline.run(slow_chain.inputs(0)))


def test_a_route_that_is_gone_for_a_moment(place, whole):
    """No frame is lost while the route is away, and the stream goes on when it is back."""
    place.start("d1")
    place.deploy(whole.folder, "d1")
    topic = place.topics.topic("route", pipeline="p")
    pipeline = place.site.pipeline("p", timeout_seconds=PATIENCE_SECONDS)
    kept = messages.encode("route", pipeline.route)

    with Feeding(pipeline, whole) as feeding:
        feeding.more()
        place.ear.say(topic, b"", qos=1, retain=True)
        until(lambda: pipeline._route is None, "the cleared route")
        place.ear.say(topic, kept, qos=1, retain=True)
        feeding.more()

    assert feeding.errors == {}
