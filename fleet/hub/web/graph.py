"""A pipeline as a drawing: client, stages, and back; side by side, or one above the other."""

from typing import Final
from urllib.parse import quote

from markupsafe import Markup

from fleet.hub.views import LinkView, PipelineView, StageView, by_stage
from fleet.hub.web import wording as say
from fleet.hub.web.svg import drawing, group, tag, text

CARD, LINK, CLIENT = 186, 114, 66
"""Widths side by side, in pixels."""
HEIGHT, TOP, RETURN, APART = 178, 24, 46, 20
"""A card's height; room above for the bottleneck's label, below for the way back, and between the
replicas of a stage."""
NARROW, GAP, CLIENT_HEIGHT = 300, 92, 40
"""One above the other: a card's width, a link's height, the client's height."""
_LINK_WORDS: Final = {"busy": "starting", "warning": "warning", "error": "broken", "off": "idle"}


def stage_word(stage: StageView) -> str:
    """Return how a stage is, in one word: its phase, or what became of its device."""
    return stage.phase if stage.presence == "online" else stage.presence


def wide_graph(pipeline: PipelineView, now_unix_ns: int) -> Markup:
    """Return the pipeline from left to right, its way back to the client below."""
    columns = by_stage(pipeline.stages)
    width = CLIENT + len(columns) * (LINK + CARD) + 10
    most = max(map(len, columns), default=1)
    height = most * (HEIGHT + APART) - APART
    middle = TOP + height / 2
    parts = [_client(pipeline, 4, middle - 34, CLIENT, 68)]
    for number, replicas in enumerate(columns):
        x = 4 + CLIENT + number * (LINK + CARD)
        parts.append(_wide_link(pipeline, number, x, middle))
        y = middle - (len(replicas) * (HEIGHT + APART) - APART) / 2
        for row, stage in enumerate(replicas):
            at = (x + LINK, y + row * (HEIGHT + APART))
            parts.append(_card(pipeline, stage, at, CARD, now_unix_ns, "data_stage"))
    parts.append(_way_back(pipeline, width, middle, TOP + height))
    return drawing(
        *_words(pipeline),
        *parts,
        key="wide",
        class_="graph wide fits" if width < 1000 else "graph wide",
        viewBox=f"0 0 {width} {TOP + height + RETURN}",
        width=width,
        height=TOP + height + RETURN,
    )


def narrow_graph(pipeline: PipelineView, now_unix_ns: int) -> Markup:
    """Return the pipeline from top to bottom, for narrow screens."""
    parts, y = [_client(pipeline, NARROW / 2 - 50, 4, 100, CLIENT_HEIGHT)], 4.0 + CLIENT_HEIGHT
    columns = by_stage(pipeline.stages)
    for number, replicas in enumerate(columns):
        parts.append(_narrow_link(pipeline, number, y))
        y += GAP - APART
        for stage in replicas:
            at = (4, y + APART)
            parts.append(_card(pipeline, stage, at, NARROW - 8, now_unix_ns, "data_narrow_stage"))
            y += APART + HEIGHT
    parts.append(_narrow_link(pipeline, len(columns), y))
    parts.append(_client(pipeline, NARROW / 2 - 50, y + GAP, 100, CLIENT_HEIGHT))
    return drawing(
        *_words(pipeline),
        *parts,
        key="narrow",
        class_="graph narrow",
        width=NARROW,
        height=y + GAP + CLIENT_HEIGHT + 6,
    )


def _words(pipeline: PipelineView) -> tuple[str, str]:
    places = "; ".join(f"stage {s.stage} on {s.device} is {stage_word(s)}" for s in pipeline.stages)
    limit = pipeline.bottleneck.text if pipeline.bottleneck else "nothing is known to limit it"
    return f"Pipeline {pipeline.pipeline}", f"{places}. {limit}"


def _link(pipeline: PipelineView, number: int) -> LinkView | None:
    return pipeline.links[number] if number < len(pipeline.links) else None


def _limits(pipeline: PipelineView, link: LinkView) -> bool:
    return pipeline.bottleneck is not None and pipeline.bottleneck.link == (
        link.source,
        link.target,
    )


