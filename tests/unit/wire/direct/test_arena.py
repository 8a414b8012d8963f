"""Frames through memory that two processes share: whole, bounded, and only where they belong."""

import errno
import fcntl
import mmap
import os
import queue
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from wire import frame
from wire.byte_stream import ByteStream
from wire.direct import arena
from wire.direct.arena import (
    ARENA_BYTES,
    BLOCKS,
    LEAST_BYTES,
    MARK,
    ArenaReader,
    ArenaWriter,
)
from wire.direct.connection import Connection, Events
from wire.errors import FrameError
from wire.frame import HEAD_BYTES, MAGIC, Frame, Kind, Tensor

SECONDS = 60.0
MOST = 1 << 30
BELL = struct.Struct("<4sBxHQQ40x")


def pair():
    """Both ends of a new arena."""
    reader = ArenaReader()
    writer = ArenaWriter(reader.descriptor)
    os.close(reader.descriptor)
    return reader, writer


def data(size_bytes, seed=0):
    """So many bytes, others for each seed."""
    return random.Random(f"{size_bytes} {seed}").randbytes(size_bytes)


def put(writer, content):
    """Put content that is all in one buffer."""
    return writer.put([content], len(content))


def place(bell):
    """Which block a bell is about, and where it begins."""
    _, _, block, begins, _ = BELL.unpack(bell)
    return block, begins


def an_encoded_frame(sequence, size_bytes):
    """A frame with one tensor, as it is handed to a connection."""
    tensor = Tensor("x", 2, (size_bytes,), memoryview(data(size_bytes, sequence)))
    return frame.encode(Frame(Kind.DATA, 1, sequence, tensors=(tensor,)))


# --- what goes in comes out


def test_a_frame_is_what_its_buffers_were():
    """Bytes, arrays of any shape and type, empty ones, and large pieces."""
    reader, writer = pair()
    buffers = [
        b"front" * 100,
        np.arange(600_000, dtype=np.float32).reshape(2, 3, -1).data,
        np.zeros((0, 3), np.float32).data,
        bytearray(b"x"),
        np.arange(7, dtype=np.int64),
    ]
    whole = b"".join(memoryview(buffer).tobytes() for buffer in buffers)
    got = reader.take(writer.put(buffers, len(whole)), MOST)

    assert got == whole
    assert np.frombuffer(got, np.uint8).ctypes.data % frame.ALIGNMENT == 0


def test_a_bell_is_as_long_as_a_head_and_is_none():
    """Whoever reads a head can tell by one byte."""
    _, writer = pair()
    bell = put(writer, data(LEAST_BYTES))

    assert len(bell) == HEAD_BYTES
    assert bell[3] == MARK != MAGIC[3]
    with pytest.raises(FrameError):
        frame.announced_bytes(bell)


