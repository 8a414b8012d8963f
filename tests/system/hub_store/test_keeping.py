"""What is written comes back, as the rows' documentation says; on both databases."""

import itertools
import random
from pathlib import Path

import pytest

from fleet.hub.store.rows import Batch, DeviceRow
from fleet.hub.store.store import Store
from tests.system.hub_store.rows import DAY, HOUR, NOW, SECOND, batch, raw, rollup


def test_everything_comes_back_after_opening_again(store, url):
    """With every byte of its payloads."""
    every_byte = bytes(range(256))
    device = DeviceRow("pi-1", NOW - DAY, NOW, every_byte, b"", None)
    said, rolled = raw(payload=every_byte), rollup(data=every_byte)
    store.write(batch(device, said, rolled))
    store.close()

    again = Store.open(url)
    assert again.devices() == [device]
    assert list(again.raw("pi-1", "health", 0)) == [said]
    assert again.rollups("device", "pi-1", 0, NOW) == [rolled]
    again.close()


def test_a_device_keeps_what_is_not_said_again(store):
    """None keeps the payload, the first time never grows, the last is what was said last."""
    store.write(batch(DeviceRow("a", NOW, NOW, b"status", b"info", None)))
    store.write(batch(DeviceRow("a", NOW + 5, NOW + 5, b"other", None, b"reported")))
    store.write(batch(DeviceRow("a", NOW - 5, NOW + 3)))

    assert store.devices() == [DeviceRow("a", NOW - 5, NOW + 3, b"other", b"info", b"reported")]


def test_devices_come_by_name_and_can_be_forgotten(store):
    """One that comes again in the same batch is new; what it sent stays."""
    store.write(batch(*(DeviceRow(name, NOW, NOW) for name in ("c", "a", "b")), raw(device="b")))
    store.write(Batch(forgotten={"b", "never-there"}))
    left = [row.device for row in store.devices()]
    store.write(Batch({"a": DeviceRow("a", NOW + 1, NOW + 1)}, forgotten={"a"}))

    assert left == ["a", "c"]
    assert [row.first_seen_unix_ns for row in store.devices()] == [NOW + 1, NOW]
    assert [row.device for row in store.raw_since(0)] == ["b"]


def test_a_repeated_message_is_kept_once(store):
    """In the same batch or later; another kind, session or device is another message."""
    first = raw(payload=b"first")
    others = [raw(kind="latency"), raw(session=2), raw(device="pi-2")]
    store.write(batch(first, raw(payload=b"again"), *others))
    store.write(batch(raw(payload=b"late", received=NOW + 60 * SECOND)))

    assert sorted(map(str, store.raw_since(0))) == sorted(map(str, [first, *others]))


def test_numbers_that_a_device_made_up_stop_no_batch(store):
    """A session or a time that does not fit into 64 bits is kept as the largest that does."""
    store.write(batch(raw(session=1 << 80), raw(1, session=-(1 << 80)), raw(2)))

    assert [row.session for row in store.raw("pi-1", "health", 0)] == [2**63 - 1, 1 - 2**63, 1]


def test_telemetry_comes_in_order_of_receipt(store):
    """Whatever the devices' clocks say, and from the instant on that is asked for."""
    sent = [500, -90_000, 3, 0, 77, -1, 12, 4]
    rows = [
        raw(n, device=f"pi-{place % 2}", received=NOW + place * 7 * SECOND)
        for place, n in enumerate(sent)
    ]
    for row in reversed(rows):
        store.write(batch(row))

    assert list(store.raw_since(0)) == rows
    assert list(store.raw_since(rows[3].received_unix_ns)) == rows[3:]
    assert list(store.raw_since(rows[3].received_unix_ns + 1)) == rows[4:]
    assert list(store.raw("pi-1", "health", rows[2].received_unix_ns)) == rows[3::2]
    assert list(store.raw("pi-1", "latency", 0)) == []


def test_an_hour_of_one_device_is_read_in_parts(store):
    """In order over all parts, also while it is written and pruned between them."""
    rows = [raw(n, device=d) for n in range(-3590, 1, 10) for d in ("pi-1", "pi-2")]
    store.write(batch(*rows))
    reading = store.raw("pi-1", "health", NOW - HOUR)
    begin = list(itertools.islice(reading, 100))
    store.write(batch(raw(20)))
    store.prune(NOW)

    assert [*begin, *reading] == [row for row in rows if row.device == "pi-1"]


