"""The links of a pipeline's drawing: wires between cards, and what stands on them."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from fleet.hub.views import LinkView, PipelineView, StageView
from fleet.hub.web import wording as say
from fleet.hub.web.svg import group, tag, text

CARD, LINK, CLIENT = 186, 114, 66
"""Widths side by side, in pixels."""
HEIGHT, APART = 178, 20
"""A card's height, and the room between the replicas of a stage."""
NARROW, GAP = 300, 92
"""One above the other: a card's width, a link's height."""
_FORK: Final = 16
"""How far before its ends a wire to or from replicas forks."""
_BEND: Final = 6
_WORDS: Final = {"busy": "starting", "warning": "warning", "error": "broken", "off": "idle"}


def middles(count: int, middle: float) -> list[float]:
    """Return where the middle of each replica's card is, from top to bottom."""
    return [middle + (n - (count - 1) / 2) * (HEIGHT + APART) for n in range(count)]


def outline(x: float, y: float, width: float, height: float) -> Markup:
    """Return what says: this is the bottleneck; a label stands on its upper edge."""
    return group(
        tag("rect", x=x - 4, y=y - 4, width=width + 8, height=height + 8, rx=13, class_="limit"),
        tag(
            "rect", x=x + width / 2 - 43, y=y - 14, width=86, height=20, rx=10, class_="limit-label"
        ),
        text(x + width / 2, y - 0.2, "bottleneck", "limit-word middle"),
    )


def _link(pipeline: PipelineView, number: int) -> LinkView | None:
    return pipeline.links[number] if number < len(pipeline.links) else None


def _limits(pipeline: PipelineView, link: LinkView) -> bool:
    return pipeline.bottleneck is not None and pipeline.bottleneck.link == (
        link.source,
        link.target,
    )


def _labels(link: LinkView) -> tuple[tuple[str, str], tuple[str, str, str]]:
    """Return what stands on one side of a link, and what on the other; of a broken one nothing."""
    if link.state == "error":
        return ("", ""), ("", "", "")
    error = link.hop_error_seconds
    return (
        (say.frame_size(link.bytes_per_frame), say.megabits(link.bits_per_second)),
        (
            f"hop {say.milliseconds(link.hop_seconds_p50)}",
            f"± {say.milliseconds(error)}" if error else "",
            f"queue {say.milliseconds(link.queue_seconds_p50)}" if link.target != "client" else "",
        ),
    )


def _word(link: LinkView) -> str:
    """Return what carries it, or why nothing does."""
    if link.state == "ok":
        return say.fitted(link.link or "", LINK - 2 * _FORK, 12)
    return f"{say.ICONS[link.state]} {_WORDS[link.state]}"


def _marks(link: LinkView) -> dict[str, str]:
    return {
        "class_": f"link is-{link.state}",
        "data_link": f"{link.source}-{link.target}",
        "data_state": link.state,
    }


def wide_link(
    pipeline: PipelineView,
    number: int,
    ends: tuple[Sequence[StageView], Sequence[StageView]],
    x: float,
    y: float,
) -> Markup:
    """Return a link from left to right; between replicas it forks.

    Args:
        pipeline: Whose link.
        number: The link's.
        ends: Replicas on its left and on its right; none on the left is the client.
        x: Its left end.
        y: The middle of the drawing.
    """
    link = _link(pipeline, number)
    if link is None:
        return Markup("")
    (size, rate), (hop, error, queue) = _labels(link)
    forks = [_FORK if len(replicas) > 1 else 0 for replicas in ends]
    begin, end = x + (forks[0] or 6), x + LINK - (forks[1] or 12)
    middle = x + (LINK + forks[0] - forks[1]) / 2
    return group(
        tag("path", d=f"M{begin} {y}H{end}", class_="wire"),
        *(_branch(at, (x + 4, begin), y, one) for at, one in _replicas(ends[0], y)),
        *(_branch(at, (x + LINK - 12, end), y, one) for at, one in _replicas(ends[1], y)),
        *(
            tag("path", d=f"M{x + LINK - 14} {at - 5}l9 5l-9 5z", class_=_kind("tip", one))
            for at, one in zip(middles(len(ends[1]), y), ends[1], strict=True)
        ),
        text(middle, y - 44, _word(link), "small word middle"),
        text(middle, y - 27, size, "small strong middle"),
        text(middle, y - 11, rate, "small muted middle"),
        text(middle, y + 20, hop, "small strong middle"),
        text(middle, y + 35, error, "tiny muted middle"),
        text(middle, y + 51, queue, "small muted middle"),
        outline(x + 8, y - 60, LINK - 16, 118) if _limits(pipeline, link) else Markup(""),
        **_marks(link),
    )


