"""Every link, found by itself, behaves the same before and after it is connected."""

import contextlib
import queue
import time
import weakref

import pytest

from wire import plugins
from wire.broker_url import BrokerUrl
from wire.errors import LinkDownError
from wire.frame import ALIGNMENT, Frame, Kind, Tensor, decode, encode
from wire.frame_memory import allocate
from wire.links import LinkOptions, Meeting, open_link

NAMES = plugins.names("wire.links")
NOWHERE = LinkOptions(BrokerUrl("mqtt", "127.0.0.1", 9), "contract-test")


@pytest.mark.parametrize("name", NAMES)
def test_a_link_that_was_not_started_is_down(name):
    """It takes listeners, sends nothing, and can be closed twice."""
    link = open_link(name, NOWHERE)
    link.listen("a", lambda *_: None)

    assert not link.up
    with pytest.raises(LinkDownError):
        link.send("a", [b"x"])
    link.close()
    link.close()


@pytest.mark.parametrize("size_bytes", [0, 1, 63, 64, 1000])
def test_memory_for_a_frame_is_aligned_and_its_own(size_bytes):
    """Received payloads begin at multiples of 64 and can be written."""
    import numpy as np

    memory = memoryview(allocate(size_bytes))
    array = np.frombuffer(memory, np.uint8)

    assert memory.nbytes == size_bytes
    assert size_bytes == 0 or array.ctypes.data % ALIGNMENT == 0
    assert not memory.readonly


WITHOUT_A_BROKER = ("memory", "tcp", "uds")
SECONDS = 30


@pytest.fixture(params=WITHOUT_A_BROKER)
def two(request, tmp_path):
    """Two links of one kind, and where frames for ``lane`` arrive at the second one."""
    meeting = Meeting(tmp_path / "meeting", "5e" * 32)
    options = LinkOptions(BrokerUrl("mqtt", "127.0.0.1", 9), "contract-test", meeting=meeting)
    links = [open_link(request.param, options) for _ in range(2)]
    arrived = queue.Queue()
    links[1].listen("lane", lambda address, data: arrived.put((address, data)))
    for link in reversed(links):
        link.start(SECONDS)
    yield *links, arrived
    for link in links:
        link.close()


def _frame(number, size_bytes=100):
    """Return an encoded frame with a payload of this size, told apart by its number."""
    import numpy as np

    elements = np.full(size_bytes, number % 251, np.uint8)
    tensor = Tensor("x", 2, elements.shape, memoryview(elements))
    return encode(Frame(Kind.DATA, 1, number, tensors=(tensor,) if size_bytes else ()))


@pytest.mark.parametrize("size_bytes", [0, 1, 64, 70_000, 5 << 20])
def test_a_frame_arrives_whole_and_aligned(two, size_bytes):
    """It is one buffer, with the bytes that were sent, beginning at a multiple of 64."""
    import numpy as np

    sender, _, arrived = two
    frame = _frame(7, size_bytes)
    sender.send("lane", frame)
    address, data = arrived.get(timeout=SECONDS)

    assert address == "lane"
    assert bytes(data) == b"".join(bytes(memoryview(buffer).cast("B")) for buffer in frame)
    assert np.frombuffer(data, np.uint8).ctypes.data % ALIGNMENT == 0


def test_frames_arrive_in_order_each_once(two):
    """A thousand of them, of different sizes."""
    sender, _, arrived = two
    for number in range(1000):
        sender.send("lane", _frame(number, number * 7))

    got = [decode(arrived.get(timeout=SECONDS)[1]).sequence for _ in range(1000)]
    assert got == list(range(1000))
    assert arrived.empty()


def test_a_listener_that_raises_ends_no_link(tmp_path):
    """What it raised is told, and the next frame arrives."""
    for name in WITHOUT_A_BROKER:
        faults, arrived = queue.Queue(), queue.Queue()
        options = LinkOptions(
            BrokerUrl("mqtt", "127.0.0.1", 9),
            "contract-test",
            meeting=Meeting(tmp_path / name, "5e" * 32),
            on_fault=faults.put,
        )
        link = open_link(name, options)

        def receive(_, data, arrived=arrived):
            frame = decode(data)
            if not frame.sequence:
                raise ValueError("none of mine")
            arrived.put(frame.sequence)

        link.listen("lane", receive)
        link.start(SECONDS)
        link.send("lane", _frame(0))
        link.send("lane", _frame(1))

        assert str(faults.get(timeout=SECONDS)) == "none of mine"
        assert arrived.get(timeout=SECONDS) == 1
        link.close()


@pytest.mark.parametrize("name", ["tcp", "uds"])
def test_a_link_at_rest_holds_no_frame(name, tmp_path):
    """Once its listener has let go of it, its memory is free."""
    held = queue.Queue()
    options = LinkOptions(
        BrokerUrl("mqtt", "127.0.0.1", 9), "test", meeting=Meeting(tmp_path / "meeting", "5e" * 32)
    )
    link = open_link(name, options)
    link.listen("lane", lambda _, data: held.put(weakref.ref(memoryview(data).obj)))
    link.start(SECONDS)
    link.send("lane", _frame(1, 70_000))
    memory = held.get(timeout=SECONDS)

    ends = time.monotonic() + SECONDS
    while memory() is not None:
        assert time.monotonic() < ends, "it is held"
        time.sleep(0.01)
    link.close()


@pytest.mark.parametrize("name", ["tcp", "uds"])
def test_a_receiver_that_comes_back_is_found_again(name, tmp_path):
    """Whoever sends is told that it is gone, and the next try connects anew."""
    meeting = Meeting(tmp_path / "meeting", "5e" * 32)
    options = LinkOptions(BrokerUrl("mqtt", "127.0.0.1", 9), "contract-test", meeting=meeting)
    sender = open_link(name, options)
    sender.start(SECONDS)
    for number in range(3):
        arrived = queue.Queue()
        receiver = open_link(name, options)
        receiver.listen("lane", lambda _, data, arrived=arrived: arrived.put(data))
        receiver.start(SECONDS)
        _send_until_there(arrived, sender, number)
        assert decode(arrived.get(timeout=SECONDS)).sequence == number
        receiver.close()
    sender.close()


def _send_until_there(arrived, sender, number):
    """Send a frame again and again: what was sent into a dying connection is lost."""
    ends = time.monotonic() + SECONDS
    while arrived.empty() and time.monotonic() < ends:
        with contextlib.suppress(LinkDownError):
            sender.send("lane", _frame(number))
        time.sleep(0.02)
