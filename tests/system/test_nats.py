"""A whole pipeline on a broker that speaks MQTT 3.1.1 and nothing newer: NATS."""

import os
import signal

from tests.system.feeding import Feeding
from tests.system.nats_broker import NatsBroker
from tests.system.place import Place, until


def test_a_pipeline_on_nats(tmp_path, slow_chain):
    """Deployed, served, a worker killed, deployed again, taken off: no frame is lost."""
    with NatsBroker(tmp_path / "nats") as broker:
        place = Place(tmp_path, broker)
        try:
            place.start("d1", "d2")
            place.deploy(slow_chain.folder, "d1", "d2")
            with Feeding(place.site.pipeline("p"), slow_chain, window=4) as feeding:
                feeding.more(20)
                os.kill(place.assignment("d2").pid, signal.SIGKILL)
                feeding.more(20)
                place.deploy(slow_chain.folder, "d2", "d1")
                feeding.more(20)
            place.undeploy()
            until(lambda: not any(map(place.workers, ("d1", "d2"))), "the end of every worker")
        finally:
            place.end()

    assert feeding.errors == {}
