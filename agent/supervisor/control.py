"""The supervisor's side of the control plane: birth, will, retained state, orders, commands.

The session's threads only hand over; everything is decided in the supervisor's event loop. What
comes faster than it is decided is dropped and counted, and the orders are asked for again.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from agent.config import Config
from agent.refusals import Refusals
from agent.supervisor.intray import Intray
from agent.supervisor.namesake import Namesake
from wire import broker_url, messages
from wire.access import Access
from wire.attempts import Trouble
from wire.errors import CodedError, LinkDownError
from wire.messages import Command, Info, Reason, Rebirth, Reported, Response, Status
from wire.session import Events, Session, Will
from wire.telemetry import Health, Latency
from wire.topics import Site

log = structlog.get_logger()

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
CONFIRM_SECONDS: Final = 2.0
RECEIVE_BYTES: Final = 512 << 10
"""No message to an agent is so large; brokers of MQTT 5 are told."""
ANSWERS: Final = 40
ANSWERS_SECONDS: Final = 2.0
"""Commands that are answered in so long; more are counted as `command.too_many`."""


class Control:
    """One device's control session.

    Args:
        config: The agent's configuration.
        start_counter: How often this agent has started: the upper half of session numbers.
        refusals: Counts what is refused.
        on_desired: Called in the event loop with each payload on ``desired``.
        on_command: Called in the event loop with each command, its bytes, and what says the
            response, then or later, in the event loop.
        on_up: Called in the event loop at each connection, after the birth was said.
    """

    def __init__(
        self,
        config: Config,
        start_counter: int,
        refusals: Refusals,
        *,
        on_desired: Callable[[bytes], None],
        on_command: Callable[[Command, bytes, Callable[[Response], None]], None],
        on_up: Callable[[], None],
    ) -> None:
        self.site = Site(config.site, config.root)
        self.device = config.device
        self._namesake = Namesake(start_counter, os.urandom(8).hex())
        self._boot = _boot_id()
        self._refusals = refusals
        self._answered: deque[float] = deque(maxlen=ANSWERS)
        self._intray = Intray(asyncio.get_running_loop(), refusals, self.ask_for_orders)
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
            events=Events(
                up=self._up,
                down=self._down,
                taken_over=lambda: self._intray.soon(self._taken_over),
                problem=self._problem,
                fault=self._fault,
            ),
            keepalive_seconds=broker.keepalive_seconds,
            receive_bytes=RECEIVE_BYTES,
        )
        handlers = {"desired": self._desired, "cmd": self._command, "status": self._heard_of_us}
        for kind, handler in handlers.items():
            self._session.subscribe(self.site.device(kind, self.device), 1, handler)
        self._session.subscribe(self.site.filter("rebirth"), 1, self._rebirth)

    @property
    def session_number(self) -> int:
        """The session's number: a later one always wins."""
        return self._namesake.session

    @property
    def instance(self) -> str:
        """This process, as ``Status.instance`` names it."""
        return self._namesake.instance

    @property
    def problem(self) -> Reason | None:
        """Why the device may not be alone under its id; None: it seems to be."""
        return self._namesake.problem(time.monotonic())

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
            instance=self._namesake.instance,
            sent_unix_ns=time.time_ns(),
        )

    def _will(self, connection: int) -> Will:
        self._namesake.connecting(connection)
        payload = messages.encode("status", self._status("lost"))
        return Will(self.site.device("status", self.device), payload, 1, retain=True)

    def _up(self, connection: int) -> None:
        log.info(
            "broker.connected",
            url=str(self._session.url),
            connection=connection,
            dialect=self._session.dialect,
        )
        self._intray.soon(self._born)

    def _born(self) -> None:
        self._on_up()
        self._namesake.born(time.monotonic())

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
        self._refusals.count(code, str(error))

    # what comes; in the session's thread until it is handed over

    def _desired(self, _topic: str, payload: bytes) -> None:
        self._intray.hand(lambda: self._on_desired(payload))

    def _heard_of_us(self, _topic: str, payload: bytes) -> None:
        if payload:
            status = messages.decode("status", payload, Status)
            self._intray.hand(lambda: self._compare(status))

    def _command(self, _topic: str, payload: bytes) -> None:
        command = messages.decode("cmd", payload, Command)
        self._intray.hand(lambda: self._answer(command, payload))

    def _rebirth(self, topic: str, payload: bytes) -> None:
        self.site.parse(topic)
        messages.decode("rebirth", payload, Rebirth)
        self._intray.hand(lambda: self._intray.again("rebirth", self._on_up))

    # in the loop

    def _compare(self, status: Status) -> None:
        """Look at what stands on our own status topic: the last word there is ours."""
        ours, now = self._namesake, time.monotonic()
        if status.instance == ours.instance and status.session >= self.session_number:
            return
        alarmed = self.problem is not None
        if ours.is_another(status, now):
            self._contested(alarmed=alarmed)
        if ours.outdoes(status):
            log.warning("session.outdone", heard=status.session, session=self.session_number)
            self._session.reconnect()
        else:
            self._intray.again("status", self.say_status)

    def _taken_over(self) -> None:
        """Alarm; the session itself knows how long to wait."""
        alarmed = self.problem is not None
        self._namesake.taken_over(time.monotonic())
        self._contested(alarmed=alarmed)

    def _contested(self, *, alarmed: bool) -> None:
        self._session.contested()
        if not alarmed and self.problem is not None:
            log.error("session.contested", device=self.device, reason=self.problem.message)

    def _answer(self, command: Command, payload: bytes) -> None:
        if command.reply_to != self.site.device("rsp", self.device):
            self._refusals.count("command.bad_reply_to", f"reply_to {command.reply_to!r:.80}")
            return
        now = time.monotonic()
        if len(self._answered) == ANSWERS and now - self._answered[0] < ANSWERS_SECONDS:
            self._refusals.count("command.too_many", f"{ANSWERS} in {ANSWERS_SECONDS:g} s")
            return
        self._answered.append(now)
        self._on_command(command, payload, self._reply)

    def _reply(self, response: Response) -> None:
        if response.reason is not None:
            self._refusals.count(response.reason.code, response.reason.message)
        self._say("rsp", response, retain=False)

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


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
