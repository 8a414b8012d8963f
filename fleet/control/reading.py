"""Reads what devices are and what they were ordered, before anything is written."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fleet.control import deploy_plan, proof, readiness
from fleet.control.deploy_errors import DevicesAbsentError
from fleet.control.deploy_plan import Ordered
from fleet.control.device_state import DeviceState
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
    states = read_states(seen, devices, must_answer=must_answer)
    return {
        name: deploy_plan.ordered(state, site, keys, force=force) for name, state in states.items()
    }


def read_states(
    seen: Observer, devices: Iterable[str], *, must_answer: bool
) -> dict[str, DeviceState]:
    """Return what is known of watched devices, after all that is retained has come.

    Devices that are online are asked for a sign of life, and for their orders where the broker
    has lost them; for the others a grace has to do.

    Raises:
        DevicesAbsentError: A device says it is online, gives no sign of life, and ``must_answer``.
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
    lost = [name for name in names if proof.is_lost(seen.device(name))]
    asked = [name for name in lost if name in online and name not in silent]
    answers = seen.ask("desired", asked, PING_SECONDS)
    states = {name: seen.device(name) for name in names}
    for name in lost:
        states[name] = proof.with_answer(states[name], answers.get(name))
    return states
