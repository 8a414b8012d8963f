"""Reads what a plan of a model needs: the model, the fleet file, and what is kept of both."""

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from fleet import runtime_choice
from fleet import survey as surveying
from fleet.fleet_file import completing, reading
from fleet.fleet_file.description import Fleet
from fleet.formats import CutRequest, Tell
from fleet.model_plan import setting as settings
from fleet.model_plan.chain import ModelChain
from fleet.model_plan.errors import ProfileMissingError
from fleet.model_plan.kinds import Known
from fleet.model_plan.setting import LinkFigures, Setting
from fleet.profiles import links, measure, store
from fleet.profiles.record import ModelProfile
from wire.messages import Info


@dataclass(frozen=True, slots=True, kw_only=True)
class Infos:
    """What devices say of themselves."""

    devices: Mapping[str, Info] = field(default_factory=dict)
    """By id; those that said nothing are not in it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlanRequest:
    """What to plan."""

    model: Path
    fleet: Path | None = None
    """None: this machine alone."""
    site: str = ""
    """Root and site of the devices."""
    dims: Mapping[str, int] = field(default_factory=dict)
    example: Path | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    """No agent is asked, and no profile of one is used: this machine's own ones are."""


def read(
    request: ModelPlanRequest, kept: Path, infos: Callable[[Fleet], Infos], tell: Tell
) -> Setting:
    """Return all that is planned with.

    Args:
        request: Which model and which fleet.
        kept: The folder of profiles.
        infos: Asks the fleet's devices what they are.
        tell: Hears what is being done.

    Raises:
        CodedError: The model or the fleet file cannot be read, or something is not known.
    """
    fleet = reading.read(request.fleet) if request.fleet is not None else None
    chain = _chain(request, tell)
    site = "" if fleet is None or request.offline else request.site
    said = infos(fleet) if site and fleet is not None else Infos()
    runtimes = _runtimes(chain, fleet, said.devices) if fleet is not None else {}
    profiles = _profiles(chain, kept, site, runtimes)
    command = _command(request)
    if fleet is None:
        if not profiles:
            reason = "nothing is kept of it" + _others(chain, kept, site)
            raise ProfileMissingError(
                chain.model.name, ["this machine"], reason, f"{command} --offline"
            )
        here = measure.machine()  # a cache may have come from another one
        newest = max(profiles.values(), key=lambda profile: profile.measured_unix_ns).device
        fleet = completing.described([here if here in profiles else newest])
    ways = links.of_site(kept, site) if site else ()
    whole = completing.completed(fleet, said.devices, profiles, ways)
    try:
        found = settings.setting(
            chain, whole, profiles, said.devices, pins=request.pins, command=command
        )
    except ProfileMissingError as error:
        if request.offline:
            reason = f"offline only this machine is known, as {measure.machine()}"
            command = f"{command} --offline"
        elif _profiles(chain, kept, "").keys() & set(error.devices):
            reason = f"{error.reason} by an agent (--offline uses what was measured without one)"
            command = error.command
        else:
            raise
        raise ProfileMissingError(error.model, error.devices, reason, command) from error
    return msgspec.structs.replace(found, notes=(*found.notes, *said.notes))


def known(request: ModelPlanRequest, kept: Path, tell: Tell) -> tuple[Known, list[LinkFigures]]:
    """Return what is known of a model on kinds of devices, and of the fleet's links.

    Raises:
        CodedError: The model or the fleet file cannot be read.
    """
    fleet = reading.read(request.fleet) if request.fleet is not None else Fleet(devices=())
    chain = _chain(request, tell)
    profiles = {**_profiles(chain, kept, ""), **_profiles(chain, kept, request.site)}
    whole = completing.completed(fleet, {}, profiles, links.of_site(kept, request.site))
    ends = {*(device.id for device in fleet.devices), fleet.source, fleet.sink}
    notes: list[str] = []
    ways = list(settings.best_links(chain, whole.links, ends, notes))
    return Known(chain, fleet, profiles, _command(request), tuple(notes)), ways


def _chain(request: ModelPlanRequest, tell: Tell) -> ModelChain:
    tell("reading the model")
    cut = CutRequest(dims=request.dims, example=request.example)
    return surveying.chain(request.model, cut, tell)


class _Runtimes(NamedTuple):
    """What is known of a device's runtimes."""

    has: Collection[str]
    usual: str
    """The one that a deploy would choose."""


def _profiles(
    chain: ModelChain,
    kept: Path,
    site: str,
    runtimes: Mapping[str, _Runtimes] = MappingProxyType({}),
) -> dict[str, ModelProfile]:
    """Return the profile of each device, for the sizes that are planned for.

    Of several it is that of the runtime that a deploy would choose, else the newest; never one
    of a runtime that the device has not, or no more. Inputs that nothing reads are in no profile.
    """
    found: dict[str, ModelProfile] = {}
    for profile in reversed(store.of_model(kept, chain.model.sha256)):
        device, runtime = profile.device, profile.question.runtime
        known = runtimes.get(device, _Runtimes((runtime,), chain.runtime))
        if profile.question.site != site or not profile.sizes.items() <= chain.sizes.items():
            continue
        before = found.get(device)
        stays = before is not None and before.question.runtime == known.usual != runtime
        if runtime in known.has and not stays:
            found[device] = profile
    return found


def _runtimes(chain: ModelChain, fleet: Fleet, infos: Mapping[str, Info]) -> dict[str, _Runtimes]:
    """Return the runtimes of each device, where they are described, or it has proved them."""
    known = {
        name: _Runtimes(
            {one.runtime for one in info.runtimes if one.proved},
            runtime_choice.best(chain.format, info.runtimes),
        )
        for name, info in infos.items()
    }
    for device in fleet.devices:
        if device.runtimes is not None:
            usual = runtime_choice.best_of(chain.format, device.runtimes)
            known[device.id] = _Runtimes(device.runtimes, usual)
    return known


def _others(chain: ModelChain, kept: Path, site: str) -> str:
    others = [p for p in store.of_model(kept, chain.model.sha256) if p.question.site == site]
    return f" for the sizes {chain.sizes}, though for {others[0].sizes}" if others else ""


def _command(request: ModelPlanRequest) -> str:
    dims = "".join(f" --dim {shlex.quote(f'{name}={size}')}" for name, size in request.dims.items())
    example = f" --input {shlex.quote(str(request.example))}" if request.example else ""
    return f"paceline profile {shlex.quote(str(request.model))}{dims}{example}"
