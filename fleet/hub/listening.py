"""The hub's session with the broker: it hears a whole site, and asks for what it did not get.

Brokers give a wildcard at most some of what they keep, and say nothing about the rest. So whoever
is known and was not heard is asked for by its exact topics, a few at a time.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Final

import structlog

from fleet.hub.inbox import Inbox
from fleet.hub.options import HubOptions
from wire import messages
from wire.attempts import Trouble
from wire.errors import LinkDownError
from wire.messages import Command, Rebirth, ServiceStatus
from wire.session import Events, Session, Will

RETAINED: Final = ("status", "info", "reported")
ASKED_AT_ONCE: Final = 100
"""Devices; three topics each. Brokers keep 1000 messages back for a client, and drop the rest."""
ASK_SECONDS: Final = 5.0
"""How long to wait for what the broker keeps of a device."""
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
"""Until a device is asked for again that the broker keeps nothing of."""
COMMAND_EXPIRES_SECONDS: Final = 60

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Ask:
    """One device that is asked for."""

    at: float = float("-inf")
    pause_seconds: float = 0.0
    open: bool = False

    def again(self, now: float) -> None:
        """Ask now; the next time later than this time."""
        doubled = max(FIRST_PAUSE_SECONDS, 2 * self.pause_seconds)
        self.pause_seconds = min(LONGEST_PAUSE_SECONDS, doubled)
        self.at, self.open = now, True


class Listening:
    """Hears the site.

    Args:
        options: Which site, and how to reach its broker.
        inbox: Where what comes is put.
        up: Called in the session's thread when the broker can be heard.
        down: Called in the session's thread when that is over.
    """

    def __init__(
        self,
        options: HubOptions,
        inbox: Inbox,
        *,
        up: Callable[[], None],
        down: Callable[[], None],
    ) -> None:
        self._trouble: Trouble | None = None
        self._namesake = self._stopping = False
        self._topics, self._service = options.topics, options.service
        self._up, self._down = up, down
        self._asks: dict[str, _Ask] = {}
        self._session = Session(
            options.broker,
            f"h:{options.service}",
            access=options.access,
            will=self._will,
            events=Events(
                up=self._connected,
                down=self._lost,
                taken_over=self._taken_over,
                problem=self._troubled,
            ),
        )
        filters = [self._topics.filter(kind) for kind in (*RETAINED, "route", "acct")]
        filters += [self._topics.filter("tele", kind=kind) for kind in ("health", "latency")]
        self._put = inbox.put
        for topic in filters:
            # with QoS 1 a broker waits for our word after each 20, and drops what comes meanwhile
            self._session.subscribe(topic, 0, self._put)

    @property
    def broker(self) -> str:
        """The broker's address, without its query."""
        return str(self._session.url)

    @property
    def up(self) -> bool:
        """Whether the broker can be heard."""
        return self._session.up

    @property
    def problem(self) -> str | None:
        """Why the broker cannot be heard; None: it can."""
        if self._session.up:
            return None
        if self._trouble is not None:
            return str(self._trouble)
        if self._namesake:
            return (
                f"{self.broker}: another client took our id {self._session.client_id}; if that is"
                " another hub of this site, give one of them another --name"
            )
        return f"{self.broker}: not connected; it is being tried"

    def start(self) -> None:
        """Begin to connect; never gives up."""
        self._session.start()

    def stop(self) -> None:
        """Say goodbye and disconnect."""
        self._stopping = True
        payload = messages.encode("service_status", self._status("offline"))
        with contextlib.suppress(LinkDownError):
            self._session.publish(
                self._topics.topic("service_status", service=self._service),
                payload,
                1,
                retain=True,
                confirm_seconds=1.0,
            )
        self._session.stop()

    def say_presence(self) -> None:
        """Say that the hub is there, and ask every device to say everything again."""
        status = messages.encode("service_status", self._status("online"))
        rebirth = messages.encode("rebirth", Rebirth(service=self._service))
        with contextlib.suppress(LinkDownError):
            topic = self._topics.topic("service_status", service=self._service)
            self._session.publish(topic, status, 1, retain=True)
            self._session.publish(self._topics.topic("rebirth", service=self._service), rebirth, 1)

    def ask(self, devices: Set[str]) -> None:
        """Ask the broker for what it keeps of devices, a few at a time.

        Called again and again with those that are still incomplete: the others were answered.
        """
        now = time.monotonic()
        for device, ask in list(self._asks.items()):
            if ask.open and (device not in devices or now - ask.at > ASK_SECONDS):
                for kind in RETAINED:
                    self._session.unsubscribe(self._topics.device(kind, device))
                ask.open = False
            if device not in devices:
                del self._asks[device]
        room = ASKED_AT_ONCE - sum(ask.open for ask in self._asks.values())
        for device in devices:
            if room <= 0:
                return
            ask = self._asks.setdefault(device, _Ask())
            if ask.open or now < ask.at + ask.pause_seconds:
                continue
            ask.again(now)
            room -= 1
            for kind in RETAINED:
                self._session.subscribe(self._topics.device(kind, device), 0, self._put)

    def watch(self, devices: Iterable[str]) -> None:
        """Ask devices for telemetry every second, for a while."""
        expires = time.time_ns() + COMMAND_EXPIRES_SECONDS * 1_000_000_000
        for device in devices:
            command = Command(
                id=uuid.uuid4().hex,
                command="watch",
                reply_to=self._topics.device("rsp", device),
                expires_unix_ns=expires,
            )
            with contextlib.suppress(LinkDownError):
                topic = self._topics.device("cmd", device)
                self._session.publish(topic, messages.encode("cmd", command), 1)

    def _status(self, state: str) -> ServiceStatus:
        return ServiceStatus(service=self._service, state=state, session=time.time_ns())  # type: ignore[arg-type]  # the callers write it out

    def _will(self, _connection: int) -> Will:
        topic = self._topics.topic("service_status", service=self._service)
        return Will(topic, messages.encode("service_status", self._status("lost")), 1, retain=True)

    # in the session's thread

    def _connected(self, connection: int) -> None:
        self._trouble, self._namesake = None, False
        log.info("broker.connected", url=self.broker, connection=connection)
        self._up()

    def _lost(self) -> None:
        if not self._stopping:
            log.warning("broker.lost", url=self.broker)
        self._down()

    def _taken_over(self) -> None:
        self._namesake = True
        log.error("session.contested", url=self.broker, client=self._session.client_id)

    def _troubled(self, trouble: Trouble) -> None:
        self._trouble = trouble
        log.warning("broker.not_connected", url=self.broker, code=trouble.code)
