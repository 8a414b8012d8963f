"""``paceline deploy``."""

import os
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from fleet import keys
from fleet.control import deploy as deployer
from fleet.control.deploy import Deployment, DeployRequest
from paceline import record
from paceline.connection import connected
from paceline.deploy_view import DeployView
from paceline.formatting import seconds_text
from paceline.options import OutputOptions, SiteOptions, Timeout
from paceline.serving import listen_address
from wire.manifest import Manifest

NOBODY: Final = "none"


def deploy(  # noqa: PLR0913 one for each option
    folder: Path,
    /,
    *,
    to: str,
    name: str | None = None,
    timeout: Timeout = 120.0,
    serve: str | None = None,
    trust: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    force: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Put the segments on devices and wait until they serve.

    Args:
        folder: What `paceline split` wrote.
        to: The devices, one for each segment in order: d1,d2,d3.
        name: The pipeline's name; else the split's.
        timeout: Seconds until every segment must serve; then all is put back.
        serve: HOST:PORT where agents fetch the segments until all is done (their
            artifacts.origin); none: they are served elsewhere. Else 127.0.0.1:8788 for a broker
            on this machine, 0.0.0.0:8788 for any other.
        trust: A public key whose earlier orders are carried on; may be repeated.
        force: Stop what devices run by orders that cannot be proved.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    loaded, output = where.load().settings, how.output
    private = keys.load_or_make(key or keys.default_path(os.environ))
    address = None if serve == NOBODY else serve or listen_address(loaded.broker.url)
    request = DeployRequest(
        topics=loaded.topics,
        folder=folder,
        devices=tuple(device.strip() for device in to.split(",") if device.strip()),
        name=name,
        serve=address,
        trusted=keys.trusted(trust),
        force=force,
        timeout_seconds=timeout,
    )
    manifest = deployer.checked(request).manifest  # before the broker is asked
    with connected(loaded) as session, DeployView(output) as view:
        if address and output.live:
            output.note(f"serving the segments at {address}")
        made = deployer.deploy(request, session, private, view)
    record.deployed(loaded.topics, str(session.url), made, folder, output)
    output.result(made, lambda console: _show(console, made, manifest))
    return 0


def _show(console: Console, made: Deployment, manifest: Manifest) -> None:
    console.print(
        f"pipeline {made.pipeline}: generation {made.generation} serves"
        f" (after {seconds_text(made.serving_seconds)})"
    )
    table = Table(box=None, pad_edge=False)
    for title in ("  stage", "device", "segment", "runtime"):
        table.add_column(title)
    for stage in made.stages:
        table.add_row(f"  {stage.stage}", stage.device, stage.segment, stage.runtime)
    console.print(table)
    if made.leftovers:
        names = ", ".join(made.leftovers)
        console.print(f"note: an older generation is still draining on {names}", style="yellow")
    if made.was_lost:
        console.print(
            f"note: the broker had lost the orders of {', '.join(made.was_lost)}; they were carried"
            " on, and `paceline restore` brings back the routes of your other pipelines",
            style="yellow",
        )
    source = "photo.jpg" if manifest.preprocess else "inputs.npz"
    answer = "answer.jpg" if manifest.preprocess and manifest.postprocess else "outputs.npz"
    console.print(f"\nNext: paceline run {made.pipeline} --input {source} --output {answer}")
