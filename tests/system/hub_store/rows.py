"""Rows for tests."""

import time

from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOW = time.time_ns() // SECOND * SECOND
"""Whole seconds, the same for all of a run."""


def raw(number=0, device="pi-1", kind="health", payload=b"{}", received=None, session=1):
    """Return a message that was sent in the second ``number`` from now."""
    sent = NOW + number * SECOND
    return RawRow(device, kind, sent, session, received or sent, payload)


def rollup(number=0, key="pi-1", kind="device", data=b"{}"):
    """Return the ten seconds that end ``number`` times ten seconds from now."""
    return RollupRow(kind, key, NOW // SECOND // 10 * 10 + 10 * number, data)


def batch(*rows):
    """Return a batch of these, whatever they are."""
    made = Batch()
    for row in rows:
        match row:
            case DeviceRow():
                made.devices[row.device] = row
            case RawRow():
                made.raw.append(row)
            case RollupRow():
                made.rollups.append(row)
    return made
