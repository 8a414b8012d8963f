"""Which fault comes when: made from a seed. No I/O, no clock.

Every kind comes once in each round, in a random order. `SPARED` is never touched itself, and the
pipeline `CALM` runs on it alone: those processes live as long as the soak, so what grows is seen.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DEVICES: Final = ("d1", "d2", "d3")
SPARED: Final = "d1"
SMALL_DISK: Final = "d3"
"""Its state folder has a file system of its own."""

STEADY: Final = "steady"
"""The pipeline that gets new generations while it has traffic."""
FICKLE: Final = "fickle"
"""The pipeline that is undeployed and deployed again."""
CALM: Final = "calm"
"""The pipeline that is left alone."""
PLACEMENTS: Final = {
    STEADY: ("d1", "d2", "d3"),
    FICKLE: ("d3", "d2", "d1"),
    CALM: (SPARED, SPARED, SPARED),
}
RATES: Final = {STEADY: 8.0, FICKLE: 8.0, CALM: 4.0}
"""Frames a second."""
BATCH: Final = 2
"""Samples in a frame: what goes from stage to stage is large enough for shared memory."""

BROKER_STOPPED: Final = "broker stopped"
DISK_FULL: Final = "disk full"
UNDEPLOYED: Final = "undeployed"
"""`FICKLE` is silent while this fault lasts, rightly: it is judged by the others."""

LEAST_PAUSE_SECONDS: Final = 15.0
MOST_PAUSE_SECONDS: Final = 40.0

OUTAGE_WARM_UP_SECONDS: Final = 300.0
OUTAGE_ALLOWANCE_SECONDS: Final = 90.0
"""How much longer than a long outage a pipeline may be silent: connecting is tried ever less."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    name: str
    hold_seconds: float
    """How long it lasts."""
    silence_seconds: float
    """The longest that a pipeline may be without an answer: what is stated, and judged."""
    victims: tuple[str, ...] = ()
    """Devices it may hit; none: it hits no device."""


KINDS: Final = (
    Kind("worker killed", 0, 15, DEVICES),
    Kind("worker stopped", 8, 25, DEVICES),
    Kind("agent killed", 0, 30, ("d2", "d3")),
    Kind("segment corrupted", 0, 40, ("d2", "d3")),
    Kind("broker restarted", 0, 30),
    Kind(BROKER_STOPPED, 20, 35),
    Kind("redeployed", 0, 10),
    Kind(UNDEPLOYED, 5, 10),
    Kind(DISK_FULL, 15, 15, (SMALL_DISK,)),
    Kind("garbage flood", 5, 10),
    Kind("client restarted", 0, 15),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and how long to wait before it."""

    number: int
    kind: Kind
    pause_seconds: float
    device: str | None
    pipeline: str
    """Whose worker or client is hit, where one is."""
    seed: int
    """For what is random within it."""


def faults(seed: int, *, without: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Yield faults without end; none where no kind is left.

    Two in a row never hit the same worker, so no assignment fails three times within a minute,
    which would rightly end it.

    Args:
        seed: The same gives the same sequence.
        without: Names of kinds that cannot be done here.
    """
    chance = random.Random(seed)
    number, hit = 0, ("", "")
    while not without.issuperset(kind.name for kind in KINDS):
        kinds = list(KINDS)
        chance.shuffle(kinds)
        for kind in kinds:
            pause = chance.uniform(LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS)
            choices = [
                (device, pipeline)
                for device in kind.victims or ("",)
                for pipeline in (STEADY, FICKLE)
                if not device or (device, pipeline) != hit
            ]
            device, pipeline = chance.choice(choices)
            hit = (device, pipeline) if device else hit
            seed_within = chance.getrandbits(32)
            if kind.name in without:
                continue
            yield Fault(number, kind, pause, device or None, pipeline, seed_within)
            number += 1


def outage(seconds: float) -> Iterator[Fault]:
    """Yield one fault: the broker is away for so long, once everything has warmed up."""
    kind = Kind(BROKER_STOPPED, seconds, seconds + OUTAGE_ALLOWANCE_SECONDS)
    yield Fault(0, kind, OUTAGE_WARM_UP_SECONDS, None, STEADY, 0)