def _replicas(ends: Sequence[StageView], y: float) -> list[tuple[float, StageView]]:
    """Return where a wire's branches go, and to whom; none where it does not fork."""
    return list(zip(middles(len(ends), y), ends, strict=True)) if len(ends) > 1 else []


def _branch(at: float, across: tuple[float, float], y: float, replica: StageView) -> Markup:
    """Return a wire from a card's edge at the height ``at`` to the trunk's end at ``y``."""
    edge, trunk = across
    right, down = (1 if trunk > edge else -1) * _BEND, (at < y) - (at > y)
    bend = f"H{trunk - right}q{right} 0 {right} {down * _BEND}V{y}" if down else f"H{trunk}"
    return tag("path", d=f"M{edge} {at}{bend}", class_=_kind("wire", replica))


def _kind(name: str, replica: StageView) -> str:
    return f"{name} broken" if replica.state == "error" else name


def way_back(
    pipeline: PipelineView, width: float, middle: float, lowest: float, bottom: float
) -> Markup:
    """Return the link from the last stage to the client, below all cards.

    Args:
        pipeline: Whose link.
        width: The drawing's.
        middle: The client's.
        lowest: The lower edge of the last stage's lowest card.
        bottom: That of the lowest card.
    """
    link = next(reversed(pipeline.links), None)
    if link is None or not pipeline.stages:
        return Markup("")
    (size, rate), (hop, error, _) = _labels(link)
    foot, left, right = bottom + 26, 4 + CLIENT / 2, width - 6 - CARD / 2
    words = "  ·  ".join(word for word in (_word(link), size, rate, hop, error) if word)
    room = len(words) * 6.4 + 20
    centre = (left + right) / 2
    return group(
        tag(
            "path",
            class_="wire",
            d=f"M{right} {lowest + 4}V{foot - 8}q0 8 -8 8H{left + 8}q-8 0 -8 -8V{middle + 46}",
        ),
        tag("path", d=f"M{left - 5} {middle + 48}l5 -9l5 9z", class_="tip"),
        tag("rect", x=centre - room / 2, y=foot - 10, width=room, height=20, class_="behind"),
        text(centre, foot + 4, words, "small middle"),
        outline(centre - room / 2, foot - 10, room, 20) if _limits(pipeline, link) else Markup(""),
        **_marks(link),
    )


def narrow_link(pipeline: PipelineView, number: int, y: float) -> Markup:
    """Return a link from top to bottom."""
    link = _link(pipeline, number)
    if link is None:
        return Markup("")
    (size, rate), (hop, error, queue) = _labels(link)
    x = NARROW / 2
    marks = _marks(link)
    return group(
        tag("path", d=f"M{x} {y + 6}V{y + GAP - 12}", class_="wire"),
        tag("path", d=f"M{x - 5} {y + GAP - 14}l5 9l5 -9z", class_="tip"),
        text(x - 14, y + 26, _word(link), "small word end"),
        text(x - 14, y + 44, size, "small strong end"),
        text(x - 14, y + 61, rate, "small muted end"),
        text(x + 14, y + 35, hop, "small strong"),
        text(x + 14, y + 50, error, "tiny muted"),
        text(x + 14, y + 66, queue, "small muted"),
        outline(x - 110, y + 10, 220, GAP - 20) if _limits(pipeline, link) else Markup(""),
        class_=marks["class_"],
    )
