"""Options of ``paceline simulate``."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter, validators

from fleet.simulator.pipeline import INBOX_FRAMES, Arrivals, Policy
from fleet.simulator.report import FEWEST_FRAMES

_WORLD: Final = Group("What is otherwise than planned", sort_key=1)
_CLIENT: Final = Group("What the client does", sort_key=2)
_RUN: Final = Group("The run", sort_key=3)
MOST_FRAMES: Final = 1_000_000


def _between(least: float, most: float) -> Any:
    return validators.Number(gte=least, lte=most)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOptions:
    """What is otherwise than planned."""

    changes: Annotated[
        tuple[str, ...], Parameter(name="--set", negative=(), group=_WORLD, show_default=False)
    ] = ()
    """link:a>b=20Mbit,8ms (and a third: jitter; a<>b: both ways), a.speed=0.5, a.spread=1.3 (the
    ninetieth percentile by the median), a.receive=0.2ms, a.send=0.2ms; may be repeated."""
    kill: Annotated[tuple[str, ...], Parameter(negative=(), group=_WORLD, show_default=False)] = ()
    """A device that dies, such as pi-2@10s; may be repeated."""
    inbox: Annotated[int, Parameter(group=_WORLD, validator=_between(1, 1024))] = INBOX_FRAMES
    """Frames that each worker grants its senders (an agent's limits.inbox_frames)."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """What the client does."""

    window: Annotated[int, Parameter(group=_CLIENT, validator=_between(1, 1024))] = 8
    """Frames in flight at most."""
    rate: Annotated[float | None, Parameter(group=_CLIENT, validator=_between(1e-3, 1e6))] = None
    """Frames a second; else as fast as the window allows."""
    arrivals: Annotated[Arrivals, Parameter(group=_CLIENT)] = "regular"
    """How they come at this rate: regular, or by chance (poisson)."""
    policy: Annotated[Policy, Parameter(group=_CLIENT)] = "block"
    """When frames come too fast: block, or drop_oldest (needs a rate)."""
    deadline: Annotated[float, Parameter(group=_CLIENT, validator=_between(1e-3, 1e6))] = 10.0
    """Seconds after which a frame without an answer has failed."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The run."""

    frames: Annotated[
        int, Parameter(group=_RUN, validator=_between(FEWEST_FRAMES, MOST_FRAMES))
    ] = 2000
    """How many end; with --kill, after the last device died. The first fifth is warm-up."""
    seed: Annotated[int, Parameter(group=_RUN, validator=_between(0, 2**63))] = 0
    """Of all that happens by chance; the same seed gives the same run."""
