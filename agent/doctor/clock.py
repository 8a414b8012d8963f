"""The clock: whether it is right decides about certificates, expiries and what logs are worth."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

import urllib3

from agent.doctor import Group, ok, problem, warning
from agent.doctor.network import ask
from agent.examination.subject import Subject
from agent.probes.clock import ClockProbe
from wire.reports import Finding

SKEW_SECONDS: Final = 5.0
_FIX: Final = "sudo timedatectl set-ntp true (apt install systemd-timesyncd, or chrony)"


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether the clock is set, kept right, and agrees with others'."""
    yield from kept(ClockProbe(run=subject.path("run")))
    yield from against_origin(subject)


def kept(probe: ClockProbe) -> Iterator[Finding]:
    """Yield whether the clock was ever set, and whether anything keeps it right."""
    flags = {reading.name: bool(reading.value) for reading in probe.read()}
    said = time.strftime("the clock says %Y-%m-%d %H:%M UTC", time.gmtime(probe.unix_seconds()))
    if flags["clock_impossible_flag"]:
        yield problem("clock.set", f"{said}: before paceline was installed here", _FIX)
    else:
        yield ok("clock.set", said)
    synchronised = flags.get("clock_synchronised_flag")
    if synchronised:
        yield ok("clock.synchronised", "the clock is synchronised")
    elif synchronised is not None:
        yield warning("clock.synchronised", "nothing keeps the clock right", _FIX)


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
