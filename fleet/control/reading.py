"""Reads what devices are and what they were ordered, before anything is written."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fleet.control import deploy_plan, readiness
from fleet.control.deploy_errors import DevicesAbsentError
from fleet.control.deploy_plan import Ordered
from fleet.control.observe import GRACE_SECONDS, Observer

PROVING_SECONDS: Final = 90.0
"""How long an agent that is there may take to prove its runtimes after a start."""
PING_SECONDS: Final = 10.0


def await_devices(
    seen: Observer, devices: Iterable[str], ready_seconds: float, tell: Callable[[str], None]
) -> None:
    """Wait until every watched device is there and says what it is.

    Raises:
        DevicesAbsentError: One is not there after ``ready_seconds``, or goes meanwhile.
    """
    names = set(devices)

    def absences() -> Mapping[str, str]:
        return readiness.absences({name: seen.device(name) for name in names})

    def all_online() -> bool:
        return all(seen.device(name).online for name in names)

    seen.wait(lambda: not absences(), ready_seconds)
    if absences() and all_online():
        tell("the devices are proving their runtimes")
        seen.wait(lambda: not absences() or not all_online(), PROVING_SECONDS)
    if missing := absences():
        raise DevicesAbsentError(missing)


def read_ordered(
    seen: Observer,
    devices: Iterable[str],
    site: str,
    keys: tuple[Ed25519PublicKey, ...],
    *,
    force: bool,
    must_answer: bool,
) -> dict[str, Ordered]:
    """Return what watched devices were ordered, after all that is retained has come.

    Devices that are online are asked for a sign of life; for the others a grace has to do.

    Args:
        seen: Watches them already.
        devices: Their names.
        site: The site that their orders must be for.
        keys: Whose orders are carried on.
        force: Drop orders that are not proved instead of refusing.
        must_answer: Whether a device that says it is online and gives no sign of life is an error.

    Raises:
        DevicesAbsentError: See ``must_answer``.
        OrdersUnknownError: See `fleet.control.deploy_plan.ordered`.
    """
    names = list(dict.fromkeys(devices))
    online = [name for name in names if seen.device(name).online]
    silent = seen.ping(online, PING_SECONDS)
    if silent and must_answer:
        raise DevicesAbsentError(
            dict.fromkeys(silent, f"is online and does not answer within {PING_SECONDS:g} s")
        )
    if silent or len(online) < len(names):
        seen.wait(lambda: None, GRACE_SECONDS)
    return {name: deploy_plan.ordered(seen.device(name), site, keys, force=force) for name in names}
