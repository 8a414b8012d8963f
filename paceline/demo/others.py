"""How busy others keep this machine's cores while the demo streams: nobody can plan for them."""

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import psutil


class Used(NamedTuple):
    """What was used of this machine's cores until now."""

    at_seconds: float
    busy_seconds: float
    """Of all cores, by anybody."""
    own_seconds: float
    """By us and all below us, those that have ended included."""


def used() -> Used:
    """Return what was used until now."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    busy = sum(times) - idle - guests  # those are in user and nice already
    return Used(time.monotonic(), busy, sum(_own()))


def others_ratio(before: Used, after: Used, cores: int) -> float:
    """Return which part of all cores others used between two instants."""
    others = (after.busy_seconds - before.busy_seconds) - (after.own_seconds - before.own_seconds)
    passed = after.at_seconds - before.at_seconds
    return min(1.0, max(0.0, others / (passed * cores))) if passed else 0.0


def _own() -> Iterator[float]:
    us = os.times()
    yield us.user + us.system + us.children_user + us.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        yield spent.user + spent.system + spent.children_user + spent.children_system
