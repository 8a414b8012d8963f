"""A name that resolves late, a network that goes silent: said, and healed by itself."""

import contextlib
import shutil
import subprocess
import sys

import psutil
import pytest

from paceline.demo import broker_kinds
from paceline.demo.processes import Child
from tests.system.conftest import missing
from tests.system.place import PATIENCE_SECONDS, Place, free_port, until

AGENT = [sys.executable, "-I", "-m", "agent"]


def allowed(*command):
    """Run a command that needs to be root; skips where that is not allowed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"{' '.join(command[:4])} is not allowed here: {ended.stderr[:200]!r}")


def test_a_name_that_resolves_late(place, whole):
    """The resolver fails at first; once it knows the name, the agent is there without help."""
    allowed("unshare", "--mount", "true")
    hosts = place.folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    own_hosts = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    place.programs["d1"] = ["unshare", "--mount", "sh", "-c", own_hosts, "sh", *AGENT]
    port = place.broker.url.rpartition(":")[2]

    place.start("d1", broker={"url": f"mqtt://broker.invalid:{port}"}, insecure=True)
    until(lambda: place.log("d1", "broker.not_connected"), "the reason")
    before = psutil.Process(place.agents["d1"].pid).cpu_times()
    hosts.write_text("127.0.0.1 localhost broker.invalid\n")
    until(lambda: place.status("d1"), "the birth")

    (told,) = place.log("d1", "broker.not_connected")
    assert told["code"] == "broker.unreachable"
    assert "name" in told["reason"].lower()
    assert before.user < PATIENCE_SECONDS


class Wire:
    """A network of two ends: ours, and that of a namespace; it can be cut."""

    ours, theirs = "10.213.77.1", "10.213.77.2"

    def __init__(self):
        self.name = "paceline-test"
        allowed("ip", "netns", "add", self.name)
        allowed("ip", "link", "add", "pcl0", "type", "veth", "peer", "pcl1", "netns", self.name)
        self.run("ip", "address", "add", f"{self.ours}/30", "dev", "pcl0")
        self.run("ip", "link", "set", "pcl0", "up")
        inside = ["ip", "-n", self.name]
        self.run(*inside, "address", "add", f"{self.theirs}/30", "dev", "pcl1")
        self.run(*inside, "link", "set", "pcl1", "up")
        self.run(*inside, "link", "set", "lo", "up")
        self.program = ["ip", "netns", "exec", self.name, *AGENT]

    @staticmethod
    def run(*command):
        """Run a command that must succeed."""
        subprocess.run(command, check=True, capture_output=True)

    def cut(self):
        """Let nothing through any more; neither side is told."""
        self.run("ip", "-n", self.name, "link", "set", "pcl1", "down")

    def mend(self):
        """Let everything through."""
        self.run("ip", "-n", self.name, "link", "set", "pcl1", "up")

    def close(self):
        """Remove it."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "pcl0"], check=False, capture_output=True)


@pytest.fixture
def wire():
    """A wire to a device."""
    made = Wire()
    yield made
    made.close()


class WiredBroker:
    """A mosquitto on our end of the wire."""

    def __init__(self, folder, address):
        if reason := missing(broker_kinds.MOSQUITTO):
            pytest.skip(reason)
        port = free_port()
        self.url = f"mqtt://{address}:{port}"
        config = broker_kinds.mosquitto_config(port, root=True)
        file = folder / "mosquitto.conf"
        file.write_text(config.replace("127.0.0.1", address))
        (*program, flag) = broker_kinds.find(broker_kinds.MOSQUITTO).program
        self._child = Child([*program, flag, str(file)], log=folder / "mosquitto.log")

    def stop(self):
        """Stop it."""
        self._child.stop()


@pytest.fixture
def wired(wire, tmp_path):
    """A site whose device sits at the other end of a wire."""
    broker = WiredBroker(tmp_path, wire.ours)
    place = Place(tmp_path, broker)
    place.artifacts = f"{wire.ours}:{place.port()}"
    place.programs["d1"] = wire.program
    yield place
    wire.mend()
    place.end()
    broker.stop()


def test_a_network_that_goes_silent(wired, wire, whole):
    """Keep-alive ends what no packet ended; the will is said; all comes back on the same worker."""
    broker = {"url": wired.broker.url, "keepalive_seconds": 5, "max_packet_bytes": 8 << 20}
    wired.start("d1", broker=broker, insecure=True)
    wired.deploy(whole.folder, "d1")
    worker = wired.assignment("d1").pid
    pipeline = wired.site.pipeline("p")
    assert whole.right(0, pipeline.run(whole.inputs(0)))

    wire.cut()
    until(lambda: wired.log("d1", "broker.lost"), "the agent's notice")
    until(lambda: wired.status("d1").state == "lost", "the will")
    until(lambda: wired.log("d1", "broker.not_connected"), "the reason")
    wire.mend()
    until(lambda: wired.status("d1").state == "online", "the agent")

    assert wired.assignment("d1").pid == worker
    assert whole.right(1, answered(pipeline, whole, 1))


def answered(pipeline, whole, number):
    """Return the answer to a frame; one that the dead connection had is sent again."""
    from paceline.errors import FrameFailedError

    for _ in range(20):
        with contextlib.suppress(FrameFailedError):
            return pipeline.run(whole.inputs(number))
    return pipeline.run(whole.inputs(number))
