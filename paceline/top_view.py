"""What ``paceline top`` shows of a site: pipelines, what limits them, devices in trouble."""

from typing import Final

from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleet.hub.views import (
    AccountView,
    DeviceView,
    PipelineView,
    ProblemView,
    SiteView,
    StageView,
    State,
)
from paceline.formatting import age_text, counted, seconds_text, size_text
from paceline.output import one_line

WIDE: Final = 110
"""Columns from which on there is room for more of a stage."""
BAR_CELLS: Final = 10
MAX_NAMES: Final = 8
_STYLES: Final[dict[State, str]] = {
    "ok": "green",
    "busy": "cyan",
    "warning": "yellow",
    "error": "bold red",
    "off": "dim",
}
_MARKS: Final[dict[State, str]] = {
    "ok": "●",
    "busy": "◌",
    "warning": "▲",
    "error": "✘",
    "off": "○",
}
_NOTHING: Final = Text("–", "dim")


def drawn(
    view: SiteView, now_unix_ns: int, width: int, height: int | None = None
) -> ConsoleRenderable:
    """Return what a terminal shows.

    Args:
        view: The site.
        now_unix_ns: The hub's time.
        width: Columns.
        height: Lines; what has no room is counted. None: as many as it takes.
    """
    parts: list[ConsoleRenderable] = [_head(view, now_unix_ns)]
    for pipeline in view.pipelines:
        parts += [Text(""), *_pipeline(pipeline, now_unix_ns, width)]
    if not view.pipelines:
        told = "No pipeline is deployed; paceline deploy DIR --to DEVICES does that."
        parts += [Text(""), Text(told, "dim")]
    parts += [Text(""), *_devices(view, now_unix_ns, width)]
    whole = Group(*parts)
    return whole if height is None else _fitting(whole, width, height)


def _fitting(whole: Group, width: int, height: int) -> ConsoleRenderable:
    """Return as many lines as there are; the last one says how many are below."""
    console = Console(width=width, force_terminal=True, color_system="truecolor")
    lines = console.render_lines(whole, console.options.update(height=None), pad=False)
    if len(lines) <= height:
        return whole
    shown = [Text.assemble(*((s.text, s.style or "") for s in line)) for line in lines]
    below = len(lines) - height + 1
    return Group(*shown[: height - 1], Text(f"… {below} more lines; --once prints all", "dim"))


def _head(view: SiteView, now_unix_ns: int) -> Text:
    hub = view.hub
    head = Text(view.site, "bold")
    head.append(f"  {view.devices_heard} of {view.devices_known} devices heard", "not bold")
    for state, words, style in (
        ("error", "in trouble", "red"),
        ("warning", "with warnings", "yellow"),
    ):
        count = sum(device.state == state for device in view.devices)
        if count:
            head.append(f", {count} {words}", f"not bold {style}")
    head.append(f"  {one_line(hub.broker)}", "not bold dim")
    if not hub.connected:
        problem = one_line(hub.broker_problem or "not connected")
        head.append(f"\n✘ the hub does not have its broker: {problem}", "bold red")
    if hub.database_problem:
        head.append(f"\n✘ the hub's database: {one_line(hub.database_problem)}", "bold red")
    late = (now_unix_ns - view.at_unix_ns) / 1e9
    if late > 5:
        head.append(f"\n▲ nothing changed for {age_text(late)}", "yellow")
    return head


