"""The way of one frame as bars over time, and how sure we are where they stand.

Everything across is in shares of the width, so that the drawing fits any screen with its words in
their size.
"""

import math
from itertools import groupby
from typing import Final

from markupsafe import Markup

from fleet.hub.views import Span, WaterfallView
from fleet.hub.web import wording as say
from fleet.hub.web.svg import drawing, group, tag, text

KINDS: Final = {
    "credit": "waits for credit",
    "hop": "on its way",
    "queue": "waits in the inbox",
    "decode": "decode",
    "run": "run",
    "encode": "encode",
    "send": "send",
}
"""What a bar's colour says."""
LANE, BAR, AXIS = 50, 18, 26
"""Heights in pixels: of a lane with its words, of a bar, of the time's scale."""
LEAST_SHARE: Final = 0.0012
"""No bar is narrower than this share of the drawing."""


def lane_name(waterfall: WaterfallView, lane: str) -> str:
    """Return a lane as it is called: ``client``, ``stage 1 on jetson-1``."""
    if lane == "client":
        return "client"
    device = waterfall.devices.get(lane)
    return f"stage {lane} on {device}" if device else f"stage {lane}"


def waterfall_drawing(waterfall: WaterfallView, key: str) -> Markup:
    """Return the drawing; ``key`` is letters and digits, one for each drawing of a page."""
    lanes = _lanes(waterfall)
    end = _end(waterfall)
    height = len(lanes) * LANE + AXIS
    parts = [_hatching(key), *_scale(end, height)]
    for number, (lane, spans) in enumerate(lanes):
        parts.append(_lane(waterfall, lane, spans, number * LANE, end, key))
    total = say.milliseconds(waterfall.total_seconds)
    return drawing(
        f"Frame {waterfall.sequence} of {waterfall.client}, {total} in all",
        "; ".join(f"{lane_name(waterfall, lane)}: {_told(spans)}" for lane, spans in lanes),
        *parts,
        key=key,
        class_="waterfall",
        width="100%",
        height=height,
    )


def _lanes(waterfall: WaterfallView) -> list[tuple[str, list[Span]]]:
    """Return the spans of each lane, in order of the frame's way; the client is first and last."""
    usable = [
        s
        for s in waterfall.spans
        if math.isfinite(s.begin_seconds) and math.isfinite(s.end_seconds)
    ]
    return [(lane, list(spans)) for lane, spans in groupby(usable, key=lambda span: span.lane)]


def _end(waterfall: WaterfallView) -> float:
    ends = [span.end_seconds for _, spans in _lanes(waterfall) for span in spans]
    return max([waterfall.total_seconds, *ends, 1e-6])


def _told(spans: list[Span]) -> str:
    return ", ".join(
        f"{span.kind} {say.milliseconds(span.end_seconds - span.begin_seconds)}" for span in spans
    )


def _share(part: float) -> str:
    return f"{min(max(part, 0.0), 1.0) * 100:.3f}%"


def _hatching(key: str) -> Markup:
    return tag(
        "defs",
        tag(
            "pattern",
            tag("path", d="M-1 1l2 -2M0 6l6 -6M5 7l2 -2", class_="hatch"),
            id=f"{key}-hatch",
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
        ),
    )


def _scale(end: float, height: float) -> list[Markup]:
    """Return the time's scale: about six lines at round milliseconds."""
    raw = end * 1000 / 6
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    marks = []
    for number in range(int(end * 1000 / step) + 1):
        at = number * step / 1000 / end
        side = "" if number == 0 else "end" if at > 0.96 else "middle"
        words = f"{number * step:g}" if number else "0 ms"
        marks.append(tag("line", x1=_share(at), x2=_share(at), y1=0, y2=height - 16, class_="grid"))
        marks.append(text(_share(at), height - 3, words, f"tiny muted {side}".strip()))
    return marks


def _lane(
    waterfall: WaterfallView, lane: str, spans: list[Span], y: float, end: float, key: str
) -> Markup:
    took = max(s.end_seconds for s in spans) - min(s.begin_seconds for s in spans)
    clock = next((clock for clock in waterfall.clocks if clock.lane == lane), None)
    sure = f"  ± {say.milliseconds(clock.error_seconds)}" if clock and clock.error_seconds else ""
    top = y + 22
    return group(
        text(0, y + 15, say.fitted(lane_name(waterfall, lane), 260, 12.5), "small strong"),
        text("100%", y + 15, say.milliseconds(took) + sure, "small muted end"),
        tag("rect", x=0, y=top, width="100%", height=BAR, rx=3, class_="track"),
        *(_bar(span, top, end) for span in spans),
        *(
            _bands(spans, clock.error_seconds, top, end, key)
            if clock and clock.error_seconds > 0
            else ()
        ),
        class_="lane",
        data_lane=lane,
    )


def _bar(span: Span, top: float, end: float) -> Markup:
    took = span.end_seconds - span.begin_seconds
    part = took / end
    room = part > (0.1 if took < 0.0995 else 0.14)
    words = say.milliseconds(took).removesuffix(" ms") if room else ""
    middle = _share((span.begin_seconds + span.end_seconds) / 2 / end)
    return group(
        tag("title", f"{KINDS.get(span.kind, span.kind)}: {say.milliseconds(took)}"),
        tag(
            "rect",
            x=_share(span.begin_seconds / end),
            y=top,
            width=_share(max(part, LEAST_SHARE)),
            height=BAR,
            class_=f"bar {span.kind}",
        ),
        text(middle, top + 13, words, "bar-word middle"),
        data_span=span.kind,
    )


def _bands(spans: list[Span], error: float, top: float, end: float, key: str) -> list[Markup]:
    """Return how far a device's bars may be off, hatched at the edges of all that its clock timed.

    They move together: between its first own bar and its last nothing is uncertain.
    """
    own = [span for span in spans if span.kind != "hop"] or spans
    edges = (min(s.begin_seconds for s in own), max(s.end_seconds for s in own))
    return [
        tag(
            "rect",
            x=_share((edge - error) / end),
            y=top - 3,
            width=_share(max(2 * error / end, 0.002)),
            height=BAR + 6,
            class_="band",
            fill=f"url(#{key}-hatch)",
        )
        for edge in edges
    ]