def test_the_lowest_place_is_used_again_once_nobody_looks():
    """A thousand frames, of which three are looked at at a time, need room for four."""
    reader, writer = pair()
    size, kept, ends = 300_000, [], []
    for number in range(1000):
        bell = put(writer, data(1000, number) * (size // 1000))
        kept.append(reader.take(bell, MOST))
        ends.append(place(bell)[1] + size)
        kept = kept[-3:]

    assert max(ends) < mmap.PAGESIZE + 4 * (size + 64)


@pytest.mark.parametrize(
    "view",
    [
        lambda got: got[5000:],
        lambda got: got[1:][2:].toreadonly(),
        lambda got: got.cast("f"),
        lambda got: np.frombuffer(got, np.float32)[7:],
        lambda got: np.frombuffer(got[64:], np.uint8).reshape(2, -1)[1],
        lambda got: memoryview(np.frombuffer(got, np.uint8))[9:],
    ],
    ids=["slice", "slice of a slice", "cast", "array", "part of an array", "view of an array"],
)
def test_any_view_of_a_frame_keeps_its_block(view):
    """What is left of a frame never changes, however it was made."""
    reader, writer = pair()
    got = reader.take(put(writer, data(400_000)), MOST)
    left = view(got)
    seen = bytes(left)
    del got
    for number in range(3):
        reader.take(put(writer, data(400_000, number + 1)), MOST)

    assert bytes(left) == seen
    block, _ = place(put(writer, data(400_000)))
    assert block == 1
    del left
    assert place(put(writer, data(400_000)))[0] == 0


def test_without_room_a_frame_has_to_go_another_way():
    """No more bytes than the arena has, and no more frames than it has blocks."""
    reader, writer = pair()
    size = ARENA_BYTES // 4
    kept = [reader.take(put(writer, bytes(size)), MOST) for _ in range(3)]
    assert put(writer, bytes(size)) is None
    assert writer.put([bytes(ARENA_BYTES)], ARENA_BYTES) is None
    del kept[1]
    assert place(put(writer, bytes(size)))[0] == 1

    reader, writer = pair()
    kept = [reader.take(put(writer, bytes(1000)), MOST) for _ in range(BLOCKS)]
    assert put(writer, bytes(1000)) is None
    del kept[7]
    assert place(put(writer, bytes(1000)))[0] == 7


def test_memory_is_taken_as_it_is_used_and_given_back_with_both_ends():
    """Nothing while nothing was sent; afterwards nothing is left, and no descriptor."""
    before = _descriptors()
    reader = ArenaReader()
    descriptor = os.dup(reader.descriptor)
    writer = ArenaWriter(reader.descriptor)
    os.close(reader.descriptor)
    assert os.fstat(descriptor).st_blocks == 0
    got = reader.take(put(writer, bytes(1 << 20)), MOST)
    assert 1 << 20 <= os.fstat(descriptor).st_blocks * 512 < 2 << 20
    os.close(descriptor)
    del reader, writer
    assert got == bytes(1 << 20)
    del got

    assert _descriptors() == before


def test_a_collection_may_come_while_a_block_is_given_back():
    """Each step of it may end another frame of the same thread; a trace has that happen."""
    script = """
import faulthandler, gc, os, sys
from wire.direct.arena import ArenaReader, ArenaWriter
faulthandler.dump_traceback_later(100, exit=True)
reader = ArenaReader()
writer = ArenaWriter(reader.descriptor)
os.close(reader.descriptor)

class Node:
    pass

def take():
    return reader.take(writer.put([bytes(1000)], 1000), 1 << 20)

def trace(frame, event, arg):
    if frame.f_code.co_name == "_given_back" and event == "line":
        node = Node()
        node.itself, node.frame = node, take()
        del node
        gc.collect()
    return trace

got = take()
sys.settrace(trace)
del got
sys.settrace(None)
assert not reader._lent
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_memory_that_the_system_cannot_give_is_not_touched(monkeypatch):
    """The frame goes by the socket; those for which there is memory already go on as before."""
    reader, writer = pair()
    assert put(writer, bytes(1 << 20))

    def full(_descriptor, begins, size):
        assert (begins, size) == (mmap.PAGESIZE + (1 << 20), 4 << 20)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert put(writer, bytes(4 << 20)) is None
    writer._lent.clear()
    got = reader.take(put(writer, data(1 << 20)), MOST)
    monkeypatch.undo()

    assert got == data(1 << 20)
    assert reader.take(put(writer, data(4 << 20)), MOST) == data(4 << 20)


class Shared(RuleBasedStateMachine):
    """Frames of any size, kept for any time: none ever changes, and room comes back."""

    frames = Bundle("frames")
    bells = Bundle("bells")

    def __init__(self):
        super().__init__()
        self.reader, self.writer = pair()
        self.kept, self.number = {}, 0

    @rule(target=bells, size=st.integers(HEAD_BYTES, 9 << 20))
    def send(self, size):
        """Put a frame, if there is room."""
        self.number += 1
        content = self.number.to_bytes(4, "little") * (size // 4)
        bell = put(self.writer, content)
        if bell is not None:
            self.kept[self.number] = None, content
        return self.number, bell

    @rule(target=frames, sent=consumes(bells))
    def take(self, sent):
        """Take one that was put; in any order."""
        number, bell = sent
        if bell is not None:
            self.kept[number] = self.reader.take(bell, MOST), self.kept[number][1]
        return number

    @rule(number=consumes(frames))
    def let_go(self, number):
        """Look at one no longer."""
        self.kept.pop(number, None)

    @invariant()
    def nothing_has_changed(self):
        """Whatever was put meanwhile."""
        assert all(got is None or got == content for got, content in self.kept.values())

    def teardown(self):
        """All of the arena is free once nobody looks."""
        room = ARENA_BYTES - sum(len(content) + 64 for _, content in self.kept.values()) - 8192
        if not self.kept:
            assert put(self.writer, bytes(room)) is not None


Shared.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestShared = Shared.TestCase


# --- what is no bell, and no arena


@settings(deadline=None)
@given(
    st.integers(0, 70) | st.integers(0, 65535),
    st.integers(0, 2 * ARENA_BYTES) | st.integers(0, 2**64 - 1),
    st.integers(0, 2 * ARENA_BYTES) | st.integers(0, 2**64 - 1),
)
def test_a_bell_leads_to_a_block_or_is_refused(block, begins, size):
    """Whatever it says, nothing outside of the arena is looked at."""
    reader, _ = pair()
    try:
        got = reader.take(BELL.pack(b"PLNS", 1, block, begins, size), 8 << 20)
    except FrameError:
        return
    assert got.nbytes == size <= 8 << 20
    assert mmap.PAGESIZE <= begins <= ARENA_BYTES - size


@given(st.binary(min_size=HEAD_BYTES, max_size=HEAD_BYTES))
def test_any_bytes_are_a_bell_or_refused(bell):
    """Also those that no sender of ours makes."""
    reader, _ = pair()
    with pytest.raises(FrameError):
        reader.take(b"PLNS" + bytes([bell[4] | 2]) + bell[5:], MOST)


def test_a_block_that_is_looked_at_cannot_be_rung_for_again():
    """Else its sender could free what another frame needs."""
    reader, writer = pair()
    bell = put(writer, bytes(1000))
    got = reader.take(bell, MOST)
    with pytest.raises(FrameError, match="block 0"):
        reader.take(bell, MOST)

    assert got == bytes(1000)


@pytest.mark.parametrize("size_bytes", [ARENA_BYTES, 1000])
def test_memory_that_could_shrink_is_not_used(size_bytes):
    """To look at what is not there any more would end the process."""
    descriptor = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size_bytes)
    with pytest.raises(ValueError, match="shrink"):
        ArenaWriter(descriptor)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, arena._seals())
    if size_bytes < ARENA_BYTES:
        with pytest.raises(ValueError, match="size"):
            ArenaWriter(descriptor)
    os.close(descriptor)


def test_what_cannot_be_sealed_is_not_used(tmp_path):
    """A file of somebody's, or a socket."""
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="Invalid"):
        ArenaWriter(file.fileno())
    with socket.socket() as sock, pytest.raises(OSError, match="Invalid"):
        ArenaWriter(sock.fileno())


# --- over a connection


def connected(*, shared=True, works=False, max_frame_bytes=64 << 20):
    """Sender, receiver, and what came to the receiver: frames, and why it ended."""
    got, ended = queue.Queue(), queue.Queue()
    reader, writer = pair() if shared else (None, None)
    ours, theirs = (ByteStream(sock, "peer") for sock in socket.socketpair())
    sender = Connection(ours, "uds", "r", Events(receive=lambda *_: None), arena=writer)
    events = Events(
        receive=lambda _, data: got.put(data), ended=lambda _, reason: ended.put(reason)
    )
    receiver = Connection(theirs, "uds", "s", events, max_frame_bytes, works=works, arena=reader)
    sender.start()
    receiver.start()
    return sender, receiver, got, ended


@pytest.mark.parametrize("works", [False, True])
def test_large_and_small_frames_keep_their_order(works):
    """Whichever way each goes; more than the arena has room for, none of them let go."""
    sender, receiver, got, _ = connected(works=works)
    sizes = [10, 3 << 20, LEAST_BYTES, 0, 200_000, 1000] * 6
    for sequence, size in enumerate(sizes):
        sender.send(an_encoded_frame(sequence, size))
    frames = [got.get(timeout=SECONDS) for _ in sizes]

    assert sum(sizes) > ARENA_BYTES / 2
    for sequence, (size, came) in enumerate(zip(sizes, frames, strict=True)):
        decoded = frame.decode(came)
        assert decoded.sequence == sequence
        assert bytes(decoded.tensors[0].data) == data(size, sequence)
    sender.close()
    receiver.close()


def test_a_large_frame_does_not_go_through_the_socket():
    """64 bytes do; and a frame that finds no room goes by it as ever."""
    reader, writer = pair()
    ours, theirs = socket.socketpair()
    sender = Connection(
        ByteStream(ours, "r"), "uds", "r", Events(receive=lambda *_: None), arena=writer
    )
    sender.send(an_encoded_frame(1, 1 << 20))
    kept = reader.take(theirs.recv(HEAD_BYTES), MOST)
    assert frame.decode(kept).sequence == 1
    held = reader.take(put(writer, bytes(ARENA_BYTES - (2 << 20))), MOST)
    sender.send(an_encoded_frame(2, 100))
    size = sum(memoryview(buffer).nbytes for buffer in an_encoded_frame(2, 100))
    assert frame.decode(theirs.recv(4096)).sequence == 2
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    assert size < LEAST_BYTES
    assert held.nbytes > LEAST_BYTES
    sender.close()
    theirs.close()


@pytest.mark.parametrize(
    "bell",
    [
        BELL.pack(b"PLNS", 1, 0, 4096, (8 << 20) + 64),
        BELL.pack(b"PLNS", 1, 0, ARENA_BYTES - 64, 128),
        BELL.pack(b"PLNS", 1, BLOCKS, 4096, 128),
        BELL.pack(b"PLNS", 2, 0, 4096, 128),
        BELL.pack(b"XLNS", 1, 0, 4096, 128),
    ],
    ids=["too large", "outside", "no block", "version", "magic"],
)
def test_a_wrong_bell_ends_the_connection(bell):
    """Like any other bytes that are no frame; the hop goes on over the broker then."""
    sender, receiver, got, ended = connected(max_frame_bytes=8 << 20)
    sender.send([bell])

    assert "frame" in ended.get(timeout=SECONDS)
    assert not receiver.up
    assert got.empty()
    sender.close()


def test_a_bell_where_nothing_is_shared_is_no_frame():
    """Also on a TCP connection."""
    sender, _, _, ended = connected(shared=False)
    sender.send([BELL.pack(b"PLNS", 1, 0, 4096, 128)])

    assert "magic" in ended.get(timeout=SECONDS)
    sender.close()


def test_frames_that_came_outlive_their_sender():
    """A process that is killed takes none of its frames along."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reader = ArenaReader()
    script = (
        "import os, sys\n"
        "from wire.direct.arena import ArenaWriter\n"
        "writer = ArenaWriter(int(sys.argv[1]))\n"
        "bell = writer.put([b'abcd' * 100_000], 400_000)\n"
        "os.write(int(sys.argv[2]), bell)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    numbers = reader.descriptor, theirs.fileno()
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, numbers)], pass_fds=numbers, check=False
    )
    os.close(reader.descriptor)
    got = reader.take(ours.recv(HEAD_BYTES, socket.MSG_WAITALL), MOST)

    assert ended.returncode == -9
    assert got == b"abcd" * 100_000
    for sock in (ours, theirs):
        sock.close()


def test_blocks_begin_behind_the_first_page():
    """Where it is said which of them are read."""
    _, writer = pair()

    assert place(put(writer, bytes(1000))) == (0, mmap.PAGESIZE)
    assert mmap.PAGESIZE > BLOCKS


def _descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))
