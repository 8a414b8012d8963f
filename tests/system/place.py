"""One site of real processes, for a test: a broker, agents, and someone who hears everything."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import defaultdict
from typing import NamedTuple

import msgspec
import psutil
import yaml

import paceline
from fleet.control.deploy import DeployRequest, deploy
from fleet.control.undeploy import UndeployRequest, undeploy
from paceline.demo.processes import Child
from wire import broker_url, messages, signing
from wire.messages import Command, Desired, Info, Reported, Response, Route, Status
from wire.session import Session
from wire.telemetry import Health, Latency
from wire.topics import Site

PATIENCE_SECONDS = 60.0
"""Nothing waits so long unless it is broken."""
MAX_PACKET_BYTES = 8 << 20
_TYPES = {
    "status": Status,
    "info": Info,
    "reported": Reported,
    "rsp": Response,
    "tele/health": Health,
    "tele/latency": Latency,
    "route": Route,
}


def until(claim, what="it", seconds=PATIENCE_SECONDS, *, every_seconds=0.02):
    """Wait until ``claim()`` is true and return what it is; fail when it never is."""
    ends = time.monotonic() + seconds
    while not (found := claim()):
        if time.monotonic() > ends:
            raise AssertionError(f"{what()} never came" if callable(what) else f"{what} never came")
        time.sleep(every_seconds)
    return found


def alive(pid):
    """Whether a process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port():
    """Return a port of loopback that nobody uses, for what begins to listen at once."""
    with kept_port() as probe:
        return probe.getsockname()[1]


