"""``paceline restore``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from fleet import keys
from fleet.control import restore as restorer
from fleet.control.deployments import Entry
from fleet.control.restore import RestoredDevice, RestoredPipeline, RestoreRequest
from paceline import record
from paceline.connection import connected
from paceline.deploy_view import DeployView
from paceline.errors import NotRememberedError
from paceline.options import OutputOptions, SiteOptions, Timeout
from wire import ids

_STYLES: Final = {"restored": "green", "not_restored": "red"}


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    broker: str
    root: str
    site: str
    devices: tuple[RestoredDevice, ...]
    pipelines: tuple[RestoredPipeline, ...]


def restore(
    pipeline: str | None = None,
    /,
    *,
    timeout: Timeout = 30.0,
    trust: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Bring back what a broker lost of a pipeline; without a name: of all that you deployed.

    A broker that was restarted without its memory holds no routes and no orders any more. Devices
    go on, and hold their orders themselves. Exits with 0 when nothing is missing any more, with 6
    when a device is not there or does not serve, and with 8 when its orders are not proved.

    Args:
        pipeline: Its name; else everything that you deployed.
        timeout: Seconds that devices may take to be there and to serve.
        trust: A public key whose orders are brought back, besides your own; may be repeated.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    loaded, output = where.load().settings, how.output
    if pipeline is not None:
        ids.checked(pipeline, "pipeline")  # a name that is no id needs no broker
    private = keys.load_or_make(key or keys.default_path(os.environ))
    trusted = (private.public_key(), *keys.trusted(trust))
    with connected(loaded) as session, DeployView(output) as view:
        broker = str(session.url)
        entries = _chosen(record.known(loaded.topics, broker), pipeline, broker)
        request = RestoreRequest(
            topics=loaded.topics, entries=entries, keys=trusted, ready_seconds=timeout
        )
        found = restorer.restore(request, session, view)
    topics = loaded.topics
    restored = Restored(
        broker=broker,
        root=topics.root,
        site=topics.site,
        devices=found.devices,
        pipelines=found.pipelines,
    )
    output.result(restored, lambda console: show(console, restored))
    return found.exit_code


def _chosen(entries: Sequence[Entry], pipeline: str | None, broker: str) -> tuple[Entry, ...]:
    chosen = tuple(entry for entry in entries if pipeline in {None, entry.pipeline})
    if pipeline is not None and not chosen:
        raise NotRememberedError(pipeline, broker)
    return chosen


def show(console: Console, restored: Restored) -> None:
    """Print what became of each device's orders and of each route."""
    if not restored.pipelines:
        console.print(
            f"Nothing that you deployed is known on {restored.broker}, site {restored.site}."
        )
        return
    for device in restored.devices:
        _line(console, f"{device.device}: orders ", device.orders, device)
    for pipeline in restored.pipelines:
        head = f"{pipeline.pipeline}: generation {pipeline.generation}, route "
        _line(console, head, pipeline.route, pipeline)


def _line(
    console: Console, head: str, outcome: str, found: RestoredDevice | RestoredPipeline
) -> None:
    line = Text(head).append(outcome.replace("_", " "), style=_STYLES.get(outcome, ""))
    if found.reason is not None:
        line.append(f" ({found.reason.code}: {found.reason.message})")
    console.print(line)
