"""What is asked of a device that shall measure, and how it answers on ``rsp``.

A request is a signed `wire.messages.Command`. The device says now and then how far it is
(`Progress`), gives long tables in pages (`Page`), and then one final answer. What it said last is
said again after a connection broke.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from wire.manifest import File
from wire.profile_report import OperatorTime

PROFILE: Final = "profile"
LINK: Final = "link"
CANCEL: Final = "cancel"
SIGNED: Final = frozenset({PROFILE, LINK, CANCEL})
"""Requests that are obeyed only when somebody who is trusted signed them."""
LISTENING: Final = "listening"
"""The step of a link's receiver that can be sent to."""
TELL_SECONDS: Final = 2.0
"""How often a device says how far it is."""
MAX_SECONDS: Final = 300.0
"""One measurement's runs take at most so long."""
ROWS_A_PAGE: Final = 250
"""Of at most 400 bytes each."""
MAX_ROWS: Final = 20_000
"""Operators or kernels of one model that are told; others are left out and counted."""

LINK_SIZES: Final = (64_000, 600_000, 3_000_000)
"""What tensors that cross a cut often have."""
MOST_LINK_BYTES: Final = 64 << 20

LinkSize = Annotated[int, Meta(ge=1, le=MOST_LINK_BYTES)]
MeasureSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]


class ProfileOrder(msgspec.Struct, frozen=True, kw_only=True):
    """``profile``: fetch a segment and measure it."""

    segment: str
    """Its name, for errors and logs."""
    files: tuple[File, ...]
    runtime: str
    seconds: MeasureSeconds = 10.0


class LinkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """``link``: be one end of a link to another device; the receiver is asked first."""

    role: Literal["receiver", "sender"]
    link: str
    pipeline: str
    """An id of this measurement, for its topics."""
    peer: str
    """The device at the other end."""
    peer_certificate: str = ""
    """As ``Info.certificate``."""
    token: Annotated[str, Meta(min_length=32, max_length=256)]
    """What both prove to know, where they are connected directly."""
    offers: tuple[Any, ...] = ()
    """For the sender: what the receiver offered."""
    sizes: Annotated[tuple[LinkSize, ...], Meta(min_length=1, max_length=8)] = LINK_SIZES
    seconds: MeasureSeconds = 10.0
    """How long a sender may take."""


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """``cancel``: give up a measurement."""

    id: str
    """Of its request."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far a measurement is."""

    step: str
    """``fetching``, ``measuring``, ..."""
    done_bytes: int = 0
    total_bytes: int = 0
    offers: tuple[Any, ...] = ()
    """Of a receiver that listens: where it can be connected to; see `wire.direct.endpoint`."""


class Page(msgspec.Struct, frozen=True, kw_only=True, tag="page"):
    """A part of a table, before the final answer."""

    table: Literal["operators", "kernels"]
    first: int
    """The place of its first row in the table."""
    rows: tuple[OperatorTime, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows the tables of a profile have, beside its report in the final answer."""

    operators: int
    kernels: int
    left_out: int = 0
