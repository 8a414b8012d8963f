"""A new assignment is accepted, stored and switched to; the power goes at each step in turn.

What the model of a power cut covers, and what not, is told in `tests.unit.agent.power_cut`.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.artifacts.fetch import Fetcher
from agent.artifacts.origin import Origin
from agent.artifacts.store import Store
from agent.config import Config, Trust
from agent.lifecycle import State
from agent.refusals import Refusals
from agent.supervisor import state_folder
from agent.supervisor.orders import Orders
from tests.unit.agent.power_cut import Recorder, build
from wire import messages, signing
from wire.manifest import File, files_digest
from wire.messages import Assignment, Contract, Desired
from wire.tensors import TensorSpec

NAMES = ("golden.frame", "segment.onnx", "weights.bin")
SHARED = b"the same golden frame in both"
CONTENTS = {
    1: dict(zip(NAMES, (SHARED, b"the old graph", b"old weights" * 40), strict=True)),
    2: dict(zip(NAMES, (SHARED, b"the new graph", b"new weights" * 40), strict=True)),
}


def file_of(name, data):
    """Return a file as an assignment names it."""
    return File(name=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


FILES = {n: tuple(file_of(*item) for item in CONTENTS[n].items()) for n in CONTENTS}
DIGESTS = {n: files_digest(files) for n, files in FILES.items()}


BY_DIGEST = {f.sha256: CONTENTS[n][f.name] for n, files in FILES.items() for f in files}
ASKED = Counter()


class Served(BaseHTTPRequestHandler):
    """An origin that counts what it is asked."""

    def log_message(self, *args):
        """Stay silent."""

    def do_GET(self):
        """Send what is asked for, from where it is asked."""
        data = BY_DIGEST[self.path.removeprefix("/sha256/")]
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        ASKED["requests"] += 1
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:])


@pytest.fixture(scope="module")
def origin():
    """A real HTTP server on loopback."""
    server = HTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Origin(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def folder():
    """A folder where a thousand fsyncs cost nothing, if there is one."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None)).resolve()
    yield made
    shutil.rmtree(made)


class Device:
    """What a device decides and keeps, without its workers: one start of the agent."""

    def __init__(self, path, origin, key_file):
        config = Config(device="d", state_folder=path, trust=Trust(keys=(key_file,)))
        self.state = state_folder.opened(path)
        self.state.store._reserve_bytes = 0
        self.fetcher = Fetcher(self.state.store, origin)
        self.accepted = []
        self.orders = Orders(
            config, self.state, obey=self.accepted.append,
            changed=lambda: None, ask_again=lambda: None, refusals=Refusals(),
        )  # fmt: skip

    @property
    def store(self) -> Store:
        """Its segments."""
        return self.state.store

    def fetch(self, generation):
        """Bring a generation's segment here."""
        return self.fetcher.obtain("s", FILES[generation], cancel=threading.Event())

    def forget_others(self, generation):
        """Remove what this generation does not need."""
        partial = {file.sha256 for file in FILES[generation]}
        self.store.keep_only({DIGESTS[generation]}, partial)

    def end(self):
        """Let go of the folder."""
        self.orders.stop()
        self.state.release()


def assignment(generation):
    """Return the assignment of a generation."""
    tensors = (TensorSpec(name="x", dtype=1, shape=(1,)),)
    return Assignment(
        pipeline="p", generation=generation, stage=0, segment="s", format="onnx",
        files=FILES[generation], runtime="identity",
        contract=Contract(receives=tensors, sends=tensors, inputs=tensors, outputs=tensors),
    )  # fmt: skip


def ordered(key, generation):
    """Return a signed order of one generation."""
    made = Desired(
        site="default", device="d", epoch=1, revision=generation, issued_unix_ns=0,
        assignments=(assignment(generation),),
    )  # fmt: skip
    return messages.encode("desired", signing.signed(made, key))


async def switched(device, payload, generation, at=lambda _: None):
    """Accept, store, switch, forget; ``at`` is told when it counts and when it is there."""
    device.orders.take(payload)
    await device.orders.settle(10)
    at("accepted")
    device.fetch(generation)
    at("fetched")
    device.orders.progressed(assignment(generation).key, State.SERVING)
    device.orders.keep_only({assignment(generation).key})
    await device.orders.settle(10)
    device.forget_others(generation)


class Run(NamedTuple):
    """A recorded transaction."""

    record: object
    began: int
    """The step after which the agent's second start counts."""
    accepted: int
    """The step after which the new assignment counts."""
    fetched: int
    """The step after which its segment is never fetched again."""
    counter: int
    key_file: Path


