"""A disk that is full, read-only, broken, slow or wrong: what ran goes on, all heals by itself."""

import base64
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys

import psutil
import pytest

from agent import journal_file
from fleet import artifacts
from fleet.control import assignments
from tests.system import faulty_disk
from tests.system.place import alive, until
from wire import canonical

DEVICE = "d1"


class Served:
    """A device that serves generation 1 of the quick model, and what may be ordered next."""

    def __init__(self, place, whole):
        self.place, self.whole = place, whole
        self.state = place.folder / DEVICE

    def begin(self):
        """Start the device and serve."""
        self.place.start(DEVICE)
        self.give(1)
        self.first = self.place.await_phase(DEVICE, "serving")
        return self

    def give(self, generation, padding=0):
        """Order one generation alone, in a message with so many bytes that say nothing."""
        (wanted,) = assignments.assignments(self.whole.manifest, "p", generation, (DEVICE,))
        plain = json.loads(self.place.desired(DEVICE, [wanted], revision=generation))
        del plain["signature"]
        plain["padding"] = "x" * padding
        signature = base64.b64encode(self.place.key.sign(canonical.encode(plain))).decode()
        made = canonical.encode({**plain, "signature": f"ed25519:{signature}"})
        self.place.order(DEVICE, made)

    def await_refusal(self, code):
        """Wait until orders are refused for this reason, in the report and in the health."""
        reported = self.place.reported
        until(
            lambda: (r := reported(DEVICE).refused) and r.code == code,
            lambda: f"{code}; said {reported(DEVICE)}",
        )
        until(lambda: code in self.place.problems(DEVICE), f"{code} in the health")

    def serves_on(self):
        """Assert that the first worker is what serves."""
        assert self.place.agents[DEVICE].poll() is None
        assert self.place.assignment(DEVICE).pid == self.first.pid
        assert alive(self.first.pid)
        self.place.ask(DEVICE, "ping")

    def healed(self, generation):
        """Wait until a generation serves and nothing is complained of."""

        def served():
            told = self.place.assignment(DEVICE)
            return told and (told.generation, told.phase) == (generation, "serving")

        until(served, lambda: f"generation {generation}; said {self.place.reported(DEVICE)}", 60)
        until(lambda: self.place.reported(DEVICE).refused is None, "the end of the refusal")
        complaint = {"journal.unwritable", "journal.slow", "journal.corrupt", "store.full"}
        until(lambda: not complaint & self.place.problems(DEVICE), "the end of the complaint")
        assert self.place.log(DEVICE, "agent.crashed", "assignment.mishandled") == []
        assert "Traceback" not in (self.place.folder / f"{DEVICE}.log").read_text()


@pytest.fixture
def served(place, whole):
    """A device and its artifacts."""
    with artifacts.serve([whole.folder], place.artifacts):
        yield Served(place, whole)


