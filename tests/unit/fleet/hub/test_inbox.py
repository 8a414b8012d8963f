"""Messages between two threads."""

from fleet.hub import inbox as inboxes
from fleet.hub.inbox import Inbox


def test_wakes_once_for_many():
    """Not for each message: thousands a second come."""
    woken = []
    inbox = Inbox(lambda: woken.append(1))
    for number in range(5):
        inbox.put("t", bytes([number]))
    first = inbox.take(3)
    rest = inbox.take(10)
    inbox.put("t", b"")

    assert [one.payload[0] for one in (*first, *rest)] == list(range(5))
    assert len(woken) == 2


def test_full_inbox_drops_and_counts(monkeypatch):
    """It never grows without end, by count or by bytes."""
    monkeypatch.setattr(inboxes, "MOST", 3)
    monkeypatch.setattr(inboxes, "MOST_BYTES", 100)
    inbox = Inbox(lambda: None)
    for size in (90, 20, 10, 0, 0):
        inbox.put("t", bytes(size))

    assert [len(one.payload) for one in inbox.take(9)] == [90, 10, 0]
    assert inbox.dropped == 2


def test_lag_is_the_age_of_the_oldest():
    """Nothing waits: no lag."""
    inbox = Inbox(lambda: None)
    idle = inbox.lag_seconds()
    inbox.put("t", b"")

    assert idle == 0.0
    assert inbox.lag_seconds() > 0.0
