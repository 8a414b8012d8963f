"""The supervisor's side of the control plane: birth, will, retained state, orders, commands.

The session's threads only hand over; everything is decided in the supervisor's event loop.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from agent.config import Config
from wire import broker_url, messages
from wire.access import Access
from wire.attempts import Trouble
from wire.errors import CodedError, LinkDownError
from wire.messages import Command, Health, Info, Latency, Reported, Response, Status
from wire.session import Events, Session, Will
from wire.topics import Site

log = structlog.get_logger()

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
CONFIRM_SECONDS: Final = 2.0
_CONNECTIONS: Final = 1 << 32


class Control:
    """One device's control session.

    Args:
        config: The agent's configuration.
        start_counter: How often this agent has started: the upper half of session numbers.
        on_desired: Called in the event loop with each payload on ``desired``.
        on_command: Called in the event loop with each command, and with what says the response,
            then or later, in the event loop.
        on_up: Called in the event loop at each connection, after the birth was said.
    """

    def __init__(
        self,
        config: Config,
        start_counter: int,
        *,
        on_desired: Callable[[bytes], None],
        on_command: Callable[[Command, Callable[[Response], None]], None],
        on_up: Callable[[], None],
    ) -> None:
        self.site = Site(config.site, config.root)
        self.device = config.device
        self.session_number = start_counter * _CONNECTIONS
        self._start_counter = start_counter
        self._boot = _boot_id()
        self._loop = asyncio.get_running_loop()
        self._on_desired = on_desired
        self._on_command = on_command
        self._on_up = on_up
        broker = config.broker
        self._session = Session(
            broker_url.parse(broker.url),
            config.device,
            access=Access(
                username=broker.username
                or (config.device if broker.password_file is not None else None),
                password_file=broker.password_file,
                ca_file=broker.ca_file,
                certificate_file=broker.client_cert_file,
                key_file=broker.client_key_file,
            ),
            will=self._will,
            events=Events(up=self._up, down=self._down, problem=self._problem, fault=self._fault),
            keepalive_seconds=broker.keepalive_seconds,
        )
        handlers = {"desired": self._desired, "cmd": self._command, "status": self._heard_of_us}
        for kind, handler in handlers.items():
            self._session.subscribe(self.site.device(kind, self.device), 1, handler)
        self._session.subscribe(self.site.filter("rebirth"), 1, lambda *_: self._soon(self._on_up))

    @property
    def up(self) -> bool:
        """Whether the broker can be reached now."""
        return self._session.up

    def start(self) -> None:
        """Begin to connect; never gives up."""
        self._session.start()

    def ask_for_orders(self) -> None:
        """Ask the broker once more for what it keeps on ``desired``."""
        self._session.subscribe(self.site.device("desired", self.device), 1, self._desired)

    def say_status(self, state: str = "online") -> None:
        """Say that the agent is there."""
        self._say("status", self._status(state), retain=True)

    def say_info(self, info: Info) -> None:
        """Say what the device is."""
        self._say("info", info, retain=True)

    def say_reported(self, reported: Reported) -> None:
        """Say what the device does."""
        self._say("reported", reported, retain=True)

    def say_telemetry(self, kind: str, message: Health | Latency) -> None:
        """Send telemetry; when there is no connection it is not kept."""
        try:
            payload = messages.encode("tele", message)
        except CodedError as error:
            log.error("message.not_encoded", kind=kind, error=str(error))
            return
        self._publish(self.site.topic("tele", device=self.device, kind=kind), payload, qos=0)

    async def stop(self) -> None:
        """Say goodbye and disconnect: no will is sent."""
        payload = messages.encode("status", self._status("offline"))
        topic = self.site.device("status", self.device)
        try:
            await asyncio.to_thread(
                self._session.publish,
                topic,
                payload,
                1,
                retain=True,
                confirm_seconds=CONFIRM_SECONDS,
            )
        except LinkDownError:
            log.info("status.not_sent", state="offline")
        await asyncio.to_thread(self._session.stop)

    def _status(self, state: str) -> Status:
        return Status(
            state=state,  # type: ignore[arg-type]  # the three callers write it out
            session=self.session_number,
            boot=self._boot,
            sent_unix_ns=time.time_ns(),
        )

    def _will(self, connection: int) -> Will:
        self.session_number = self._start_counter * _CONNECTIONS + connection
        payload = messages.encode("status", self._status("lost"))
        return Will(self.site.device("status", self.device), payload, 1, retain=True)

    def _up(self, connection: int) -> None:
        log.info(
            "broker.connected",
            url=str(self._session.url),
            connection=connection,
            dialect=self._session.dialect,
        )
        self._soon(self._on_up)

    def _down(self) -> None:
        log.warning("broker.lost", url=str(self._session.url))

    def _problem(self, trouble: Trouble) -> None:
        log.warning(
            "broker.not_connected",
            url=str(self._session.url),
            code=trouble.code,
            reason=trouble.reason,
        )

    def _fault(self, error: Exception) -> None:
        code = error.code if isinstance(error, CodedError) else "internal"
        log.warning("message.mishandled", code=code, error=str(error)[:300])

    def _desired(self, _topic: str, payload: bytes) -> None:
        self._soon(lambda: self._on_desired(payload))

    def _heard_of_us(self, _topic: str, payload: bytes) -> None:
        """An earlier connection's will that came late is not the last word on a retained topic."""
        if payload and messages.decode("status", payload, Status).session < self.session_number:
            self._soon(self.say_status)

    def _command(self, _topic: str, payload: bytes) -> None:
        command = messages.decode("cmd", payload, Command)
        self._soon(lambda: self._answer(command))

    def _answer(self, command: Command) -> None:
        if command.reply_to != self.site.device("rsp", self.device):
            log.warning("command.refused", id=command.id[:40], reason="reply_to is not ours")
            return
        self._on_command(command, lambda response: self._say("rsp", response, retain=False))

    def _say(
        self, kind: str, message: Status | Info | Reported | Response, *, retain: bool
    ) -> None:
        try:
            payload = messages.encode(kind, message)
        except CodedError as error:
            log.error("message.not_encoded", kind=kind, error=str(error))
            return
        self._publish(self.site.device(kind, self.device), payload, qos=1, retain=retain)

    def _publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        try:
            self._session.publish(topic, payload, qos, retain=retain)
        except LinkDownError:
            return  # state is said again at the next connection; telemetry is not kept

    def _soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop has ended: the agent is going away


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