@pytest.fixture
def own_disk(place):
    """A small file system of its own as the device's state folder."""
    folder = place.folder / DEVICE
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode()!r}")
    yield folder
    with contextlib.suppress(KeyError):
        place.agents[DEVICE].stop()
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    """Fill a disk to the last byte; returns the file that did."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return ballast


def test_a_full_disk_takes_no_order(served, own_disk):
    """The order is refused and what ran goes on; with room again it is taken up by itself."""
    served.begin()
    ballast = fill(own_disk)

    served.give(2, padding=60_000)  # a small one finds the room of the version before
    served.await_refusal("journal.unwritable")
    served.serves_on()
    ballast.unlink()

    served.healed(2)


def test_a_disk_without_room_for_a_segment(served, own_disk):
    """The assignment fails with store.full and is tried again until there is room."""
    ballast = own_disk / "ballast"
    ballast.write_bytes(bytes(16 << 20))
    served.place.start(DEVICE)

    served.give(1)
    served.place.await_phase(DEVICE, "failed", code="store.full")
    until(lambda: "store.full" in served.place.problems(DEVICE), "the complaint")
    ballast.unlink()

    served.healed(1)


def test_a_disk_that_was_mounted_read_only(served, own_disk):
    """Also an agent that starts on it runs what it knows; written again, it takes the order."""
    served.begin()
    subprocess.run(["mount", "-o", "remount,ro", own_disk], check=True)
    session = served.place.status(DEVICE).session

    served.give(2)
    served.await_refusal("journal.unwritable")
    served.serves_on()
    workers = served.place.kill(DEVICE)
    served.place.start(DEVICE)
    served.place.await_phase(DEVICE, "serving", without=workers)
    served.await_refusal("journal.unwritable")
    assert served.place.assignment(DEVICE).generation == 1
    assert served.place.status(DEVICE).session > session
    subprocess.run(["mount", "-o", "remount,rw", own_disk], check=True)

    served.healed(2)


@pytest.fixture
def rules(place):
    """A function that says what the disk of the device does; see `faulty_disk`."""
    file = place.folder / f"{DEVICE}.rules"
    disk = place.folder / DEVICE
    disk.mkdir()
    place.programs[DEVICE] = [sys.executable, "-I", faulty_disk.__file__, str(file)]
    renamed = file.with_suffix("")
    assert renamed == disk

    def say(**told):
        beside = file.with_suffix(".next")
        beside.write_text(json.dumps(told))
        beside.replace(file)

    return say


def test_a_disk_with_errors_takes_no_order(served, rules):
    """EIO when the journal is written: refused, and obeyed once the disk is well."""
    served.begin()
    rules(fsync={"error": "EIO"})

    served.give(2)
    served.await_refusal("journal.unwritable")
    served.serves_on()
    rules()

    served.healed(2)


@pytest.mark.parametrize(("error", "code"), [("ENOSPC", "store.full"), ("EIO", "store.io")])
def test_a_disk_that_fails_in_a_download(served, rules, error, code):
    """The assignment fails by name and is tried again."""
    served.place.start(DEVICE)
    until(lambda: served.place.reported(DEVICE), "a report")
    rules(pwrite={"error": error})

    served.give(1)
    served.place.await_phase(DEVICE, "failed", code=code)
    rules()

    served.healed(1)


def test_a_slow_disk_holds_up_nothing_else(served, rules):
    """While a save does not end, telemetry and answers go on, and the reason is said."""
    served.begin()
    served.place.ask(DEVICE, "watch")
    rules(fsync={"held": True})

    served.give(2)
    until(lambda: "journal.slow" in served.place.problems(DEVICE), "journal.slow")
    heard = len(served.place.ear.all("tele/health", DEVICE))
    until(lambda: len(served.place.ear.all("tele/health", DEVICE)) >= heard + 4, "telemetry")
    served.serves_on()
    assert "journal.slow" in served.place.problems(DEVICE)
    rules()

    served.healed(2)


def test_no_more_files(served):
    """EMFILE: no worker can be started and that is said; with files again one is."""
    served.begin()
    agent = served.place.agents[DEVICE].pid
    before = resource.prlimit(agent, resource.RLIMIT_NOFILE)
    resource.prlimit(agent, resource.RLIMIT_NOFILE, (3, before[1]))  # what is open stays open
    psutil.Process(served.first.pid).kill()

    served.place.await_phase(DEVICE, "failed", code="worker.not_started")
    served.place.ask(DEVICE, "ping")
    resource.prlimit(agent, resource.RLIMIT_NOFILE, before)

    served.place.await_phase(DEVICE, "serving", without={served.first.pid, None})
    assert served.place.agents[DEVICE].poll() is None
    assert "Traceback" not in (served.place.folder / f"{DEVICE}.log").read_text()


def test_a_byte_that_flipped_in_the_store(served):
    """Found when the segment is taken up again: it is fetched anew and served."""
    served.begin()
    workers = served.place.kill(DEVICE)
    (segment,) = served.place.segments(DEVICE)
    weights = served.state / "store" / segment / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.chmod(0o600)
    weights.write_bytes(data)

    served.place.start(DEVICE)
    served.place.await_phase(DEVICE, "serving", without=workers)

    assert len(served.place.log(DEVICE, "segment.found_corrupt")) == 1
    assert weights.read_bytes() != bytes(data)


@pytest.mark.parametrize("names", [["journal.json"], ["journal.json", "journal.json.previous"]])
def test_a_journal_that_is_none(served, names):
    """It is kept aside and said; the broker's order is obeyed, no session number goes back."""
    served.begin()
    session = served.place.status(DEVICE).session
    workers = served.place.kill(DEVICE)
    for name in names:
        (served.state / name).write_bytes(os.urandom(300))

    served.place.start(DEVICE)
    served.place.await_phase(DEVICE, "serving", without=workers)

    assert len(served.place.log(DEVICE, "journal.found_corrupt")) == 1
    assert (served.state / "journal.json.corrupt-1").exists()
    until(lambda: served.place.status(DEVICE).session > session, "a later session")
    served.healed(1)


def test_a_state_folder_that_was_deleted_is_made_again(served):
    """Somebody tidied up under a running agent: the next order is kept, fetched and served."""
    served.begin()
    kept = served.place.segments(DEVICE)
    shutil.rmtree(served.state)
    served.give(2)

    served.healed(2)
    assert served.place.segments(DEVICE) == kept
    assert journal_file.load(served.state).journal.generations == {"p": 2}
