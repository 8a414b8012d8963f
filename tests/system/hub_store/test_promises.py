"""Whatever is written and pruned in whatever order: what the store promises holds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from fleet.hub.store import schema
from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow
from tests.system.hub_store.rows import DAY, HOUR, NOW, SECOND

NAMES = st.sampled_from(["a", "b", "pi-1"])
PAYLOADS = st.none() | st.binary(max_size=40)
MINUTES = st.integers(-1600, 20)
INSTANTS = MINUTES.map(lambda minutes: NOW + minutes * 60 * SECOND)
DEVICES = st.dictionaries(
    NAMES, st.tuples(INSTANTS, INSTANTS, PAYLOADS, PAYLOADS, PAYLOADS), max_size=3
).map(lambda found: {name: DeviceRow(name, *values) for name, values in found.items()})
RAW = st.builds(
    RawRow, NAMES, st.sampled_from(["health", "latency"]), st.integers(0, 4), st.integers(0, 1),
    INSTANTS, st.binary(max_size=40),
)  # fmt: skip
ROLLUPS = st.builds(
    RollupRow, st.sampled_from(["device", "stage"]), NAMES,
    MINUTES.map(lambda minutes: NOW // SECOND // 10 * 10 + minutes * 60), st.binary(max_size=40),
)  # fmt: skip
WRITES = st.builds(Batch, DEVICES, st.lists(RAW, max_size=5), st.lists(ROLLUPS, max_size=5))
PRUNES = st.integers(-30, 30).map(lambda minutes: NOW + minutes * 60 * SECOND)


class Expected:
    """What is to be kept, in plain dictionaries."""

    def __init__(self):
        self.devices, self.raw, self.rollups = {}, {}, {}

    def write(self, batch):
        """Take a batch."""
        for name, row in batch.devices.items():
            old = self.devices.get(name, row)
            said = (new if new is not None else was for new, was in (
                (row.status, old.status), (row.info, old.info), (row.reported, old.reported)
            ))  # fmt: skip
            first = min(row.first_seen_unix_ns, old.first_seen_unix_ns)
            self.devices[name] = DeviceRow(name, first, row.last_seen_unix_ns, *said)
        for row in batch.raw:
            self.raw.setdefault((row.device, row.kind, row.sent_unix_ns, row.session), row)
        for row in batch.rollups:
            self.rollups[row.kind, row.key, row.end_unix_seconds] = row

    def prune(self, now):
        """Forget what goes: whole slots of ten seconds."""

        def young(unix_seconds, kept_seconds):
            at, last = unix_seconds // 10, (now // SECOND + 3600) // 10
            return (now // SECOND - kept_seconds) // 10 <= at <= last

        self.raw = {
            key: row for key, row in self.raw.items()
            if young(row.received_unix_ns // SECOND, HOUR // SECOND)
        }  # fmt: skip
        self.rollups = {
            key: row for key, row in self.rollups.items()
            if young(row.end_unix_seconds, DAY // SECOND)
        }  # fmt: skip


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(WRITES | PRUNES, max_size=6))
def test_writing_replacing_and_pruning_keep_their_promises(store, steps):
    """Of a device the newest, of a message the first, of a roll-up the last; and all the young."""
    with store._engine.begin() as connection:
        for table in schema.metadata.tables.values():
            connection.execute(delete(table))
    expected = Expected()
    for step in steps:
        if isinstance(step, Batch):
            store.write(step)
            expected.write(step)
        else:
            assert store.prune(step)
            expected.prune(step)

    assert store.devices() == [row for _, row in sorted(expected.devices.items())]
    told = list(store.raw_since(0))
    assert [row.received_unix_ns for row in told] == sorted(row.received_unix_ns for row in told)
    assert sorted(map(str, told)) == sorted(map(str, expected.raw.values()))
    assert {
        (r.kind, r.key, r.end_unix_seconds): r for r in store.rollups_since(0)
    } == expected.rollups
    for device, kind in {(row.device, row.kind) for row in told}:
        of_one = [row for row in told if (row.device, row.kind) == (device, kind)]
        assert list(store.raw(device, kind, 0)) == of_one
    for kind, key in {(row.kind, row.key) for row in expected.rollups.values()}:
        ends = sorted(end for k, name, end in expected.rollups if (k, name) == (kind, key))
        assert [r.end_unix_seconds for r in store.rollups(kind, key, 0, NOW)] == [
            end for end in ends if end < NOW
        ]
