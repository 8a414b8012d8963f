"""Reading by turns: one reads, one works, nobody waits for the other."""

import queue
import threading
import time
import weakref

import pytest

from wire.reading import Readers

PATIENCE_SECONDS = 20
NAME = "reader of this test"


class Source:
    """What is read: pieces of work, until None."""

    def __init__(self):
        self.items = queue.SimpleQueue()
        self.several = []
        """Whether there were several readers, at each beginning to read."""
        self.readers = Readers(NAME)
        self.at_once, self.most_at_once = 0, 0

    def start(self, **options):
        """Begin to read."""
        self.readers.start(self._until_work, **options)

    def _until_work(self):
        self.several.append(self.readers.several)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self.items.get(timeout=PATIENCE_SECONDS)
        finally:
            self.at_once -= 1


@pytest.fixture
def source():
    """A source that is read."""
    made = Source()
    made.start(works=True)
    yield made
    made.items.put(None)
    assert made.readers.over.wait(PATIENCE_SECONDS)


def test_another_thread_reads_while_one_works(source):
    """Work that takes long keeps nobody from reading."""
    first, second = queue.SimpleQueue(), threading.Event()

    def long():
        first.put(threading.get_ident())
        assert second.wait(PATIENCE_SECONDS)

    source.items.put(long)
    worker = first.get(timeout=PATIENCE_SECONDS)
    source.items.put(lambda: (first.put(threading.get_ident()), second.set()))

    assert first.get(timeout=PATIENCE_SECONDS) != worker
    assert source.readers.several


def test_one_reads_at_a_time(source):
    """And all that was read is done, each once."""
    done = queue.SimpleQueue()
    for number in range(500):
        source.items.put(lambda number=number: done.put(number))

    assert all(source.several)
    assert sorted(done.get(timeout=PATIENCE_SECONDS) for _ in range(500)) == list(range(500))
    assert source.most_at_once == 1


def test_the_end_does_not_wait_for_who_is_at_work(source):
    """It is seen by who reads; whoever works ends when that is done."""
    working, go_on = threading.Event(), threading.Event()

    def long():
        working.set()
        go_on.wait(PATIENCE_SECONDS)

    source.items.put(long)
    assert working.wait(PATIENCE_SECONDS)
    source.items.put(None)
    assert source.readers.over.wait(PATIENCE_SECONDS)
    (last,) = named()
    go_on.set()
    last.join(PATIENCE_SECONDS)

    assert not last.is_alive()


def test_nothing_is_held_of_what_was_done(source):
    """A frame may be large, and the next one may not come for hours; nor of who was read."""

    class Frame:
        pass

    frame, done = Frame(), threading.Event()
    gone = weakref.ref(frame)
    source.items.put(lambda frame=frame: done.set())
    assert done.wait(PATIENCE_SECONDS)
    del frame
    until(lambda: gone() is None)
    source.items.put(None)
    assert source.readers.over.wait(PATIENCE_SECONDS)
    until(lambda: not named())

    assert source.readers._until_work() is None


def until(claim):
    """Wait until ``claim()`` is true."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_without_memory_for_a_second_thread_there_is_one(monkeypatch):
    """And whoever might bring work is told so; without any the caller is."""
    start, allowed = threading.Thread.start, [True, False, False]

    def scarce(thread):
        if not allowed.pop(0):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    source = Source()
    source.start(works=True)
    source.items.put(None)
    with pytest.raises(RuntimeError):
        Source().start()

    assert source.readers.over.wait(PATIENCE_SECONDS)
    assert source.several == [False]


def named():
    """Return the reader threads that live."""
    return [thread for thread in threading.enumerate() if thread.name == NAME]
