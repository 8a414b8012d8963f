"""A stage on two devices, with real agents: one dies, comes back, and no frame is lost."""

import os
import signal

from tests.system.feeding import Feeding
from tests.system.place import until
from wire.messages import Batching


def ran(place, device, since=0):
    """Whether a device's worker has run frames, as telemetry tells from that message on."""
    told = place.ear.all("tele/latency", device)[since:]
    return any(stage.counts.run for heard in told for stage in heard.message.stages)


def test_a_replica_that_is_killed_costs_no_frame(place, slow_chain):
    """Agent and worker end at once; the other runs what they held; back again, both run."""
    place.start("d1", "d2", "d3")
    made = place.deploy(slow_chain.folder, "d1", "d2+d3")

    with Feeding(place.site.pipeline("p"), slow_chain, window=6) as feeding:
        feeding.more(20)
        until(lambda: ran(place, "d2") and ran(place, "d3"), "frames on both replicas")
        place.kill("d3")
        feeding.more(40)
        before = len(place.ear.all("tele/latency", "d3"))
        place.start("d3")
        until(lambda: ran(place, "d3", before), "frames on the replica that came back")
        feeding.more(5)

    assert [(s.stage, s.device) for s in made.stages] == [(0, "d1"), (1, "d2"), (1, "d3")]
    assert feeding.errors == {}


def test_replicas_of_the_entry_move_with_the_route(place, slow_chain):
    """Clients share the entry's replicas, also those of the next generation."""
    place.start("d1", "d2", "d3")
    place.deploy(slow_chain.folder, "d1+d2", "d3")

    with Feeding(place.site.pipeline("p"), slow_chain, window=6) as feeding:
        feeding.more(20)
        os.kill(place.assignment("d1").pid, signal.SIGKILL)
        feeding.more(20)
        place.deploy(slow_chain.folder, "d2", "d3+d1")
        feeding.more(20)
    place.undeploy()

    until(lambda: not any(map(place.workers, ("d1", "d2", "d3"))), "the end of every worker")
    assert feeding.errors == {}


def test_frames_that_wait_run_at_once(place, batch_chain):
    """Answers are those of the whole model, whoever they ran with."""
    place.start("d1", "d2")
    batching = Batching(max_frames=4, max_wait_seconds=0.02)
    place.deploy(batch_chain.folder, "d1", "d2", batching=batching)

    with Feeding(place.site.pipeline("p"), batch_chain, window=8) as feeding:
        feeding.more(60)
        latency = until(lambda: place.ear.last("tele/latency", "d1"), "counts of d1")
        until(
            lambda: place.ear.last("tele/latency", "d1").stages[0].counts.batches,
            lambda: f"a batch on d1; {latency}",
        )

    assert feeding.errors == {}
