"""Gives orders to devices, and takes back those that a device refused."""

import time
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.control.control_writer import write_retained
from fleet.control.deploy_progress import REFUSAL_SECONDS, Order, refusals, undecided
from fleet.control.observe import Observer
from wire import messages, signing
from wire.messages import Desired, Reason
from wire.session import Session
from wire.topics import Site

DECIDE_SECONDS: Final = 2.0
"""How long devices may take to say whether they accept an order, before it is taken back."""


class Orders:
    """What was ordered during one deploy or undeploy.

    Args:
        session: Up.
        topics: The site's topics.
        key: Signs the orders.
        seen: Watches the devices.
    """

    def __init__(
        self, session: Session, topics: Site, key: Ed25519PrivateKey, seen: Observer
    ) -> None:
        self.given: dict[str, Order] = {}
        """The newest order to each device."""
        self._given_at: float | None = None
        self._session = session
        self._topics = topics
        self._key = key
        self._seen = seen

    @property
    def waited_seconds(self) -> float:
        """Time since the first order."""
        return 0.0 if self._given_at is None else time.monotonic() - self._given_at

    def give(self, desired: Desired) -> None:
        """Sign and write the desired state of a device.

        Raises:
            MessageError: It is larger than its topic may carry.
            BrokerUnreachableError: The broker went away.
        """
        state = self._seen.device(desired.device)
        refused = state.reported is not None and state.reported.refused is not None
        signed = signing.signed(desired, self._key)
        payload = messages.encode("desired", signed)
        self.given[desired.device] = Order(signed, payload, state.desired, refused)
        if self._given_at is None:
            self._given_at = time.monotonic()
        self._write(desired.device, payload)

    def refused(self) -> dict[str, Reason]:
        """Return, by device, why an order was refused; no wait."""
        return refusals(self.given, self._seen.devices(), self.waited_seconds)

    def refused_in_the_end(self) -> dict[str, Reason]:
        """Return the same after every device had time to accept or refuse."""
        self._seen.wait(lambda: not undecided(self.given, self._seen.devices()), DECIDE_SECONDS)
        if any(order.refused_before for order in self.given.values()):
            self._seen.wait(lambda: None, REFUSAL_SECONDS - self.waited_seconds)
        return self.refused()

    def take_back(self, device: str) -> None:
        """Put back, byte by byte, what stood there before an order that the device refused.

        Raises:
            BrokerUnreachableError: The broker went away.
        """
        self._write(device, self.given[device].before or b"")

    def is_newest(self, device: str) -> bool:
        """Whether nobody else gave the device an order since."""
        order = self.given[device]
        return self._seen.device(device).desired in {order.payload, order.before}

    def _write(self, device: str, payload: bytes) -> None:
        write_retained(self._session, self._topics.device("desired", device), payload)