def _client(pipeline: PipelineView, x: float, y: float, width: float, height: float) -> Markup:
    limit = pipeline.bottleneck
    source = limit is not None and limit.stage is None and limit.link is None
    outline = _outline(x, y, width, height) if source else Markup("")
    return group(
        tag("rect", x=x, y=y, width=width, height=height, rx=10, class_="card client"),
        text(x + width / 2, y + height / 2 + 4.5, "client", "strong middle"),
        outline,
    )


def _outline(x: float, y: float, width: float, height: float) -> Markup:
    """Return what says: this is the bottleneck; a label stands on its upper edge."""
    return group(
        tag("rect", x=x - 4, y=y - 4, width=width + 8, height=height + 8, rx=13, class_="limit"),
        tag(
            "rect", x=x + width / 2 - 43, y=y - 14, width=86, height=20, rx=10, class_="limit-label"
        ),
        text(x + width / 2, y - 0.2, "bottleneck", "limit-word middle"),
    )


def _card(
    pipeline: PipelineView,
    stage: StageView,
    at: tuple[float, float],
    width: float,
    now_unix_ns: int,
    kind: str,
) -> Markup:
    (x, y), left, right = at, at[0] + 13, at[0] + width - 13
    limits = pipeline.bottleneck is not None and pipeline.bottleneck.stage == stage.stage
    asked, actual = stage.runtime_asked, stage.runtime_actual
    runtime = asked if actual in {asked, None} else f"{asked} → {actual}"
    word = f"{say.ICONS[stage.state]} {stage_word(stage)}"
    room = width - 26
    marks: dict[str, str] = {kind: str(stage.stage), "data_state": stage.state}
    name = text(left, y + 43, say.fitted(stage.device, room, 15.5), "name")
    return group(
        tag(
            "title", f"stage {stage.stage}, {stage.segment}, on {stage.device}: {stage_word(stage)}"
        ),
        tag("rect", x=x, y=y, width=width, height=HEIGHT, rx=10, class_="card"),
        text(left, y + 21, f"stage {stage.stage}", "small muted"),
        text(right, y + 21, say.fitted(word, room - 52, 12), "small word end"),
        tag("a", name, href=f"/devices/{quote(say.clean(stage.device), safe='')}"),
        text(left, y + 60, say.fitted(stage.segment, room, 12), "small muted"),
        text(
            left,
            y + 77,
            say.fitted(runtime, room, 12),
            "small muted" if runtime == asked else "small warned",
        ),
        tag("line", x1=x, x2=x + width, y1=y + 88, y2=y + 88, class_="rule"),
        *(_trouble if stage.reason else _figures)(stage, left, right, y, now_unix_ns),
        _outline(x, y, width, HEIGHT) if limits else Markup(""),
        class_=f"stage is-{stage.state}",
        **marks,
    )


def _figures(
    stage: StageView, left: float, right: float, y: float, _now_unix_ns: int
) -> tuple[Markup, ...]:
    room = right - left
    queued = "" if stage.queued_frames is None else f"{say.whole(stage.queued_frames)} queued"
    return (
        text(left, y + 109, "run", "small muted"),
        text(right, y + 109, say.milliseconds(stage.run_seconds_p50), "figure end"),
        text(left, y + 127, "p95", "small muted"),
        text(right, y + 127, say.milliseconds(stage.run_seconds_p95), "small end"),
        tag("rect", x=left, y=y + 138, width=room, height=6, rx=3, class_="track"),
        tag(
            "rect",
            x=left,
            y=y + 138,
            width=room * say.share(stage.utilisation_ratio),
            height=6,
            rx=3,
            class_="fill",
        ),
        text(left, y + 163, f"{say.percent(stage.utilisation_ratio)} at work", "small"),
        text(right, y + 163, queued, "small muted end"),
    )


def _trouble(
    stage: StageView, left: float, right: float, y: float, now_unix_ns: int
) -> tuple[Markup, ...]:
    assert stage.reason is not None
    lines = say.wrapped(stage.reason.message, right - left, 12, 4)
    since = stage.reason.since_unix_ns or stage.since_unix_ns
    words = [text(left, y + 107 + 15 * n, line, "small reason") for n, line in enumerate(lines)]
    when = (
        f"since {say.ago(since, now_unix_ns)}"
        if since
        else say.fitted(stage.reason.code, right - left, 12)
    )
    return (
        tag("title", stage.reason.message),
        *words,
        text(left, y + 168, when, "small strong reason"),
    )


