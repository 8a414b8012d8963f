"""Reads what named devices say of themselves: their exact topics, never a wildcard.

Brokers differ in when, and whether, they give retained messages to wildcards, and none says that
there is no retained message. So whoever must know that asks the device: its answer to a `ping`
comes behind everything that was retained.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from fleet.control.device_state import DeviceState
from wire import messages
from wire.closing import Closing
from wire.errors import MessageError
from wire.messages import Command, Info, Reported, Response, Route, Status
from wire.session import Session
from wire.topics import Site

GRACE_SECONDS: Final = 1.0
"""How long retained messages may take; a broker on the next table needs 1 ms."""
EXPIRES_SECONDS: Final = 3600
"""What is asked here harms nobody, and clocks of devices are often wrong."""

_KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    "status": Status,
    "info": Info,
    "reported": Reported,
}

T = TypeVar("T")


class Observer(Closing):
    """What devices and pipelines say, kept up to date while it is open; a context manager.

    Args:
        session: Up, or about to be. Its subscriptions to the same topics are replaced.
        topics: The site's topics.
    """

    def __init__(self, session: Session, topics: Site) -> None:
        self._session = session
        self._topics = topics
        self._changed = threading.Condition()
        self._devices: dict[str, DeviceState] = {}
        self._routes: dict[str, Route | None] = {}
        self._route_problems: dict[str, MessageError] = {}
        self._answers: dict[str, Response | None] = {}
        """By the id of what we asked; None: not yet."""
        self._heard: dict[str, Callable[[Response], None]] = {}
        """By the id of what was asked elsewhere: who hears every answer."""
        self._filters: list[str] = []

    def watch_devices(self, devices: Iterable[str]) -> None:
        """Begin to listen to these devices; ones that are watched already stay.

        Raises:
            BadIdError: A name is no id.
        """
        for device in devices:
            if device in self._devices:
                continue
            topics = [
                (kind, self._topics.device(kind, device))
                for kind in ("status", "info", "desired", "reported", "rsp")
            ]
            self._devices[device] = DeviceState(device)
            for kind, topic in topics:
                self._listen(topic, self._device_handler(device, kind))

    def watch_route(self, pipeline: str) -> None:
        """Begin to listen to a pipeline's route.

        Raises:
            BadIdError: The name is no id.
        """
        topic = self._topics.topic("route", pipeline=pipeline)
        self._routes[pipeline] = None
        self._listen(topic, lambda _, payload: self._take_route(pipeline, payload))

    def device(self, device: str) -> DeviceState:
        """Return what is known of a watched device now."""
        with self._changed:
            return self._devices[device]

    def devices(self) -> dict[str, DeviceState]:
        """Return what is known of every watched device now."""
        with self._changed:
            return dict(self._devices)

    def route(self, pipeline: str) -> Route | None:
        """Return a watched pipeline's route; None: it has none, or it is not here yet.

        Raises:
            MessageError: It has one that cannot be understood.
        """
        with self._changed:
            if pipeline in self._route_problems:
                raise self._route_problems[pipeline]
            return self._routes[pipeline]

    def wait(self, found: Callable[[], T | None], timeout_seconds: float) -> T | None:
        """Return what ``found`` returns as soon as it is true; None after the timeout.

        ``found`` is called in this thread, first at once and then after every message.
        """
        ends = time.monotonic() + timeout_seconds
        while True:
            with self._changed:
                result = found()
                left = ends - time.monotonic()
                if result or left <= 0:
                    return result or None
                self._changed.wait(left)

    def ping(self, devices: Iterable[str], timeout_seconds: float) -> tuple[str, ...]:
        """Ask devices for a sign of life; return those that gave none.

        When a device has answered, everything that it or the broker kept for us is here.

        Raises:
            LinkDownError: The connection is gone.
        """
        names = tuple(devices)
        answers = self.ask("ping", names, timeout_seconds)
        return tuple(name for name in names if name not in answers)

    def ask(
        self, command: str, devices: Iterable[str], timeout_seconds: float
    ) -> dict[str, Response]:
        """Ask watched devices something; return, by device, the answers that came in time.

        Raises:
            LinkDownError: The connection is gone.
        """
        asked: dict[str, str] = {}
        for device in devices:
            made = Command(
                id=uuid.uuid4().hex,
                command=command,
                reply_to=self._topics.device("rsp", device),
                expires_unix_ns=time.time_ns() + EXPIRES_SECONDS * 1_000_000_000,
            )
            asked[device] = made.id
            with self._changed:
                self._answers[made.id] = None
            topic = self._topics.device("cmd", device)
            self._session.publish(topic, messages.encode("cmd", made), 1)
        self.wait(lambda: all(self._answers[ask] for ask in asked.values()), timeout_seconds)
        with self._changed:
            came = {device: self._answers.pop(ask) for device, ask in asked.items()}
        return {device: answer for device, answer in came.items() if answer is not None}

    @contextmanager
    def hearing(self, asked: str, heard: Callable[[Response], None]) -> Iterator[None]:
        """Give every answer to the request ``asked`` to ``heard``, in the session's thread.

        Nothing changes meanwhile that `wait` looks at.
        """
        with self._changed:
            self._heard[asked] = heard
        try:
            yield
        finally:
            with self._changed:
                del self._heard[asked]

    def close(self) -> None:
        """Stop listening; closing twice is harmless."""
        filters, self._filters = self._filters, []
        for topic in filters:
            self._session.unsubscribe(topic)

    def _listen(self, topic: str, handler: Callable[[str, bytes], None]) -> None:
        self._filters.append(topic)
        self._session.subscribe(topic, 1, handler)

    def _device_handler(self, device: str, kind: str) -> Callable[[str, bytes], None]:
        if kind == "rsp":
            return lambda _, payload: self._take_answer(payload)
        return lambda _, payload: self._take_device(device, kind, payload)

    # in the session's thread

    def _take_device(self, device: str, kind: str, payload: bytes) -> None:
        with self._changed:
            self._devices[device] = _after(self._devices[device], kind, payload)
            self._changed.notify_all()

    def _take_route(self, pipeline: str, payload: bytes) -> None:
        with self._changed:
            self._route_problems.pop(pipeline, None)
            self._routes[pipeline] = None
            try:
                if payload:
                    self._routes[pipeline] = messages.decode("route", payload, Route)
            except MessageError as error:
                self._route_problems[pipeline] = error
            self._changed.notify_all()

    def _take_answer(self, payload: bytes) -> None:
        try:
            response = messages.decode("rsp", payload, Response)
        except MessageError:
            return  # an answer that cannot be read is no sign of life
        with self._changed:
            if response.id in self._heard:
                self._heard[response.id](response)
                self._changed.notify_all()
            if response.id in self._answers:  # others ask, too
                self._answers[response.id] = response
                self._changed.notify_all()


def _after(state: DeviceState, kind: str, payload: bytes) -> DeviceState:
    """Return what is known of a device after a message; an empty payload clears a topic."""
    if kind == "desired":
        return replace(state, desired=payload or None)
    try:
        value = messages.decode(kind, payload, _KINDS[kind]) if payload else None
    except MessageError as error:
        return replace(state, problem=error)
    if isinstance(value, Status) and state.status and value.session < state.status.session:
        return state  # the will of an earlier connection, come late: it was born again since
    return replace(state, problem=None, **{kind: value})  # type: ignore[arg-type]  # by its kind
