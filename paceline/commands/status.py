"""``paceline status``."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.control.observe import GRACE_SECONDS, Observer
from fleet.control.pipeline_status import (
    EdgeStatus,
    PipelineStatus,
    StageStatus,
    pipeline_status,
)
from fleet.simulator.predicting import Prediction
from paceline import record
from paceline.connection import connected
from paceline.errors import PipelineUnknownError
from paceline.formatting import age_text, prediction_text
from paceline.options import OutputOptions, SiteOptions
from wire.messages import Route
from wire.session import Session
from wire.topics import Site

_STYLES: Final = {
    "serving": "green",
    "healthy": "green",
    "online": "green",
    "degraded": "yellow",
    "down": "red",
    "failed": "red",
    "failing": "red",
    "missing": "red",
    "lost": "red",
    "offline": "red",
    "unknown": "red",
    "not_deployed": "dim",
}


DOWN: Final = 6
"""The exit code where a stage of a pipeline serves on no device, or no client finds it."""


class SiteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    broker: str
    root: str
    site: str
    pipelines: tuple[PipelineStatus, ...]
    predicted: dict[str, Prediction]
    """Of pipelines that you deployed by a plan."""


def status(
    pipeline: str | None = None,
    /,
    *,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show what the devices of a pipeline do; without a name: of all that you deployed.

    Exits with 6 when one of them does not serve (down, not deployed), with 0 when all do, degraded
    or not.

    Args:
        pipeline: Its name.
        where: Which site.
        how: How to answer.
    """
    loaded = where.load().settings
    topics = loaded.topics
    if pipeline is not None:
        topics.topic("route", pipeline=pipeline)  # a name that is no id needs no broker
    with connected(loaded) as session:
        broker = str(session.url)
        known = record.known(topics, broker)
        remembered = {e.pipeline: e.devices for e in known}
        names = list(remembered) if pipeline is None else [pipeline]
        found = _read(session, topics, {name: remembered.get(name, ()) for name in names})
    if pipeline is not None and not (found[0].stages or found[0].others or pipeline in remembered):
        raise PipelineUnknownError(pipeline, broker)
    read = SiteStatus(
        broker=broker,
        root=topics.root,
        site=topics.site,
        pipelines=found,
        predicted={
            entry.pipeline: entry.promise.predicted
            for entry in known
            for status in found
            if entry.promise and entry.promise.predicted
            if (entry.pipeline, entry.generation) == (status.pipeline, status.generation)
        },
    )
    for name in (lost.pipeline for lost in found if _has_lost_its_route(lost)):
        if name in remembered:
            how.output.note(
                f"note: devices serve {name}, which you deployed, and the broker has lost its"
                f" route; `paceline restore {name}` brings it back"
            )
    how.output.result(read, lambda console: show(console, read, time.time_ns()))
    return exit_code(found)


def exit_code(found: Sequence[PipelineStatus]) -> int:
    """Return 0 when every pipeline gives answers, degraded or not."""
    return DOWN if any(one.state in {"down", "not_deployed"} for one in found) else 0


def _read(
    session: Session, topics: Site, pipelines: dict[str, Sequence[str]]
) -> tuple[PipelineStatus, ...]:
    """Return the status of pipelines; each comes with devices that may run it."""
    with Observer(session, topics) as seen:
        for name, devices in pipelines.items():
            seen.watch_route(name)
            seen.watch_devices(devices)
        seen.wait(lambda: all(seen.route(name) for name in pipelines), GRACE_SECONDS)
        routes = {name: seen.route(name) for name in pipelines}
        for route in routes.values():
            seen.watch_devices(_devices(route))
        seen.wait(
            lambda: all(d.status and d.reported for d in seen.devices().values()), GRACE_SECONDS
        )
        states = seen.devices()
    return tuple(
        pipeline_status(
            name,
            routes[name],
            {device: states[device] for device in (*devices, *_devices(routes[name]))},
        )
        for name, devices in pipelines.items()
    )


