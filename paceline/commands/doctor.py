"""``paceline doctor``."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from fleet.control.examine import examine as examine_device
from fleet.control.observe import Observer
from paceline import examining
from paceline.connection import connected
from paceline.doctor_view import show
from paceline.options import BrokerOptions, OutputOptions, Timeout
from wire import ids
from wire.reports import DoctorReport

FOUND_SOMETHING: Final = 7


def doctor(
    *,
    device: str | None = None,
    config: Path | None = None,
    timeout: Timeout = 200.0,
    where: BrokerOptions = BrokerOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Look for what is wrong with this machine or with a device, and say how to repair it.

    On a machine with an agent, its configuration is used; elsewhere your settings are, and only
    what `paceline` itself needs is looked at. Exits with 7 when a problem was found.

    Args:
        device: Ask this device's agent to examine it; else this machine is examined.
        config: The agent's configuration on this machine; else /etc/paceline/agent.yaml, where it
            is there.
        timeout: Seconds that a device may take.
        where: Which site.
        how: How to answer.
    """
    if device is not None:
        report = _device(device, timeout, where, how)
    else:
        report = _this_machine(config, where, how)
    how.output.result(_plain(report), lambda console: show(console, report))
    return FOUND_SOMETHING if report.count("problem") else 0


def _device(device: str, timeout: float, where: BrokerOptions, how: OutputOptions) -> DoctorReport:
    ids.checked(device, "device")  # a name that is no id needs no broker
    loaded = where.loaded(None).settings
    with (
        connected(loaded) as session,
        Observer(session, loaded.topics) as seen,
        how.output.progress() as tell,
    ):
        tell(f"{device} examines itself")
        return examine_device(seen, device, timeout)


def _this_machine(config: Path | None, where: BrokerOptions, how: OutputOptions) -> DoctorReport:
    file = config or (examining.AGENT_CONFIG if examining.AGENT_CONFIG.exists() else None)
    if file is not None:
        arguments, values = ["--config", str(file)], where.given
    else:
        arguments, values = ["--without-agent"], examining.values(where.loaded(None).settings)
    environ = examining.environment(os.environ, values)
    with how.output.progress() as tell:
        return examining.examine(arguments, environ, tell)


def _plain(report: DoctorReport) -> dict[str, Any]:
    """Return what ``--json`` prints: counts before the whole report."""
    counts = {"problems": report.count("problem"), "warnings": report.count("warning")}
    return {**counts, **msgspec.to_builtins(report)}
