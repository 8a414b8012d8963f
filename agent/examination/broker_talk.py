"""Talking to a broker on topics of our own, for the doctor."""

import contextlib
import secrets
import socket
import time
from typing import Final

from agent.examination.broker_client import ANSWER_SECONDS, BrokerClient
from agent.examination.subject import Place
from wire import broker_url
from wire.errors import CodedError
from wire.mqtt.packets import LastWill
from wire.topics import Site

DIALECTS: Final = ("5", "3.1.1")


class Talk:
    """Connections to one broker, in a dialect that it speaks, on topics of our own."""

    def __init__(self, place: Place, dialect: str) -> None:
        self.place = place
        self.url = broker_url.parse(place.broker.url)
        self.dialect = dialect
        self._site = Site(place.config.site, place.config.root)
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
        return BrokerClient(self.url, self.dialect, self.place.access, self.place.client_name, will)

    def topic(self, what: str) -> str:
        """Return a topic that only this examination uses."""
        return self._site.topic(
            "doctor", device=self.place.config.device, kind=f"{self._kind}-{what}"
        )

    @property
    def allowed(self) -> str:
        """What the broker must let this device write and read."""
        return self.topic("x").rpartition("/doctor/")[0] + "/#"

    @property
    def pattern(self) -> str:
        """The same for every device, as mosquitto's ACL writes it: %u is the user."""
        return self._site.prefix + "d/%u/#"


def started(place: Place) -> Talk | None:
    """Return a way to talk to a broker; None: it does not talk to us."""
    url = broker_url.parse(place.broker.url)
    asked = DIALECTS if url.protocol == "auto" else (url.protocol,)
    for dialect in () if url.websocket else asked:
        talk = Talk(place, dialect)
        with contextlib.suppress(OSError, CodedError):
            talk.connect().close()
            return talk
    return None
