"""Talking to a broker on topics of our own, for the doctor."""

import contextlib
import secrets
import socket
import time
from typing import Final

from agent.broker_client import ANSWER_SECONDS, BrokerClient
from agent.config import Broker, Config
from agent.doctor_subject import Place
from wire import broker_url
from wire.access import Access
from wire.broker_url import BrokerUrl
from wire.errors import CodedError
from wire.mqtt_packets import LastWill
from wire.topics import Site

DIALECTS: Final = ("5", "3.1.1")


def access_of(broker: Broker, device: str) -> Access:
    """Return who we are to a broker: what the supervisor says."""
    return Access(
        username=broker.username or (device if broker.password_file is not None else None),
        password_file=broker.password_file,
        ca_file=broker.ca_file,
    )


class Talk:
    """Connections to one broker, in a dialect that it speaks, on topics of our own."""

    def __init__(
        self, place: Place, url: BrokerUrl, dialect: str, access: Access, config: Config
    ) -> None:
        self.place = place
        self.url = url
        self.dialect = dialect
        self._access = access
        self._name = f"{config.device}.doctor"
        self._site = Site(config.site, config.root)
        self._device = config.device
        self._kind = f"d{secrets.token_hex(4)}"

    @property
    def network_seconds(self) -> float:
        """What one way there and back takes without a broker: the quickest of three connections."""
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            with socket.create_connection((self.url.host, self.url.port), ANSWER_SECONDS):
                seconds.append(time.monotonic() - began)
        return min(seconds)

    def connect(self, will: LastWill | None = None) -> BrokerClient:
        """Return a new connection."""
        return BrokerClient(self.url, self.dialect, self._access, self._name, will)

    def topic(self, what: str) -> str:
        """Return a topic that only this examination uses."""
        return self._site.topic("doctor", device=self._device, kind=f"{self._kind}-{what}")

    @property
    def allowed(self) -> str:
        """What the broker must let this device write and read."""
        return self.topic("x").rpartition("/doctor/")[0] + "/#"

    @property
    def pattern(self) -> str:
        """The same for every device, as mosquitto's ACL writes it: %u is the user."""
        return self._site.prefix + "d/%u/#"


def started(place: Place, broker: Broker, config: Config) -> Talk | None:
    """Return a way to talk to a broker; None: it does not talk to us."""
    url, access = broker_url.parse(broker.url), access_of(broker, config.device)
    asked = DIALECTS if url.protocol == "auto" else (url.protocol,)
    for dialect in () if url.websocket else asked:
        talk = Talk(place, url, dialect, access, config)
        with contextlib.suppress(OSError, CodedError):
            talk.connect().close()
            return talk
    return None
