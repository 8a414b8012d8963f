"""``paceline undeploy``."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from fleet import keys
from fleet.control import undeploy as undeployer
from fleet.control.deploy_errors import DeploymentsFileError
from fleet.control.undeploy import Undeployment, UndeployRequest
from paceline import record
from paceline.connection import connected
from paceline.deploy_view import DeployView
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.settings import Settings


def undeploy(
    pipeline: str,
    /,
    *,
    devices: str | None = None,
    trust: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    force: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Take a pipeline off its devices.

    Args:
        pipeline: Its name.
        devices: Devices that may run it, besides those of its route: d1,d2.
        trust: A public key whose other orders are carried on; may be repeated.
        force: Stop what devices run by orders that cannot be proved, and replace what is nobody's
            order.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    loaded, output = where.load().settings, how.output
    private = keys.load_or_make(key or keys.default_path(os.environ))
    with connected(loaded) as session, DeployView(output) as view:
        broker = str(session.url)
        named = tuple(device.strip() for device in (devices or "").split(",") if device.strip())
        request = UndeployRequest(
            topics=loaded.topics,
            pipeline=pipeline,
            devices=named or _remembered(loaded, broker, pipeline, output),
            trusted=keys.trusted(trust),
            force=force,
        )
        gone = undeployer.undeploy(request, session, private, view)
    record.undeployed(loaded.topics, broker, pipeline, output)
    output.result(gone, lambda console: _show(console, gone))
    return 0


def _remembered(loaded: Settings, broker: str, pipeline: str, output: Output) -> tuple[str, ...]:
    """Return the devices that this user deployed it to: the broker may have lost the route."""
    try:
        entries = record.known(loaded.topics, broker)
    except DeploymentsFileError as error:
        output.note(f"note: {error}")
        return ()
    return tuple(
        dict.fromkeys(d for entry in entries if entry.pipeline == pipeline for d in entry.devices)
    )


def _show(console: Console, gone: Undeployment) -> None:
    console.print(f"pipeline {gone.pipeline}: taken off {', '.join(gone.devices)}")
    if gone.absent:
        names = ", ".join(gone.absent)
        console.print(f"note: {names} is not online and obeys when it comes back", style="yellow")
    left = [name for name in gone.leftovers if name not in gone.absent]
    if left:
        console.print(f"note: still draining on {', '.join(left)}", style="yellow")