def _pipeline(pipeline: PipelineView, now_unix_ns: int, width: int) -> list[ConsoleRenderable]:
    head = Text(pipeline.pipeline, "bold")
    head.append("  ").append_text(_state(pipeline.state, pipeline.condition.replace("_", " ")))
    if pipeline.generation is not None:
        head.append(f"  generation {pipeline.generation}", "not bold dim")
    head.append(f"  {_number(pipeline.frames_per_second)} frames/s", "not bold")
    if pipeline.latency_seconds_p50 is not None:
        head.append(f"  p50 {seconds_text(pipeline.latency_seconds_p50)}", "not bold")
    if pipeline.latency_seconds_p95 is not None:
        head.append(f"  p95 {seconds_text(pipeline.latency_seconds_p95)}", "not bold")
    parts: list[ConsoleRenderable] = [head]
    if pipeline.stages:
        parts.append(_stages(pipeline, width))
    for stage in pipeline.stages:
        if stage.reason is not None:
            told = _problem(stage.reason, now_unix_ns)
            parts.append(_indented(Text(f"stage {stage.stage}: ").append_text(told)))
    if pipeline.bottleneck is not None:
        parts.append(_indented(Text.assemble(("▸ ", "yellow"), one_line(pipeline.bottleneck.text))))
    parts += [_indented(line) for line in _account(pipeline.account)]
    parts += [
        _indented(Text(f"also: {one_line(other)}", "dim")) for other in pipeline.other_generations
    ]
    return parts


