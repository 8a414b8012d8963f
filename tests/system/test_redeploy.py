"""What goes in order costs no frame: a generation that is replaced, an agent that stops."""

from tests.system.feeding import Feeding
from tests.system.place import PATIENCE_SECONDS, until


def test_a_redeploy_under_load_costs_no_frame(place, slow_chain):
    """More is under way than a stage runs within a second, and all of it is answered."""
    place.start("d1", "d2")
    first = place.deploy(slow_chain.folder, "d1", "d2")
    pipeline = place.site.pipeline("p")

    with Feeding(pipeline, slow_chain, window=24) as feeding:
        feeding.more(24)
        second = place.deploy(slow_chain.folder, "d1", "d2")
        until(lambda: pipeline.route.generation == second.generation, "the new route")
        feeding.more(8)

    assert second.generation > first.generation
    assert second.leftovers == ()
    assert feeding.errors == {}
    assert [a.sequence for a in feeding.answers] == list(range(len(feeding.answers)))


def test_agents_that_stop_and_come_back_cost_no_frame(place, chain):
    """Whoever has frames for one keeps them until it serves again."""
    place.start("d1", "d2")
    place.deploy(chain.folder, "d1", "d2", "d2")

    with Feeding(place.site.pipeline("p"), chain, rate=20.0) as feeding:
        for device in ("d1", "d2"):
            feeding.more(20)
            place.agents[device].stop(PATIENCE_SECONDS)
            assert place.workers(device) == set()
            place.start(device)
        feeding.more(20)

    assert feeding.errors == {}
    assert place.log("d1", "assignment.not_drained") == []
    assert place.log("d2", "assignment.not_drained") == []
