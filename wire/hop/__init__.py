"""One hop: what a sender and the receiver of its frames say to each other.

Every frame on a lane carries its *position* in the sender's stream: how many frames and bytes
that sender sent before it. So the receiver sees a gap as soon as anything later arrives, and
what was lost needs no credit for ever. The receiver answers with a *grant*: cumulative, so a
lost, late or repeated one is harmless. A sender that has frames unacknowledged, or waits for
credit, repeats its position as a *probe* every half second; behind a probe nothing is on its way,
because a lane keeps order.

No I/O, no clock.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from wire.errors import FrameError
from wire.ids import is_id

PROBE_SECONDS: Final = 0.5
SUSPECT_PROBES: Final = 3
"""Unanswered probes that make a neighbour suspect."""
SILENCE_SECONDS: Final = 5.0
"""A neighbour silent for so long has lost what it was sent."""
CLEARED: Final = "worker.lost behind it"
"""Counted, and told nobody: a worker was lost that had run the frame before."""
MAX_LOSSES: Final = MappingProxyType({"worker.lost": 1, "link.lost": 3, CLEARED: 8})
"""How often a frame may be lost as that and is still sent again. One that kills its worker gets one
more turn, alone: the third death within a minute would end the stage."""
ALONE_SECONDS: Final = 0.05
"""So often the receiver is asked whether it has run the frame that it was sent alone."""
MAX_GAPS: Final = 8

_U64: Final = 1 << 64
_COUNTERS: Final = 1 << 62
"""Counts of frames and bytes stay below, so that what is granted on top of them still fits."""


class Position(NamedTuple):
    """Where a frame stands in one sender's stream on one lane."""

    hop: int
    """The sender's stream on this lane: a number drawn at random when it opened."""
    frames_before: int
    """Frames sent before this one."""
    bytes_before: int
    """Bytes sent before this one."""
    sender: str
    """The device or client that hears the grants."""

    @classmethod
    def from_meta(cls, value: Any) -> "Position":
        """Return the position in a frame's meta ``hop``.

        Raises:
            FrameError: It is none.
        """
        if type(value) is list and len(value) == 4:
            hop, frames, bytes_before, sender = value
            if (  # written out: a function here costs a frame ten microseconds
                type(hop) is type(frames) is type(bytes_before) is int
                and 0 <= hop < _U64
                and 0 <= frames < _COUNTERS
                and 0 <= bytes_before < _COUNTERS
                and is_id(sender)
            ):
                return new_position((hop, frames, bytes_before, sender))
        raise FrameError("meta holds no position on this hop")


new_position: Final[Callable[[tuple[int, int, int, str]], Position]] = partial(
    tuple.__new__, Position
)
"""Makes one of its values, in their order: a named tuple's own constructor is a Python function."""


class Grant(NamedTuple):
    """What a receiver allows one sender; a later one says everything an earlier one said."""

    hop: int
    receiver: int
    """The receiving process: another number means that the one before is gone."""
    since: int
    """The first position that this receiver is answerable for."""
    arrived: int
    """Every frame before this position has arrived or never will."""
    done: int
    """Every frame before this position is out of this receiver's hands: lost, or finished and with
    whoever comes next. Until then its sender keeps it, to send it again."""
    ran: int
    """Every frame before this position has been run by this receiver, or never will be."""
    frames: int
    """Frames that may be sent since the stream opened; 0: none any more, the receiver goes away."""
    size_bytes: int
    """Bytes that may be sent since the stream opened."""
    largest_bytes: int
    """The largest single frame that is taken."""
    gaps: tuple[tuple[int, int], ...] = ()
    """The latest ranges [first, end) that never arrived."""

    def to_meta(self) -> list[Any]:
        """Return the grant as it stands in a credit frame's meta ``grant``."""
        return [*self[:-1], [list(gap) for gap in self.gaps] if self.gaps else []]

    @classmethod
    def from_meta(cls, value: Any) -> "Grant":
        """Return the grant in a credit frame's meta ``grant``.

        Raises:
            FrameError: It is none.
        """
        if type(value) is list and len(value) == 10 and type(value[-1]) is list:
            *numbers, ranges = value
            gaps = _gaps(ranges) if ranges else ()
            if gaps is not None:
                for number in numbers:
                    if type(number) is not int or not 0 <= number < _U64:
                        break
                else:
                    return cls._make([*numbers, gaps])
        raise FrameError("meta holds no grant")


class Lost(NamedTuple):
    """A frame that never arrived, or whose receiver is gone."""

    key: Any
    """What the sender registered it under."""
    code: str
    """``worker.lost`` or ``link.lost``."""
    cleared: bool = False
    """The receiver is known to have run it before: it is not what ended it."""
    alone: bool = False
    """It may be what ended its receiver: from now on it is sent alone."""

    @property
    def cause(self) -> str:
        """What it counts as, in ``MAX_LOSSES``."""
        return CLEARED if self.cleared else self.code


class Heard(msgspec.Struct, frozen=True):
    """What a grant says of the frames sent before it; each is told once."""

    lost: list[Lost]
    """In the order in which they are sent again."""
    arrived: list[Any]
    """Keys of frames that the receiver has now."""
    done: list[Any]
    """Keys of frames that need not be kept any longer."""


def _gaps(ranges: list[Any]) -> tuple[tuple[int, int], ...] | None:
    """Return the ranges; None: they are none."""
    gaps = tuple([tuple(gap) for gap in ranges if type(gap) is list and len(gap) == 2])
    known = len(gaps) == len(ranges) <= MAX_GAPS
    fit = all(type(n) is int and 0 <= n < _U64 for n in chain.from_iterable(gaps))
    return gaps if known and fit else None
