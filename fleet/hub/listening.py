"""The hub's session with the broker: it hears a whole site, and asks for what it did not get.

Brokers give a wildcard at most some of what they keep, and say nothing about the rest. So whoever
is known and was not heard is asked for by its exact topics, a few at a time.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from fleet.hub.inbox import Inbox
from fleet.hub.options import HubOptions
from wire import messages
from wire.attempts import Trouble
from wire.errors import LinkDownError
from wire.messages import Command, Rebirth, ServiceStatus
from wire.session import Events, Session, Will
from wire.topics import TOPICS

RETAINED: Final = ("status", "info", "reported")
ASKED_AT_ONCE: Final = 100
"""Devices; three topics each. Brokers keep 1000 messages back for a client, and drop the rest."""
ASK_AGAIN_SECONDS: Final = 60.0
COMMAND_EXPIRES_SECONDS: Final = 60
STALE_ASKS_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


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
        self._topics, self._service = options.topics, options.service
        self._up, self._down = up, down
        self._asked: dict[str, float] = {}
        self._open_asks: dict[str, float] = {}
        self._session = Session(
            options.broker,
            f"h.{options.service}",
            access=options.access,
            will=self._will,
            events=Events(up=self._connected, down=self._lost, problem=self._troubled),
        )
        filters = [self._topics.filter(kind) for kind in (*RETAINED, "route", "acct")]
        filters += [self._topics.filter("tele", kind=kind) for kind in ("health", "latency")]
        self._put = inbox.put
        for topic in filters:
            qos = 0 if "/tele/" in topic or "/acct/" in topic else 1
            self._session.subscribe(topic, qos, self._put)

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
        trouble = self._trouble
        return str(trouble) if trouble else f"{self.broker}: not connected; it is being tried"

    def start(self) -> None:
        """Begin to connect; never gives up."""
        self._session.start()

    def stop(self) -> None:
        """Say goodbye and disconnect."""
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

    def ask(self, devices: Iterable[str]) -> int:
        """Ask the broker for what it keeps of devices; returns how many were asked now.

        A device that was asked within the last minute is not asked again.
        """
        now, asked = time.monotonic(), 0
        for device in devices:
            if asked >= ASKED_AT_ONCE:
                break
            if now - self._asked.get(device, float("-inf")) < ASK_AGAIN_SECONDS:
                continue
            self._asked[device] = self._open_asks[device] = now
            asked += 1
            for kind in RETAINED:
                topic = self._topics.device(kind, device)
                self._session.subscribe(topic, TOPICS[kind].qos, self._put)
        return asked

    def end_asks(self) -> None:
        """Give up the exact topics that were asked for a while ago: wildcards hear them, too."""
        now = time.monotonic()
        for device in [d for d, at in self._open_asks.items() if now - at > STALE_ASKS_SECONDS]:
            del self._open_asks[device]
            for kind in RETAINED:
                self._session.unsubscribe(self._topics.device(kind, device))

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
        self._trouble = None
        log.info("broker.connected", url=self.broker, connection=connection)
        self._up()

    def _lost(self) -> None:
        log.warning("broker.lost", url=self.broker)
        self._down()

    def _troubled(self, trouble: Trouble) -> None:
        self._trouble = trouble
        log.warning("broker.not_connected", url=self.broker, code=trouble.code)
