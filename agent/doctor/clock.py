"""The clock: whether it is right decides about certificates, expiries and what logs are worth."""

import ctypes
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

import urllib3

from agent.doctor import Group, ok, problem, warning
from agent.doctor.network import ask
from agent.doctor_subject import Subject
from wire.reports import Finding

EARLIEST_UNIX_SECONDS: Final = 1_767_225_600
"""2026-01-01: a clock before it was never set."""
SKEW_SECONDS: Final = 5.0
_TIMEX_BYTES: Final = 208
_TIME_ERROR: Final = 5
_TIMESYNC_FILE: Final = "run/systemd/timesync/synchronized"
_FIX: Final = "sudo timedatectl set-ntp true (apt install systemd-timesyncd, or chrony)"


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether the clock is set, kept right, and agrees with others'."""
    yield plausible(time.time())
    yield from kept(kernel_says_kept(), subject.path(_TIMESYNC_FILE).exists())
    yield from against_origin(subject)


def plausible(unix_seconds: float) -> Finding:
    """Return whether a clock was ever set."""
    said = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_seconds))
    if unix_seconds < EARLIEST_UNIX_SECONDS:
        return problem("clock.set", f"the clock says {said}: it was never set", _FIX)
    return ok("clock.set", f"the clock says {said}")


def kept(kernel: bool | None, timesync: bool) -> Iterator[Finding]:
    """Yield whether anything keeps the clock right."""
    if kernel or timesync:
        yield ok("clock.synchronised", "the clock is synchronised")
    elif kernel is False:
        yield warning("clock.synchronised", "nothing keeps the clock right", _FIX)


def kernel_says_kept() -> bool | None:
    """Return whether the kernel's clock is synchronised; None: we may not ask.

    Source: adjtimex(2): a ``timex`` of zeros only asks; the answer TIME_ERROR is "not".
    """
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def against_origin(subject: Subject) -> Iterator[Finding]:
    """Yield how far the clock is from that of the artifacts' server, where that answers."""
    if subject.config is None:
        return
    try:
        date = ask(subject.config.artifacts).headers.get("Date", "")
        theirs = parsedate_to_datetime(date).timestamp()
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return
    yield skew(time.time() - theirs, subject.config.artifacts.origin)


def skew(seconds: float, of: str) -> Finding:
    """Return what a difference to another clock means; whole seconds are all that is told."""
    said = f"the clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} {of}"
    if abs(seconds) > SKEW_SECONDS:
        return warning("clock.skew", said, _FIX)
    return ok("clock.skew", said)


PLUGIN = Group("Clock", findings)