def _labels(link: LinkView) -> tuple[tuple[str, str], tuple[str, str, str]]:
    """Return what stands on one side of a link, and what on the other."""
    error = link.hop_error_seconds
    return (
        (say.frame_size(link.bytes_per_frame), say.megabits(link.bits_per_second)),
        (
            f"hop {say.milliseconds(link.hop_seconds_p50)}",
            f"± {say.milliseconds(error)}" if error else "",
            f"queue {say.milliseconds(link.queue_seconds_p50)}" if link.target != "client" else "",
        ),
    )


def _state_word(link: LinkView) -> str:
    return "" if link.state == "ok" else f"{say.ICONS[link.state]} {_LINK_WORDS[link.state]}"


def _marks(link: LinkView) -> dict[str, str]:
    return {
        "class_": f"link is-{link.state}",
        "data_link": f"{link.source}-{link.target}",
        "data_state": link.state,
    }


def _wide_link(pipeline: PipelineView, number: int, x: float, y: float) -> Markup:
    link = _link(pipeline, number)
    if link is None:
        return Markup("")
    (size, rate), (hop, error, queue) = _labels(link)
    middle = x + LINK / 2
    return group(
        tag("path", d=f"M{x + 6} {y}H{x + LINK - 12}", class_="wire"),
        tag("path", d=f"M{x + LINK - 14} {y - 5}l9 5l-9 5z", class_="tip"),
        text(middle, y - 44, _state_word(link), "small word middle"),
        text(middle, y - 27, size, "small strong middle"),
        text(middle, y - 11, rate, "small muted middle"),
        text(middle, y + 20, hop, "small strong middle"),
        text(middle, y + 35, error, "tiny muted middle"),
        text(middle, y + 51, queue, "small muted middle"),
        _outline(x + 8, y - 60, LINK - 16, 118) if _limits(pipeline, link) else Markup(""),
        **_marks(link),
    )


def _way_back(pipeline: PipelineView, width: float, middle: float, bottom: float) -> Markup:
    link = next(reversed(pipeline.links), None)
    if link is None or not pipeline.stages:
        return Markup("")
    (size, rate), (hop, error, _) = _labels(link)
    foot, left, right = bottom + 26, 4 + CLIENT / 2, width - 6 - CARD / 2
    words = "  ·  ".join(word for word in (_state_word(link), size, rate, hop, error) if word)
    room = len(words) * 7.0 + 20
    centre = (left + right) / 2
    return group(
        tag(
            "path",
            class_="wire",
            d=f"M{right} {bottom + 4}V{foot - 8}q0 8 -8 8H{left + 8}q-8 0 -8 -8V{middle + 46}",
        ),
        tag("path", d=f"M{left - 5} {middle + 48}l5 -9l5 9z", class_="tip"),
        tag("rect", x=centre - room / 2, y=foot - 10, width=room, height=20, class_="behind"),
        text(centre, foot + 4, words, "small middle"),
        _outline(centre - room / 2, foot - 10, room, 20) if _limits(pipeline, link) else Markup(""),
        **_marks(link),
    )


def _narrow_link(pipeline: PipelineView, number: int, y: float) -> Markup:
    link = _link(pipeline, number)
    if link is None:
        return Markup("")
    (size, rate), (hop, error, queue) = _labels(link)
    x = NARROW / 2
    marks = _marks(link)
    return group(
        tag("path", d=f"M{x} {y + 6}V{y + GAP - 12}", class_="wire"),
        tag("path", d=f"M{x - 5} {y + GAP - 14}l5 9l5 -9z", class_="tip"),
        text(x - 14, y + 26, _state_word(link), "small word end"),
        text(x - 14, y + 44, size, "small strong end"),
        text(x - 14, y + 61, rate, "small muted end"),
        text(x + 14, y + 35, hop, "small strong"),
        text(x + 14, y + 50, error, "tiny muted"),
        text(x + 14, y + 66, queue, "small muted"),
        _outline(x - 110, y + 10, 220, GAP - 20) if _limits(pipeline, link) else Markup(""),
        class_=marks["class_"],
    )