def test_a_rollup_is_replaced(store):
    """By the later one of the same kind, key and end."""
    store.write(batch(rollup(data=b"1"), rollup(data=b"2"), rollup(kind="stage", data=b"3")))
    store.write(batch(rollup(-1, data=b"0"), rollup(data=b"4")))

    assert [row.data for row in store.rollups("device", "pi-1", 0, NOW)] == [b"0", b"4"]


def test_rollups_are_those_of_a_span(store):
    """From its begin on and before its end, in order."""
    rows = [rollup(n) for n in range(-1500, 1)]
    store.write(batch(*reversed(rows), rollup(key="pi-2"), rollup(kind="stage")))
    ends = [row.end_unix_seconds for row in rows]

    assert store.rollups("device", "pi-1", 0, NOW) == rows
    assert store.rollups("device", "pi-1", ends[3], ends[700]) == rows[3:700]
    assert store.rollups("device", "pi-3", 0, NOW) == []
    assert store.oldest_rollup_unix_seconds() == ends[0]


def test_all_rollups_come_by_end(store):
    """For a hub that starts again."""
    store.write(batch(*(rollup(n, key=key) for key in "cab" for n in (0, -2, -1))))
    since = rollup(-1).end_unix_seconds

    assert [(row.end_unix_seconds - since, row.key) for row in store.rollups_since(since)] == [
        (offset, key) for offset in (0, 10) for key in "abc"
    ]


def test_an_empty_store_has_nothing(store):
    """And no time of its oldest roll-up."""
    store.write(Batch())

    assert store.devices() == []
    assert list(store.raw_since(0)) == []
    assert list(store.rollups_since(0)) == []
    assert store.oldest_rollup_unix_seconds() is None
    assert store.prune(NOW)


def test_what_is_old_goes(store):
    """Raw telemetry after an hour, roll-ups after a day, unheard devices after ninety days."""
    seen = [DeviceRow("gone", 0, NOW - 91 * DAY), DeviceRow("there", 0, NOW - 89 * DAY)]
    young = [raw(-3600), raw(-5)]
    recent = [rollup(-8639), rollup()]
    store.write(batch(*seen, raw(-3700), *young, rollup(-8700), *recent))

    assert store.prune(NOW)
    assert [row.device for row in store.devices()] == ["there"]
    assert list(store.raw_since(0)) == young
    assert list(store.rollups_since(0)) == recent
    assert store.prune(NOW)


@pytest.mark.parametrize("held", ["rollups stay", "rollups go"])
def test_what_there_is_no_room_for_goes(new_url, held):
    """The oldest raw telemetry first, and roll-ups only when all left of it is from just now."""
    noise = _noise(1000)
    store = Store.open(new_url(), max_bytes=1 << 20)
    of_raw, of_rollups = (2000, 200) if held == "rollups stay" else (100, 1000)
    store.write(batch(*(raw(n, payload=next(noise)) for n in range(-400 - of_raw, -400)), raw()))
    store.write(batch(*(rollup(n - of_rollups, data=next(noise)) for n in range(of_rollups))))
    assert store.size_bytes() > store.max_bytes
    while not store.prune(NOW):
        pass

    kept = [row.sent_unix_ns for row in store.raw_since(0)]
    ends = [row.end_unix_seconds for row in store.rollups_since(0)]
    assert store.size_bytes() <= store.max_bytes
    assert store.size_bytes() > store.max_bytes * 0.9
    newest = [*range(-399 - len(kept), -400), 0]
    assert kept == [raw(n).sent_unix_ns for n in newest]
    assert ends == [rollup(n).end_unix_seconds for n in range(-len(ends), 0)]
    assert (len(kept) > 1) == (held == "rollups stay")
    assert (len(ends) == of_rollups) == (held == "rollups stay")
    store.close()


@pytest.mark.sqlite_only
def test_the_file_is_given_back(new_url):
    """Room that nothing needs any more goes back to the disk, in steps."""
    store = Store.open(new_url(), max_bytes=2 << 20)
    noise = _noise(2000)
    for begin in range(-4000, 0, 1000):
        ages = [n // 4 for n in range(begin, begin + 1000)]
        store.write(batch(*(raw(n, f"d{i}", payload=next(noise)) for i, n in enumerate(ages))))
    path = Path(store.name.removeprefix("sqlite:///"))
    large = path.stat().st_size
    while not store.prune(NOW):
        pass
    store.close()

    assert large > 8 << 20
    assert path.stat().st_size <= 2 << 20


def _noise(size):
    chance = random.Random(1)
    while True:
        yield chance.randbytes(size)