def kept_port():
    """Return a socket bound to a port of loopback that no other socket gets by chance meanwhile.

    A server, which says SO_REUSEADDR, listens there all the same; without one nobody does.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return kept


class Heard(NamedTuple):
    """A message, taken apart, and when it came."""

    message: object
    at: float


class Ear:
    """Hears what agents say, keeps all of it, and can say anything."""

    def __init__(self, url):
        self.topics = Site()
        self._heard = defaultdict(list)
        self.session = Session(broker_url.parse(url), f"h:ear{os.urandom(4).hex()}")
        for kind in ("status", "info", "reported", "rsp", "tele", "route"):
            self.session.subscribe(self.topics.filter(kind), 1, self._hear)
        self.session.start()
        self.session.wait_up(PATIENCE_SECONDS)

    def all(self, kind, name):
        """Return everything that a device (or for ``route``, a pipeline) said."""
        return list(self._heard[kind, name])

    def last(self, kind, name):
        """Return the newest message, or None."""
        heard = self._heard[kind, name]
        return heard[-1].message if heard else None

    def say(self, topic, payload, **options):
        """Publish, and wait until the broker has it; after a broken connection, again."""
        self.session.wait_up(PATIENCE_SECONDS)
        self.session.publish(topic, payload, confirm_seconds=PATIENCE_SECONDS, **options)

    def _hear(self, topic, payload):
        at = time.monotonic()
        parts = topic.removeprefix(self.topics.prefix).split("/")
        kind, name = "/".join(parts[2:]), parts[1]
        message = messages.decode(kind.split("/")[0], payload, _TYPES[kind]) if payload else None
        self._heard[kind, name].append(Heard(message, at))


class Place:
    """Broker, agents and a client; ended with the test."""

    def __init__(self, folder, broker):
        self.folder = folder
        self.broker = broker
        self.key = signing.private_key(signing.new_private_key(), "the test's key")
        self.public = folder / "test.pub"
        self.public.write_bytes(signing.public_pem(self.key))
        self.agents = {}
        self.programs = {}
        """By device: what to put in the place of ``python -m agent``; None: nothing."""
        self.environments = {}
        """By device: variables besides ours."""
        self._ports = []
        self.ear = Ear(broker.url)
        self.site = paceline.connect(broker.url, max_packet_bytes=MAX_PACKET_BYTES)
        self.topics = self.site.topics
        self.artifacts = f"127.0.0.1:{self.port()}"

    def port(self):
        """Return a port of loopback that stays free for a server of ours until the end."""
        self._ports.append(kept_port())
        return self._ports[-1].getsockname()[1]

    # agents

    def start(self, *devices, **changes):
        """Start agents, new ones or ones that have ended; ``changes`` go into their config."""
        for device in devices:
            file = self.folder / f"{device}.yaml"
            if changes or not file.exists():
                file.write_text(yaml.safe_dump({**self._config(device), **changes}))
            program = self.programs.get(device, [sys.executable, "-I", "-m", "agent"])
            self.agents[device] = Child(
                [*program, "--config", str(file)],
                log=self.folder / f"{device}.log",
                environment={**os.environ, **self.environments.get(device, {})},
            )
        return self

    def kill(self, device):
        """Kill -9 of an agent alone; returns the ids of the workers that it had."""
        workers = self.workers(device)
        os.kill(self.agents[device].pid, signal.SIGKILL)
        self.agents[device].wait(PATIENCE_SECONDS)
        return workers

    def restart_broker(self):
        """Restart the broker, which forgets everything; returns when every agent is back on it."""
        sessions = {device: self.status(device).session for device in self.agents}
        self.broker.restart()
        for device, before in sessions.items():
            until(
                lambda device=device, before=before: self.status(device).session > before,
                f"{device} on the new broker",
            )

    def workers(self, device):
        """Return the ids of a device's worker processes."""
        try:
            children = psutil.Process(self.agents[device].pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return set()
        found = set()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                if "agent.worker" in child.cmdline() and alive(child.pid):
                    found.add(child.pid)
        return found

    def segments(self, device):
        """Return what lies in a device's store, without what is only being downloaded."""
        store = self.folder / device / "store"
        return {entry.name for entry in store.iterdir()} - {"partial"} if store.exists() else set()

    # what is ordered

    def deploy(self, folder, *devices, **request):
        """Deploy a split model; returns when the ear has heard of it, too."""
        patience = {"serve": self.artifacts, "ready_seconds": PATIENCE_SECONDS}
        request = {"name": "p", **patience, **request}
        asked = DeployRequest(topics=self.topics, folder=folder, devices=devices, **request)
        with self._session() as session:
            made = deploy(asked, session, self.key)
        until(lambda: self._has_heard(request["name"], made), "the ear's hearing of the deploy")
        return made

    def undeploy(self, pipeline="p", devices=()):
        """Undeploy."""
        request = UndeployRequest(topics=self.topics, pipeline=pipeline, devices=devices)
        with self._session() as session:
            return undeploy(request, session, self.key)

    def desired(self, device, assignments=(), /, *, epoch=1, revision=1, key=None, **changes):
        """Return a signed desired state's bytes."""
        made = Desired(
            site="default", device=device, epoch=epoch, revision=revision,
            assignments=tuple(assignments), issued_unix_ns=time.time_ns(),
        )  # fmt: skip
        made = msgspec.structs.replace(made, **changes)
        return messages.encode("desired", signing.signed(made, key or self.key))

    def order(self, device, payload):
        """Publish a device's desired state."""
        self.ear.say(self.topics.device("desired", device), payload, qos=1, retain=True)

    def ask(self, device, command):
        """Send a command and return the response."""
        asked = Command(
            id=os.urandom(8).hex(),
            command=command,
            reply_to=self.topics.device("rsp", device),
            expires_unix_ns=time.time_ns() + 60_000_000_000,
        )
        self.ear.say(self.topics.device("cmd", device), messages.encode("cmd", asked), qos=1)

        def answers():
            heard = self.ear.all("rsp", device)
            return [h.message for h in heard if h.message.id == asked.id]

        return until(answers, f"answer of {device} to {command}")[0]

    # what is said

    def status(self, device):
        """Return a device's newest status."""
        return self.ear.last("status", device)

    def reported(self, device):
        """Return what a device reported last."""
        return self.ear.last("reported", device)

    def assignment(self, device, stage=None):
        """Return what a device reports of its newest generation (of a stage, if given)."""
        reported = self.reported(device)
        wanted = [a for a in reported.assignments if stage in {None, a.stage}] if reported else []
        return max(wanted, key=lambda a: a.generation, default=None)

    def await_phase(self, device, phase, *, code=None, without=()):
        """Wait until a device reports a phase (with a reason's code; not by these processes)."""

        def found():
            told = self.assignment(device)
            if told is None or told.phase != phase or told.pid in without:
                return None
            return told if code is None or (told.reason and told.reason.code == code) else None

        return until(found, lambda: f"{device}: {phase} {code}; said {self.reported(device)}")

    def log(self, device, *events):
        """Return the lines of a device's log with these events."""
        lines = (self.folder / f"{device}.log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["event"] in events]

    def problems(self, device):
        """Return the codes of what the device's newest health message complains of."""
        health = self.ear.last("tele/health", device)
        return {problem.code for problem in health.problems} if health else set()

    def refusals(self, device):
        """Return how often a device refused control traffic, by reason."""
        health = self.ear.last("tele/health", device)
        found = [r for r in health.readings if r.name == "control_refused_total"] if health else []
        return {reading.labels["reason"]: int(reading.value) for reading in found}

    def counts(self, device):
        """Return the newest counts of a device's one stage; None: none are said yet."""
        latency = self.ear.last("tele/latency", device)
        return latency.stages[0].counts if latency else None

    def end(self):
        """End everything; an agent that does not end by itself is killed."""
        self.site.close()
        ending = [threading.Thread(target=child.stop, args=(15,)) for child in self.agents.values()]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()
        self.ear.session.stop()
        for kept in self._ports:
            kept.close()

    def _has_heard(self, pipeline, made):
        """Whether the ear knows the route and every stage of a deployment as serving."""
        serving = {
            (device, told.stage)
            for device in {stage.device for stage in made.stages}
            for heard in self.ear.all("reported", device)
            for told in heard.message.assignments
            if (told.pipeline, told.generation) == (pipeline, made.generation)
            if told.phase == "serving"
        }
        route = self.ear.last("route", pipeline)
        there = {(stage.device, stage.stage) for stage in made.stages} <= serving
        return there and route is not None and route.generation == made.generation

    @contextlib.contextmanager
    def _session(self):
        """Give a session of its own: a deploy replaces the subscriptions of the one it is given."""
        session = Session(self.site.options.url, f"c:deploy{os.urandom(4).hex()}")
        session.start()
        try:
            session.wait_up(PATIENCE_SECONDS)
            yield session
        finally:
            session.stop()

    def _config(self, device):
        return {
            "device": device,
            "state_folder": str(self.folder / device),
            "broker": {"url": self.broker.url, "max_packet_bytes": MAX_PACKET_BYTES},
            "artifacts": {"origin": f"http://{self.artifacts}"},
            "trust": {"keys": [str(self.public)]},
            "runtime": {"threads": 1},
            "log": {"format": "json"},
        }