def _stages(pipeline: PipelineView, width: int) -> Table:
    wide = width >= WIDE
    limit = pipeline.bottleneck
    links = {link.target: link.link for link in pipeline.links}
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", width=1)
    for title in ("#", "device", "state"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    if wide:
        table.add_column("segment", no_wrap=True, overflow="ellipsis")
        table.add_column("runtime", no_wrap=True, overflow="ellipsis")
        table.add_column("fed by", no_wrap=True, overflow="ellipsis")
    for title in ("frames/s", "run", *(("p95",) if wide else ())):
        table.add_column(title, no_wrap=True, justify="right")
    table.add_column("at work", no_wrap=True, min_width=BAR_CELLS + 6)
    table.add_column("queue", no_wrap=True, justify="right")
    if wide:
        table.add_column("memory", no_wrap=True, justify="right")
    for stage in pipeline.stages:
        is_limit = limit is not None and limit.is_at(stage)
        fed_by = links.get(str(stage.stage)) if wide else None
        table.add_row(*_stage(stage, fed_by, is_limit=is_limit, wide=wide))
    return table


def _stage(stage: StageView, fed_by: str | None, *, is_limit: bool, wide: bool) -> list[Text]:
    is_there = stage.presence in {"online", "unknown"}
    state = _state(stage.state, one_line(stage.phase if is_there else stage.presence))
    cells = [
        Text("▸" if is_limit else "", "yellow"),
        Text(str(stage.stage)),
        Text(stage.device, "bold" if is_limit else ""),
        state,
    ]
    if wide:
        asked, actual = stage.runtime_asked, stage.runtime_actual or stage.runtime_asked
        runtime = Text(one_line(actual)) if actual == asked else Text(f"→ {actual}", "yellow")
        cells += [Text(one_line(stage.segment)), runtime]
        cells.append(Text(one_line(fed_by)) if fed_by else _NOTHING)
    cells += [Text(_number(stage.frames_per_second)), _time(stage.run_seconds_p50)]
    if wide:
        cells.append(_time(stage.run_seconds_p95))
    queued = _NOTHING if stage.queued_frames is None else Text(str(stage.queued_frames))
    cells += [bar(stage.utilisation_ratio), queued]
    if wide:
        cells.append(_size(stage.memory_bytes))
    return cells


def bar(ratio: float | None) -> Text:
    """Return a share as a bar of `BAR_CELLS` cells and a percentage."""
    if ratio is None:
        return _NOTHING
    filled = round(min(1.0, max(0.0, ratio)) * BAR_CELLS)
    style = "red" if ratio >= 0.95 else "yellow" if ratio >= 0.8 else "green"
    rest = BAR_CELLS - filled
    return Text.assemble(("━" * filled, style), ("─" * rest, "dim"), (f" {ratio:4.0%}", style))


def _account(account: AccountView) -> list[Text]:
    errors = sum(account.errors.values())
    line = Text(f"{account.submitted} submitted = {counted(account.results, 'result')} + ")
    line.append(counted(errors, "error"), "yellow" if errors else "")
    line.append(" + ")
    line.append(counted(account.drops, "drop"), "yellow" if account.drops else "")
    line.append(f" + {account.in_flight} in flight")
    lines = [line]
    if account.errors:
        codes = (f"{one_line(code)} {count}" for code, count in account.errors.items())
        lines.append(Text(f"errors: {', '.join(codes)}", "yellow"))
    if account.lost:
        told = f"{counted(account.lost, 'frame')} ended by deadline, no stage has said why yet"
        lines.append(Text(f"! {told}", "yellow"))
    return lines


def _devices(view: SiteView, now_unix_ns: int, width: int) -> list[ConsoleRenderable]:
    troubled = [d for d in view.devices if d.problems or d.next_step or d.state == "error"]
    parts: list[ConsoleRenderable] = []
    for device in troubled:
        parts.append(_device_head(device, now_unix_ns))
        parts += [_indented(_problem(problem, now_unix_ns), 4) for problem in device.problems]
        if device.next_step is not None:
            command, why = one_line(device.next_step.command), one_line(device.next_step.why)
            step = Text.assemble(("→ ", "cyan"), (command, "bold cyan"), (f"  {why}", "dim"))
            parts.append(_indented(step, 4))
    well = [device for device in view.devices if device not in troubled]
    if well:
        parts.append(_well(well, width))
    if view.devices_missing:
        names = ", ".join(view.devices_missing[:MAX_NAMES])
        more = view.devices_known - view.devices_heard - len(view.devices_missing[:MAX_NAMES])
        told = f"not heard since the hub started: {names}" + (
            f" and {more} more" if more > 0 else ""
        )
        parts.append(Text(told, "yellow"))
    return parts


def _device_head(device: DeviceView, now_unix_ns: int) -> Text:
    head = Text.assemble(_state(device.state, device.device), "  ")
    head.append(device.presence, "dim" if device.presence == "online" else "red")
    if device.last_seen_unix_ns is not None:
        head.append(f", heard {_ago(device.last_seen_unix_ns, now_unix_ns)}", "dim")
    for fact in _facts(device):
        head.append(f"  {fact}")
    return head


def _well(devices: list[DeviceView], width: int) -> Table:
    """Return a row for each device; those that are many share one line."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    if len(devices) > MAX_NAMES:
        by_state = {state: [d for d in devices if d.state == state] for state in _MARKS}
        for state, those in by_state.items():
            if those:
                names = ", ".join(device.device for device in those)
                text = _state(state, f"{len(those)} more: {names}")
                text.truncate(width, overflow="ellipsis")
                table.add_row(text)
        return table
    for device in devices:
        table.add_row(
            _state(device.state, device.device),
            Text(device.presence, "dim"),
            *(Text(fact) for fact in _facts(device)),
        )
    return table


def _facts(device: DeviceView) -> list[str]:
    facts: list[str] = []
    if device.presence != "online":
        return facts  # they are of some time ago
    if device.cpu_ratio is not None:
        facts.append(f"CPU {device.cpu_ratio:.0%}")
    if device.memory_available_bytes is not None:
        facts.append(f"{size_text(device.memory_available_bytes)} free")
    if device.temperature_celsius is not None:
        hot = " throttled" if device.throttled else ""
        facts.append(f"{device.temperature_celsius:.0f} °C{hot}")
    return facts


def _problem(problem: ProblemView, now_unix_ns: int) -> Text:
    style = "red" if problem.severity == "error" else "yellow"
    text = Text.assemble((one_line(problem.message), style))
    text.append(f"  {one_line(problem.code)}", "dim")
    if problem.since_unix_ns is not None:
        text.append(f", since {age_text((now_unix_ns - problem.since_unix_ns) / 1e9)}", "dim")
    return text


def _state(state: State, told: str) -> Text:
    return Text(f"{_MARKS[state]} {told}", _STYLES[state])


def _indented(text: Text, columns: int = 3) -> Padding:
    return Padding(text, (0, 0, 0, columns), expand=False)


def _ago(then_unix_ns: int, now_unix_ns: int) -> str:
    age = age_text((now_unix_ns - then_unix_ns) / 1e9)
    return "now" if age == "now" else f"{age} ago"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _time(seconds: float | None) -> Text:
    return _NOTHING if seconds is None else Text(seconds_text(seconds))


def _size(size_bytes: float | None) -> Text:
    return _NOTHING if size_bytes is None else Text(size_text(size_bytes))
