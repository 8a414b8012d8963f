"""What is said and ordered on the site: listens to every device, deploys and undeploys."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.control.deploy import DeployRequest, deploy
from fleet.control.undeploy import UndeployRequest, undeploy
from scripts.soaking import plan
from wire import broker_url, messages
from wire.errors import MessageError
from wire.messages import Reported
from wire.session import Session
from wire.telemetry import Health
from wire.topics import Site

PATIENCE_SECONDS: Final = 90.0


class Control:
    """Hears what devices report, and gives orders.

    Args:
        url: The broker's.
        folder: The split model's.
        key: Signs the orders.
        link: What carries frames from stage to stage.
    """

    def __init__(self, url: str, folder: Path, key: Ed25519PrivateKey, link: str) -> None:
        self.topics = Site()
        self.health: dict[str, Health] = {}
        """What each device said last of itself."""
        self._url = broker_url.parse(url)
        self._folder = folder
        self._key = key
        self._link = link
        self._reported: dict[str, Reported] = {}
        self._ear = Session(self._url, f"h:soak{os.urandom(4).hex()}")
        self._ear.subscribe(self.topics.filter("reported"), 1, self._hear_reported)
        self._ear.subscribe(self.topics.filter("tele", kind="health"), 0, self._hear_health)

    def start(self) -> None:
        """Begin to listen."""
        self._ear.start()
        self._ear.wait_up(PATIENCE_SECONDS)

    def stop(self) -> None:
        """Listen no more."""
        self._ear.stop()

    def workers(self, device: str) -> dict[int, str]:
        """Return a device's workers: process id to ``pipeline.generation-stage``."""
        told = self._reported.get(device)
        return {
            a.pid: f"{a.pipeline}.{a.generation}-{a.stage}"
            for a in (told.assignments if told else ())
            if a.pid is not None and psutil.pid_exists(a.pid)
        }

    def troubles(self) -> dict[str, str]:
        """Return what devices say is wrong with them or with what they run."""
        found = {}
        for device, health in self.health.items():
            if not health.healthy:
                found[device] = "; ".join(f"{p.code}: {p.message}" for p in health.problems)
        for device, told in self._reported.items():
            for a in told.assignments:
                if a.phase != "serving":
                    reason = a.reason.message if a.reason else "no reason"
                    found[device] = f"{a.pipeline}.{a.generation}-{a.stage} {a.phase}: {reason}"
        return found

    def deploy(self, pipeline: str) -> None:
        """Deploy a pipeline, or a new generation of it.

        Raises:
            CodedError: It does not get to serve.
        """
        request = DeployRequest(
            topics=self.topics,
            folder=self._folder,
            devices=plan.PLACEMENTS[pipeline],
            name=pipeline,
            link=self._link,
            ready_seconds=PATIENCE_SECONDS,
            timeout_seconds=PATIENCE_SECONDS,
        )
        with self.session() as session:
            deploy(request, session, self._key)

    def undeploy(self, pipeline: str) -> None:
        """Undeploy a pipeline.

        Raises:
            CodedError: It cannot be.
        """
        with self.session() as session:
            undeploy(UndeployRequest(topics=self.topics, pipeline=pipeline), session, self._key)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session of its own, up."""
        session = Session(self._url, f"c:soak{os.urandom(4).hex()}")
        session.start()
        try:
            session.wait_up(PATIENCE_SECONDS)
            yield session
        finally:
            session.stop()

    def _hear_reported(self, topic: str, payload: bytes) -> None:
        with contextlib.suppress(MessageError):
            told = messages.decode("reported", payload, Reported)
            self._reported[self.topics.parse(topic).names["device"]] = told

    def _hear_health(self, topic: str, payload: bytes) -> None:
        with contextlib.suppress(MessageError):
            health = messages.decode("tele", payload, Health)
            self.health[self.topics.parse(topic).names["device"]] = health
