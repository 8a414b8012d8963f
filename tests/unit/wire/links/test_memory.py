"""The link in memory keeps a link's promises: whole frames, in order, or not at all."""

import queue
import threading

import pytest

from wire.broker_url import BrokerUrl
from wire.errors import LinkDownError
from wire.links import LinkOptions
from wire.links.memory import QUEUED_FRAMES, MemoryLink


@pytest.fixture
def links(request):
    """Return what makes links of this test's own hub; they are closed with it."""
    made = []

    def make(*addresses, receive=None, **options):
        url = BrokerUrl("mqtt", request.node.name, 1)
        link = MemoryLink(LinkOptions(url, f"client-{len(made)}", **options))
        for address in addresses:
            link.listen(address, receive)
        made.append(link)
        return link

    yield make
    for link in made:
        link.close()


def test_frames_arrive_whole_and_in_order(links):
    """What was several buffers arrives as one, in memory of its own, at multiples of 64."""
    got = queue.Queue()
    links("a", receive=lambda address, data: got.put((address, data))).start(1)
    sender = links()
    sender.start(1)
    buffer = bytearray(b"12")

    for number in range(3):
        sender.send("a", [buffer, memoryview(b"34"), bytes([number])])
    buffer[:] = b"xx"
    received = [got.get(timeout=10) for _ in range(3)]

    assert [bytes(data) for _, data in received] == [b"1234" + bytes([n]) for n in range(3)]
    assert {address for address, _ in received} == {"a"}
    assert not memoryview(received[0][1]).readonly


def test_nobody_listening_is_no_error(links):
    """A frame to an address without a listener is lost, as with a broker."""
    sender = links()
    sender.start(1)

    sender.send("nowhere", [b"x"])

    assert sender.up


@pytest.mark.parametrize("state", ["not started", "closed"])
def test_a_link_that_is_down_says_so(links, state):
    """Before `start` and after `close` nothing can be sent."""
    link = links()
    if state == "closed":
        link.start(1)
        link.close()
        link.close()

    assert not link.up
    with pytest.raises(LinkDownError):
        link.send("a", [b"x"])


def test_what_is_to_be_lost_is_lost(links):
    """A test says which frames."""
    got = queue.Queue()
    links("a", "b", receive=lambda address, _: got.put(address)).start(1)
    sender = links()
    sender.start(1)
    sender.lose = lambda address: address == "a"

    for address in ("a", "b", "a", "b"):
        sender.send(address, [b"x"])

    assert [got.get(timeout=10), got.get(timeout=10)] == ["b", "b"]
    assert got.empty()


def test_a_listener_that_fails_is_told_of_and_the_link_goes_on(links):
    """An exception in the reader thread is a fault, not the end."""
    faults, got = [], queue.Queue()

    def receive(_address, data):
        if bytes(data) == b"bad":
            raise ZeroDivisionError("bad")
        got.put(bytes(data))

    links("a", receive=receive, on_fault=faults.append).start(1)
    sender = links()
    sender.start(1)

    for data in (b"bad", b"good"):
        sender.send("a", [data])

    assert got.get(timeout=10) == b"good"
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


def test_a_newcomer_takes_an_address_over(links):
    """The last to start listens; closing the one before leaves the newcomer's address alone."""
    got = queue.Queue()
    old = links("a", receive=lambda *_: got.put("old"))
    new = links("a", receive=lambda *_: got.put("new"))
    old.start(1)
    new.start(1)
    old.close()

    new.send("a", [b"x"])

    assert got.get(timeout=10) == "new"


def test_a_slow_listener_loses_the_oldest(links):
    """Nothing is unbounded: beyond its queue a link drops the oldest, and closes all the same."""
    gate, got = threading.Event(), []

    def receive(_address, data):
        gate.wait(10)
        got.append(int.from_bytes(data, "little"))

    receiver = links("a", receive=receive)
    receiver.start(1)
    sender = links()
    sender.start(1)
    count = QUEUED_FRAMES + 100

    for number in range(count):
        sender.send("a", [number.to_bytes(4, "little")])
    gate.set()
    receiver.close()

    assert got == sorted(got)
    assert len(got) <= QUEUED_FRAMES + 1
    assert got[-1] == count - 1


def test_closing_while_others_send(links):
    """A link that closes amid traffic ends its thread; senders notice nothing."""
    receiver = links("a", receive=lambda *_: None)
    receiver.start(1)
    sender = links()
    sender.start(1)
    stop = threading.Event()

    def send():
        while not stop.is_set():
            sender.send("a", [b"x"])

    thread = threading.Thread(target=send)
    thread.start()
    receiver.close()
    stop.set()
    thread.join()

    assert not receiver._thread.is_alive()
    assert sender.up
