"""``paceline forget``."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from fleet.control import forget as forgetter
from fleet.control.deploy_errors import DeploymentsFileError
from fleet.control.deployments import Entry
from fleet.control.forget import ForgetRequest, ForgottenDevice
from paceline import record
from paceline.connection import connected
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.settings import Settings
from wire import ids


class ChangedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one pipeline of the user's list."""

    pipeline: str
    devices: tuple[str, ...]
    """Those that are left; none: a stage lost its last one, so the pipeline leaves the list."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    broker: str
    root: str
    site: str
    dry_run: bool
    """Whether nothing was done yet."""
    devices: tuple[ForgottenDevice, ...]
    deployments: tuple[ChangedDeployment, ...]


def forget(
    device: str,
    /,
    *more: str,
    force: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Forget devices that are gone for good.

    What the broker keeps of them is cleared, hubs that hear the site drop them, and they leave your
    list of deployments. An agent that is alive after all goes on with what it runs, and is there
    again when it connects anew. Exits with 8, and clears nothing, when one is online, or is to run
    something.

    Args:
        device: Its name.
        more: Names of others.
        force: Forget them although they are online or are to run something.
        dry_run: Say what would be cleared, and clear nothing.
        where: Which site.
        how: How to answer.
    """
    names = tuple(dict.fromkeys(ids.checked(name, "device") for name in (device, *more)))
    loaded, output = where.load().settings, how.output
    topics = loaded.topics
    with connected(loaded) as session, output.progress() as tell:
        broker = str(session.url)
        listed = _listed(loaded, broker, names, output)
        tell(f"reading what the broker keeps of {', '.join(names)}")
        request = ForgetRequest(
            topics=topics,
            devices=names,
            pipelines=tuple(entry.pipeline for entry in listed),
            force=force,
            dry_run=dry_run,
        )
        found = forgetter.forget(request, session)
    if listed and not dry_run:
        record.forgotten(topics, broker, names, output)
    forgotten = Forgotten(
        broker=broker,
        root=topics.root,
        site=topics.site,
        dry_run=dry_run,
        devices=found,
        deployments=tuple(_changed(entry, names) for entry in listed),
    )
    output.result(forgotten, lambda console: show(console, forgotten))
    return 0


def _listed(
    loaded: Settings, broker: str, devices: tuple[str, ...], output: Output
) -> tuple[Entry, ...]:
    """Return what this user deployed to the devices."""
    try:
        entries = record.known(loaded.topics, broker)
    except DeploymentsFileError as error:
        output.note(f"note: {error}")
        return ()
    return tuple(entry for entry in entries if not set(devices).isdisjoint(entry.devices))


def _changed(entry: Entry, devices: tuple[str, ...]) -> ChangedDeployment:
    left = entry.without(devices)
    return ChangedDeployment(pipeline=entry.pipeline, devices=left.devices if left else ())


def show(console: Console, forgotten: Forgotten) -> None:
    """Print what was cleared, or would be, and what is left to do."""
    would = "would be " if forgotten.dry_run else ""
    for device in forgotten.devices:
        line = Text(f"{device.device}: {device.presence}; ")
        if device.kept:
            line.append(f"{', '.join(device.kept)} {would}cleared")
        else:
            line.append(
                "the broker kept nothing of it that can be read; is that its name?", style="yellow"
            )
        console.print(line)
        for pipeline in device.routed:
            advice = (
                f"  the route of {pipeline} still names it: deploy that elsewhere or `paceline"
                f" undeploy {pipeline}`, then forget it once more"
            )
            console.print(Text(advice, style="yellow"))
    for told in _list_lines(forgotten, would):
        console.print(told)
    if not forgotten.dry_run:
        console.print(
            "Hubs that hear this site drop it now; for one that is away, do this again when it is"
            " back.",
            style="dim",
        )


def _list_lines(forgotten: Forgotten, would: str) -> Iterator[str]:
    for changed in forgotten.deployments:
        if changed.devices:
            yield f"{changed.pipeline}: {would}left to {', '.join(changed.devices)} in your list"
        else:
            yield f"{changed.pipeline}: {would}taken off your list of deployments"