def _has_lost_its_route(status: PipelineStatus) -> bool:
    """Whether devices serve a pipeline that no client can find."""
    serving = any(s.phase == "serving" and s.device_state == "online" for s in status.others)
    return status.state == "not_deployed" and serving


def _devices(route: Route | None) -> list[str]:
    return [stage.device for stage in route.stages] if route else []


def show(console: Console, read: SiteStatus, now_unix_ns: int) -> None:
    """Print the status of pipelines as tables; ``now_unix_ns`` is what ages count from."""
    if not read.pipelines:
        console.print(
            f"Nothing that you deployed is known on {read.broker}, site {read.site}.\n"
            "Deploy with: paceline deploy DIR --to DEVICES"
        )
    for number, pipeline in enumerate(read.pipelines):
        if number:
            console.print()
        _show_pipeline(console, pipeline, now_unix_ns)
        if pipeline.pipeline in read.predicted:
            console.print(f"  predicted: {prediction_text(read.predicted[pipeline.pipeline])}")


def _show_pipeline(console: Console, pipeline: PipelineStatus, now_unix_ns: int) -> None:
    head = Text(f"{pipeline.pipeline}: ")
    head.append(_styled(pipeline.state.replace("_", " "), pipeline.state))
    if pipeline.generation is not None:
        head.append(f", generation {pipeline.generation}")
    console.print(head)
    rows = (*pipeline.stages, *pipeline.others)
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    titles = ("  stage", "device", "segment", "is", "phase", "outcome", "runtime", "gen", "since")
    for title in titles:
        table.add_column(title, no_wrap=True)
    for stage in rows:
        table.add_row(*_cells(stage, now_unix_ns))
    console.print(table)
    if len(pipeline.edges) > 1:
        console.print(Text(f"  edges: {', '.join(map(_edge, pipeline.edges))}", "dim"))
    for stage in rows:
        for reason in filter(None, (stage.reason, stage.degraded)):
            where = f"  {stage.device} {stage.segment}: "
            told = f"{reason.code}: {reason.message}"
            console.print(Text(where).append(told, style="yellow"))
    insecure = sorted({stage.device for stage in rows if stage.insecure})
    if insecure:
        told = "insecure: true in the configuration allows a broker without password and TLS"
        console.print(Text(f"  {', '.join(insecure)}: ").append(told, style="yellow"))


def _edge(edge: EdgeStatus) -> str:
    """Return how tensors travel there: ``entry mqtt raw``, ``0 → 1 tcp fp16``."""
    name = f"{edge.edge} → {int(edge.edge) + 1}" if edge.edge.isdecimal() else edge.edge
    return f"{name} {' '.join(filter(None, (edge.link, edge.codec))) or 'not known'}"


def _cells(stage: StageStatus, now_unix_ns: int) -> tuple[Text, ...]:
    age = (now_unix_ns - stage.since_unix_ns) / 1e9 if stage.since_unix_ns else None
    outcome = stage.outcome or ""
    if stage.restarts:
        outcome += f", {stage.restarts} restarts"
    return (
        Text(f"  {stage.stage}"),
        Text(stage.device),
        Text(stage.segment),
        _styled(stage.device_state, stage.device_state),
        _styled(stage.phase, stage.phase),
        _styled(outcome, stage.outcome or ""),
        _runtime(stage),
        Text(str(stage.generation)),
        Text("" if age is None else age_text(age)),
    )


def _runtime(stage: StageStatus) -> Text:
    """Return what runs it, beside what was asked for where that is another."""
    if stage.runtime is None:
        return Text("")
    on = f" ({stage.accelerator})" if stage.accelerator not in {"", "cpu", "none"} else ""
    other = stage.runtime_asked not in {None, stage.runtime}
    text = f"{stage.runtime_asked} → {stage.runtime}" if other else stage.runtime
    return Text(f"{text}{on}", style="yellow" if stage.degraded else "")


def _styled(text: str, state: str) -> Text:
    return Text(text, style=_STYLES.get(state, ""))
