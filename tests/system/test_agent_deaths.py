"""Agents that are killed, started again, asked to end; and who believes what of them."""

import os
import signal

from fleet.control.observe import Observer
from tests.system.feeding import Feeding
from tests.system.place import PATIENCE_SECONDS, alive, until
from wire import messages


def test_a_killed_agent_leaves_no_orphan_and_resumes(place, chain):
    """Its workers end with it; started again it serves what it served, with nobody's help."""
    place.start("d1", "d2")
    place.deploy(chain.folder, "d1", "d2", "d2")
    pipeline = place.site.pipeline("p")
    before = place.status("d2").session

    workers = place.kill("d2")
    until(lambda: not any(map(alive, workers)), "the end of its workers")
    until(lambda: place.status("d2").state == "lost", "the will")
    place.start("d2")
    place.await_phase("d2", "serving", without=workers)
    until(lambda: len(place.workers("d2")) == 2, "both workers")

    assert len(workers) == 2
    assert place.status("d2").state == "online"
    assert place.status("d2").session >> 32 == (before >> 32) + 1
    assert chain.right(0, run(pipeline, chain))


def test_a_killed_agent_in_mid_stream(place, slow_chain):
    """What it held ends with a reason, the rest is answered once it is back; the sum holds."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")

    with Feeding(place.site.pipeline("p"), slow_chain) as feeding:
        feeding.more()
        place.kill("d2")
        place.start("d2")
        feeding.more(20)

    print(f"errors: {dict(feeding.errors)}")
    assert set(feeding.errors) <= {"worker.lost", "link.lost"}


def test_two_agents_cannot_share_a_state_folder(place):
    """The second says why and ends; the first goes on."""
    place.start("d1")
    until(lambda: place.status("d1"), "the birth")
    first = place.agents["d1"]
    place.start("d2", state_folder=str(place.folder / "d1"))

    assert place.agents["d2"].wait(PATIENCE_SECONDS) == 3
    assert "state_folder" in place.agents["d2"].log_tail()
    assert first.poll() is None


def test_an_agent_starts_without_the_broker(place, whole):
    """It takes its assignment from the journal, loads and warms, and serves when MQTT is back."""
    place.start("d1")
    place.deploy(whole.folder, "d1")
    pipeline = place.site.pipeline("p")
    workers = place.kill("d1")
    place.broker.stop()

    place.start("d1")
    until(lambda: place.workers("d1") - workers, "a worker without a broker")
    place.broker.start()

    place.await_phase("d1", "serving", without=workers)
    assert whole.right(0, run(pipeline, whole))


def test_sigterm_drains(place, slow_chain):
    """Frames in flight are answered, the agent says offline and exits with 0."""
    place.start("d1")
    place.deploy(slow_chain.folder, "d1", "d1")
    workers = place.workers("d1")
    with Feeding(place.site.pipeline("p"), slow_chain, window=3) as feeding:
        feeding.more()
        feeding.no_more()
        os.kill(place.agents["d1"].pid, signal.SIGTERM)
        code = place.agents["d1"].wait(PATIENCE_SECONDS)

    assert code == 0
    assert feeding.errors == {}
    assert not any(map(alive, workers))
    until(lambda: place.status("d1").state == "offline", "the goodbye")


def test_sigterm_of_an_agent_that_is_only_starting(place, whole):
    """There is nothing to drain: it ends at once and cleanly."""
    place.start("d1")
    until(lambda: place.status("d1"), "the birth")
    place.agents["d1"].stop(PATIENCE_SECONDS)

    assert place.agents["d1"].poll() == 0
    until(lambda: place.status("d1").state == "offline", "the goodbye")


def test_an_old_death_cannot_bury_a_new_birth(place):
    """A will of an earlier session that comes late is not believed, and not left standing."""
    place.start("d1")
    born = until(lambda: place.status("d1"), "the birth")
    old = messages.encode(
        "status", messages.Status(state="lost", session=born.session - 1, boot=born.boot)
    )
    with place._session() as session, Observer(session, place.topics) as seen:
        seen.watch_devices(["d1"])
        seen.wait(lambda: seen.device("d1").status, PATIENCE_SECONDS)

        place.ear.say(place.topics.device("status", "d1"), old, qos=1, retain=True)
        seen.ping(["d1"], PATIENCE_SECONDS)
        online = seen.device("d1").online

    assert online
    heard = place.ear.all
    until(lambda: "lost" in {h.message.state for h in heard("status", "d1")}, "the late will")
    until(lambda: place.status("d1").state == "online", "the birth, said again")
    assert place.status("d1").session == born.session


def run(pipeline, chain):
    """Return the outputs of frame 0; a frame that a dead worker had is sent again."""
    from paceline.errors import FrameFailedError

    for _ in range(5):
        try:
            return pipeline.run(chain.inputs(0))
        except FrameFailedError:
            continue
    return pipeline.run(chain.inputs(0))
