"""What a device was ordered, as far as it is proved by a signature. Pure.

The broker's retained desired state is asked first. A broker may have lost it, or have come back
with an older one; the device itself holds the newest that it accepted. Whichever counts, only a
key that we trust makes it an order that may be carried on (ADR 5, ADR 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fleet.control.device_state import DeviceState
from wire import messages, signing
from wire.errors import MessageError, SignatureError
from wire.messages import Desired, Response


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest orders of a device, or why nobody can tell them."""

    desired: Desired | None = None
    """None: there are none, or they are not proved."""
    payload: bytes | None = None
    """The same as it came."""
    problem: str | None = None
    """Why orders that were given are not proved."""
    lost: bool = False
    """Whether the broker does not hold them."""
    shown: bool = True
    """Whether the broker or the device shows them at all."""
    nobodys: bool = False
    """Whether what stands on the broker is no order of anybody's: no device could obey it."""


def is_lost(state: DeviceState) -> bool:
    """Whether the device has accepted newer orders than the broker holds."""
    if state.reported is None:
        return False
    if not state.desired:
        return bool(state.reported.assignments) or state.reported.observed > (0, 0)
    return state.reported.observed > _numbers(state.desired)


def with_answer(state: DeviceState, answer: Response | None) -> DeviceState:
    """Return the state with what the device answered to ``desired``; None: it did not answer."""
    if answer is None:
        why = "it does not answer" if state.online else f"it is {state.presence}"
        return replace(state, held=None, held_problem=why)
    if not answer.ok:
        why = f"{answer.reason.code}: {answer.reason.message}" if answer.reason else "no reason"
        return replace(state, held=None, held_problem=why)
    text = answer.result.get("desired")
    if not isinstance(text, str):
        return replace(state, held=None, held_problem="its answer holds none")
    return replace(state, held=text.encode(), held_problem=None)


def proved(state: DeviceState, site: str, keys: Sequence[Ed25519PublicKey]) -> Proof:
    """Return what the device was ordered last.

    Args:
        state: What was read; with the device's answer where the broker's orders are lost.
        site: The site it must be for.
        keys: Whose orders count.
    """
    if not is_lost(state):
        return _on_broker(state.desired, state.device, site, keys) if state.desired else Proof()
    if state.held is None:
        why = state.held_problem or "it was not asked"
        problem = f"the broker lost its orders, and it does not give them ({why})"
        return Proof(problem=problem, lost=True, shown=False)
    found = _checked(state.held, state.device, site, keys)
    observed = state.reported.observed if state.reported else (0, 0)
    if found.desired and (found.desired.epoch, found.desired.revision) != observed:
        found = Proof(problem="the orders that it gives are not those that it reports")
    return replace(found, lost=True)


def _on_broker(payload: bytes, device: str, site: str, keys: Sequence[Ed25519PublicKey]) -> Proof:
    found = _checked(payload, device, site, keys)
    if found.problem is None or signing.claims_signature(payload):
        return found
    topic = "what stands on its desired topic is no order of anybody's"
    return Proof(problem=f"{topic}: no signed message of ours", nobodys=True)


def _checked(payload: bytes, device: str, site: str, keys: Sequence[Ed25519PublicKey]) -> Proof:
    try:
        desired = signing.verified_desired(payload, keys)
    except SignatureError as error:
        return Proof(problem=f"its orders were not given by us ({error.problem})")
    except MessageError as error:
        return Proof(problem=f"its orders cannot be understood ({error.problem})")
    if (desired.site, desired.device) != (site, device):
        return Proof(problem=f"its orders are for {desired.site}/{desired.device}")
    return Proof(desired, payload)


def _numbers(payload: bytes) -> tuple[int, int]:
    """Return epoch and revision of what stands on the broker, signed by whomever."""
    if not signing.claims_signature(payload):
        return (0, 0)  # nobody could obey it
    try:
        desired = messages.decode("desired", payload, Desired)
    except MessageError:
        return (0, 0)  # nor this
    return (desired.epoch, desired.revision)