@pytest.fixture(scope="module")
def run(folder, origin):
    """Generation 1 served, then an agent that starts and is ordered generation 2."""
    key = signing.private_key(signing.new_private_key(), "test")
    key_file = folder / "key.pub"
    key_file.write_bytes(signing.public_pem(key))
    path = folder / "state"

    async def before():
        device = Device(path, origin, key_file)
        await switched(device, ordered(key, 1), 1)
        descriptor = device.store.open_partial(FILES[2][2].sha256)
        os.write(descriptor, CONTENTS[2]["weights.bin"][:100])  # a download that was under way
        os.close(descriptor)
        device.end()

    async def recorded():
        marks = {}
        with Recorder(path) as record:
            device = Device(path, origin, key_file)
            marks["began"] = len(record.steps)
            device.orders.resume()
            await device.orders.settle(10)
            note = lambda what: marks.update({what: len(record.steps)})  # noqa: E731
            await switched(device, ordered(key, 2), 2, note)
        device.end()
        return record, marks, device.state.journal.start_counter

    asyncio.run(before())
    record, marks, counter = asyncio.run(recorded())
    return Run(record, marks["began"], marks["accepted"], marks["fetched"], counter, key_file)


def names(path):
    """Return everything under a folder."""
    return {str(found.relative_to(path)) for found in path.rglob("*")}


async def recovered(path, origin, run, step):
    """Start on what was left, check what is found, and finish it; returns the generation."""
    device = Device(path, origin, run.key_file)
    resumed = device.orders.resume()
    await device.orders.settle(10)
    try:
        (found,) = [taken.assignment for taken in resumed]
        generation = found.generation
        assert found == assignment(generation)
        assert (device.state.problem, device.orders.refused) == (None, None)
        if step >= run.accepted:
            assert generation == 2
        if step >= run.began:
            assert device.state.journal.start_counter > run.counter
        asked = ASKED["requests"]
        kept = device.store.has(FILES[generation])
        whole = device.fetch(generation)
        assert {p.name: p.read_bytes() for p in whole.iterdir()} == CONTENTS[generation]
        assert kept or step < run.fetched
        assert kept or generation == 2
        if kept:
            assert ASKED["requests"] == asked
        device.forget_others(generation)
        left = {"journal.json", "journal.json.previous", "store", "store/partial"}
        segment = f"store/{DIGESTS[generation]}"
        left |= {segment, *(f"{segment}/{name}" for name in NAMES)}
        assert names(path) == left
        return generation
    finally:
        device.end()


def test_every_step_is_a_place_where_the_power_may_go(run, folder, origin):
    """Exactly the old or the new assignment is found, its segment whole; nothing is left over."""
    outcomes = Counter()
    steps = len(run.record.steps)
    for step in range(steps + 1):
        for number, tree in enumerate(run.record.after(step)):
            path = folder / f"{step}-{number}"
            build(tree, path)
            try:
                outcomes[asyncio.run(recovered(path, origin, run, step))] += 1
            except BaseException as error:
                error.add_note(
                    f"step {step} ({run.record.steps[step - 1]}), state {number}: {tree}"
                )
                raise
            shutil.rmtree(path)

    print(f"{steps} steps, {sum(outcomes.values())} states: {dict(outcomes)}")
    assert set(outcomes) == {1, 2}
    assert steps > 50


CALLS = {
    "write": "write", "pwrite64": "write", "ftruncate": "truncate", "fsync": "fsync",
    "fchmod": "mode", "mkdir": "mkdir", "rename": "rename", "link": "link", "unlink": "unlink",
    "unlinkat": "unlink", "rmdir": "unlink",
}  # fmt: skip


def traced(log, path):
    """Return how often each call that changes the disk under ``path`` succeeded, as strace saw."""
    begun, seen = {}, Counter()
    for line in log.read_text().splitlines():
        process, text = line.split(None, 1)
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(process, "") + text.partition("resumed>")[2]
        if str(path) in text and " = -1 " not in text:
            seen[CALLS.get(text.partition("(")[0], text)] += 1
    return seen


def test_the_recorder_misses_nothing(folder, origin, run):
    """What strace sees of a whole start, switch and clean-up is what was recorded, call by call."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    build(next(run.record.after(0)), path := folder / "traced")
    log = folder / "strace.log"
    command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={','.join(CALLS)}", "-o", str(log)]
    strace = subprocess.Popen([*command, "-p", str(os.getpid())], stderr=subprocess.PIPE)
    try:
        if b"attached" not in (said := strace.stderr.readline()):
            pytest.skip(f"strace may not look at this process: {said!r}")
        with Recorder(path) as record:
            asyncio.run(recovered(path, origin, run, 0))
    finally:
        strace.terminate()
        strace.communicate()

    moves = [s for s in record.steps if s.call == "rename" and s.names[-1][2] is not None]
    noted = Counter(s.call for s in record.steps if s.call not in {"create", "rename"})
    noted["rename"], noted["unlink"] = len(moves), noted["unlink"] + noted.pop("rmdir", 0)
    assert traced(log, path) == noted
    assert min(noted[call] for call in ("write", "fsync", "rename", "link", "unlink")) > 0
