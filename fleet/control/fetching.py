"""Whether devices can fetch what a deploy serves, and what to do where they cannot. Pure.

A device tells in ``info`` where it fetches: its ``artifacts.origin``. That it is another address
than ``--serve`` gave proves nothing: ports are forwarded, proxies stand between, and who keeps a
copy fetches nothing. So nothing is refused by it. But once a device reports that it gets nothing
from there, nobody waits until it gives up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fleet.control.deploy_progress import ENDED, StageProgress, Verdict
from fleet.control.device_state import DeviceState
from wire.broker_url import is_loopback
from wire.messages import Reason

NOT_SERVED: Final = "artifact.not_served"
"""What a device reports where nothing at its origin has the file."""
UNFETCHED: Final = frozenset(
    {NOT_SERVED, "artifact.unreachable", "artifact.refused", "artifact.redirected"}
)
"""What a device may report that asks elsewhere than where its segment is served."""

_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 as --serve may say it
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]{1,255}(/[A-Za-z0-9._~/-]{0,255})?")


@dataclass(frozen=True, slots=True)
class Served:
    """Where segments are served, and where devices fetch them."""

    address: str | None
    """``HOST:PORT``, as ``--serve`` gave it; None: somebody else serves, or is about to."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """By device; agents that are too old to tell are left out."""


def served(address: str | None, states: Mapping[str, DeviceState]) -> Served:
    """Return where segments are served, and where these devices say that they fetch them."""
    told = {name: state.info.artifacts_origin for name, state in states.items() if state.info}
    return Served(address, {name: origin for name, origin in told.items() if _is_origin(origin)})


def judged(stages: Sequence[StageProgress], served: Served) -> tuple[StageProgress, ...]:
    """Return the stages, those failed that fetch in vain."""
    return tuple(
        replace(stage, verdict=Verdict.FAILED) if _in_vain(stage, served) else stage
        for stage in stages
    )


def advice(stages: Sequence[StageProgress], served: Served) -> str:
    """Return what to do for devices that get nothing; empty: that is not what is wrong."""
    ended = any(stage.verdict in ENDED for stage in stages)
    devices = dict.fromkeys(stage.device for stage in stages if _unfetched(stage, ended=ended))
    if not devices:
        return ""
    asked: dict[str, list[str]] = {}
    for device in devices:
        asked.setdefault(served.origins.get(device, ""), []).append(device)
    where = ", ".join(_fetch_from(names, origin) for origin, names in asked.items())
    if served.address is None:
        return f"somebody else serves the segments (--serve none), and {where}: serve them there"
    remedy = _remedy(served.address, next(iter(asked)))
    return f"the segments are served at {served.address} (--serve), and {where}: {remedy}"


def seems_elsewhere(address: str, origin: str) -> bool:
    """Whether ``origin`` leads elsewhere than to ``address``, unless something stands between."""
    url = urlsplit(origin)
    host, port = _parts(address)
    if url.scheme != "http" or url.path not in {"", "/"}:
        return False  # something does: what a deploy serves is plain and has no folder
    if port not in {0, _port(url)}:
        return True
    return host not in _EVERYWHERE and is_loopback(host) != is_loopback(url.hostname or "")


def _in_vain(stage: StageProgress, served: Served) -> bool:
    if served.address is None or stage.verdict is not Verdict.WAITING or stage.phase != "fetching":
        return False
    return _is_final(stage.reason, served.address, served.origins.get(stage.device, ""))


def _is_final(reason: Reason | None, address: str, origin: str) -> bool:
    """Whether what a device says of its origin will not pass by itself."""
    if reason is None or reason.code not in UNFETCHED:
        return False
    return reason.code == NOT_SERVED or seems_elsewhere(address, origin)


def _unfetched(stage: StageProgress, *, ended: bool) -> bool:
    if stage.verdict in ENDED:
        return stage.reason is not None and stage.reason.code in UNFETCHED
    return not ended and stage.phase == "fetching"


def _fetch_from(names: Sequence[str], origin: str) -> str:
    verb = "fetches" if len(names) == 1 else "fetch"
    told = f"{origin} (artifacts.origin)" if origin else "where artifacts.origin says"
    return f"{', '.join(names)} {verb} from {told}"


def _remedy(address: str, origin: str) -> str:
    host, port = _parts(address)
    url = urlsplit(origin)
    here, which = f"http://{address}", ""
    if host in _EVERYWHERE:
        here, which = f"http://HOST:{port}", " (HOST is this machine)"
    write = f"write {here}{which} to artifacts.origin and restart the agent"
    elsewhere, away = seems_elsewhere(address, origin), not is_loopback(url.hostname or "")
    if elsewhere and is_loopback(host) and away:
        return f"say --serve 0.0.0.0:{_port(url)}, where this machine is {url.hostname}"
    if elsewhere and port != _port(url):
        return f"say --serve {address.rpartition(':')[0]}:{_port(url)}, or {write}"
    firewall = f"let port {port} of this machine through its firewall"
    if origin.rstrip("/") == here:
        return firewall
    return f"{write}, or {firewall}" if origin and away else write


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _is_origin(text: str) -> bool:
    """Whether it is an address that may be shown; devices say it, and so may others."""
    try:
        return _ORIGIN.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:
        return False
