"""What is committed stays, what is not is lost whole; and writing goes on by itself afterwards."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from fleet.hub.store.errors import StoreUnavailableError
from fleet.hub.store.store import Store
from tests.system.hub_store.rows import NOW, batch, raw, rollup

BATCH = 200
WRITER = f"""
import sys
from fleet.hub.store.store import Store
from tests.system.hub_store.rows import *
store = Store.open(sys.argv[1])
print("ready", flush=True)
for n in range(100_000):
    rows = [raw(0, f"d{{i}}", session=n, payload=b"x" * 800) for i in range({BATCH})]
    store.write(batch(*rows, rollup(-n)))
    if n % 3 == 0:
        store.prune(NOW)
    print(n, flush=True)
"""


@pytest.mark.parametrize("after", [1, 12])
def test_kill_9_loses_the_batch_that_was_not_written_and_no_other(url, after):
    """The database opens again, each batch is there whole or not at all, and writing goes on."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(child.stdout.readline, "")
        assert next(lines) == "ready\n"
        while int(next(lines)) < after:
            pass
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in lines if line.endswith("\n")]
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    written = max([after, *said])

    store = Store.open(url)
    kept = [row.session for row in store.raw_since(0)]
    batches = sorted(set(kept))
    assert batches == list(range(len(batches)))
    assert {kept.count(n) for n in batches} == {BATCH}
    assert len(store.rollups("device", "pi-1", 0, NOW)) == len(batches)
    assert len(batches) - (written + 1) in {0, 1}
    store.write(batch(raw(1)))
    store.close()


def test_a_batch_that_fails_leaves_nothing(store):
    """Not even its first rows, and the next one is written."""
    with pytest.raises(TypeError):
        store.write(batch(raw(0), rollup(data=None)))
    with pytest.raises(Exception, match="database"):
        store.write(batch(raw(0), rollup(key=None)))

    assert list(store.raw_since(0)) == []
    store.write(batch(raw(0)))
    assert len(list(store.raw_since(0))) == 1


@pytest.fixture
def small_disk(request, tmp_path):
    """A disk of so many megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={request.param}m,mode=0700"
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no small disk here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def noise(number, rows, size):
    """Return a batch that does not become smaller."""
    return batch(*(raw(number, f"d{i}", payload=os.urandom(size)) for i in range(rows)))


def written_until_full(store):
    """Write batches of a hundred rows; return how many were written, and the error."""
    for n in range(10_000):
        try:
            store.write(noise(n, 100, 900))
        except StoreUnavailableError as error:
            return n, error
    raise AssertionError("the disk never was full")


@pytest.mark.parametrize("small_disk", [6], indirect=True)
def test_a_full_disk_stops_writing_until_there_is_room(small_disk):
    """What was written before is there, and can be read meanwhile."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    store = Store.open(f"sqlite:///{small_disk}/hub.db")
    written, error = written_until_full(store)

    assert error.retryable
    assert "has room" in str(error)
    assert len(list(store.raw_since(0))) == written * 100
    ballast.unlink()
    store.write(batch(raw(-1)))
    assert len(list(store.raw_since(0))) == written * 100 + 1
    store.close()


@pytest.mark.parametrize("small_disk", [128], indirect=True)
def test_a_disk_that_is_too_small_for_the_budget_never_is_full(small_disk):
    """The oldest goes before there is no room for the newest."""
    store = Store.open(f"sqlite:///{small_disk}/hub.db")
    for n in range(64):
        store.write(noise(10 * n, 2, 1 << 20 | 1))
        store.prune(raw(10 * n).sent_unix_ns)

    kept = sorted({row.sent_unix_ns for row in store.raw_since(0)})
    assert kept == [raw(10 * n).sent_unix_ns for n in range(64 - len(kept), 64)]
    assert 30 < len(kept) < 60
    store.close()


def test_a_server_that_goes_away_is_used_again_when_it_is_back(cluster):
    """With all that was committed, after errors that say that trying again is enough."""
    store = Store.open(cluster.url())
    store.write(batch(raw(0)))
    cluster.stop()
    try:
        for work in (
            lambda: store.write(batch(raw(1))),
            store.devices,
            lambda: store.prune(NOW),
            lambda: list(store.raw_since(0)),
        ):
            with pytest.raises(StoreUnavailableError):
                work()
    finally:
        cluster.start()
    store.write(batch(raw(2)))

    assert list(store.raw_since(0)) == [raw(0), raw(2)]
    store.close()


def test_a_connection_that_was_cut_is_made_again(cluster):
    """Nobody notices."""
    store = Store.open(cluster.url())
    ours = "FROM pg_stat_activity WHERE application_name = 'paceline-hub'"
    cluster.sql(f"SELECT pg_terminate_backend(pid) {ours}")
    store.write(batch(raw(0)))

    assert list(store.raw_since(0)) == [raw(0)]
    store.close()
