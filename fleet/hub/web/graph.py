"""A pipeline as a drawing: client, stages, and back; side by side, or one above the other."""

from urllib.parse import quote

from markupsafe import Markup

from fleet.hub.views import PipelineView, StageView, by_stage
from fleet.hub.web import wording as say
from fleet.hub.web.graph_links import (
    APART,
    CARD,
    CLIENT,
    GAP,
    HEIGHT,
    LINK,
    NARROW,
    middles,
    narrow_link,
    outline,
    way_back,
    wide_link,
)
from fleet.hub.web.svg import drawing, group, tag, text

TOP, RETURN, CLIENT_HEIGHT = 24, 46, 40
"""Room above for the bottleneck's label, below for the way back; the client's height, where one
stands above the other."""


def stage_word(stage: StageView) -> str:
    """Return how a stage is, in one word: its phase, or what became of its device or runtime."""
    if stage.presence != "online":
        return stage.presence
    return "degraded" if stage.phase == "serving" and stage.state == "warning" else stage.phase


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
        before = columns[number - 1] if number else ()
        parts.append(wide_link(pipeline, number, (before, replicas), x, middle))
        for stage, its_middle in zip(replicas, middles(len(replicas), middle), strict=True):
            at = (x + LINK, its_middle - HEIGHT / 2)
            parts.append(_card(pipeline, stage, at, CARD, now_unix_ns, "data_stage"))
    lowest = middles(len(columns[-1]), middle)[-1] + HEIGHT / 2 if columns else middle
    parts.append(way_back(pipeline, width, middle, lowest, TOP + height))
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
        parts.append(narrow_link(pipeline, number, y))
        y += GAP - APART
        for stage in replicas:
            at = (4, y + APART)
            parts.append(_card(pipeline, stage, at, NARROW - 8, now_unix_ns, "data_narrow_stage"))
            y += APART + HEIGHT
    parts.append(narrow_link(pipeline, len(columns), y))
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


def _client(pipeline: PipelineView, x: float, y: float, width: float, height: float) -> Markup:
    limit = pipeline.bottleneck
    source = limit is not None and limit.stage is None and limit.link is None
    return group(
        tag("rect", x=x, y=y, width=width, height=height, rx=10, class_="card client"),
        text(x + width / 2, y + height / 2 + 4.5, "client", "strong middle"),
        outline(x, y, width, height) if source else Markup(""),
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
    limits = pipeline.bottleneck is not None and pipeline.bottleneck.is_at(stage)
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
        outline(x, y, width, HEIGHT) if limits else Markup(""),
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
    less = stage.reason.severity == "warning"  # it serves, and may have served well for long
    since = stage.reason.since_unix_ns or (None if less else stage.since_unix_ns)
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
