"""The broker goes away and comes back while frames flow."""

import pytest

from tests.system.feeding import Feeding


@pytest.mark.on_each_broker
def test_everything_recovers_by_itself(place, slow_chain):
    """Frames under way end with a reason, later ones are answered, no worker was started again."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    pids = [place.assignment(device).pid for device in ("d1", "d2")]

    with Feeding(place.site.pipeline("p"), slow_chain, window=6, deadline_seconds=10.0) as feeding:
        feeding.more()
        place.broker.restart()
        feeding.more(20)

    print(f"errors: {dict(feeding.errors)}")
    assert set(feeding.errors) <= {"link.lost", "frame.deadline", "worker.lost"}
    assert [place.assignment(device).pid for device in ("d1", "d2")] == pids
    assert [place.status(device).state for device in ("d1", "d2")] == ["online"] * 2
