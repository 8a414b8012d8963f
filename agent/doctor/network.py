"""Where artifacts come from, and what of this machine others can connect to."""

import ipaddress
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psutil
import urllib3

from agent.config import Artifacts
from agent.doctor import Group, note, ok, warning
from agent.doctor.broker import greeted, is_loopback
from agent.examination.subject import Subject
from wire import broker_url
from wire.access import Access
from wire.reports import Finding

SECONDS: Final = 5.0
BROKERS: Final = ("mosquitto", "rumqttd", "emqx", "nanomq")
WORKER: Final = "agent.worker"
"""What a worker is called here; see `agent.supervisor.worker_process.COMMAND`."""
_MQTT_PORTS: Final = (1883, 8883)


class Listener(NamedTuple):
    """A port that is open beyond loopback."""

    address: str
    port: int
    process: str
    """Its program; empty: another user's, which we may not see."""
    is_ours: bool


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether artifacts can be fetched, and which ports are open."""
    config = subject.config
    if config is not None and subject.has_agent:
        yield from origin(config.artifacts, remote_broker(config.broker.url))
    yield from listening(open_ports())


def origin(artifacts: Artifacts, broker_host: str | None) -> Iterator[Finding]:
    """Yield whether the server of artifacts answers; one that is not there may come yet."""
    host = urlsplit(artifacts.origin).hostname or ""
    try:
        status = ask(artifacts).status
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = _reason(error)
    else:
        yield ok("network.origin", f"{artifacts.origin} answers (HTTP {status})")
        return
    if is_loopback(host) and broker_host is not None:
        yield warning(
            "network.origin",
            f"{artifacts.origin} is this machine itself, and nothing serves there ({reason})",
            "write the address of the machine that runs `paceline deploy` to artifacts.origin",
        )
    else:
        yield note(
            "network.origin",
            f"{artifacts.origin} does not answer now ({reason}); `paceline deploy` serves there"
            " while it deploys",
            "if it never does: correct artifacts.origin, or let its port through the firewall",
        )


def ask(artifacts: Artifacts) -> urllib3.BaseHTTPResponse:
    """Return the origin's answer to a question for nothing.

    Raises:
        urllib3.exceptions.HTTPError: There is none.
    """
    ca_file = str(artifacts.ca_file) if artifacts.ca_file else None
    with urllib3.PoolManager(retries=False, timeout=SECONDS, ca_certs=ca_file) as pool:
        return pool.request("HEAD", f"{artifacts.origin.rstrip('/')}/", redirect=False)


def remote_broker(url: str) -> str | None:
    """Return the broker's host where it is another machine."""
    host = broker_url.parse(url).host
    return None if is_loopback(host) else host


def listening(listeners: list[Listener]) -> Iterator[Finding]:
    """Yield what our own processes and a broker here open to others."""
    for found in listeners:
        where = f"{found.address}:{found.port}"
        if found.process == WORKER:
            yield note(
                "network.listening",
                f"a worker is open to the network at {where}, for the devices of its assignment",
                "nothing to do; `direct: {listen: none}` in agent.yaml keeps links to the broker",
            )
        elif found.is_ours:
            yield note(
                "network.listening", f"{found.process} is open to the network at {where}",
                "nothing to do while it deploys; the supervisor of an agent opens no port",
            )  # fmt: skip
        elif found.process in BROKERS or (not found.process and found.port in _MQTT_PORTS):
            yield _broker_here(found, where)
    if not listeners:
        yield ok("network.listening", "no port of ours or of a broker is open beyond loopback")


def open_ports() -> list[Listener]:
    """Return the ports of brokers and of our processes that are open beyond loopback."""
    found: dict[tuple[str, int], Listener] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        address, port = connection.laddr[:2]
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            continue
        process, is_ours = _process(connection.pid)
        known = is_ours or process in BROKERS or (not process and port in _MQTT_PORTS)
        if known and port not in {port for _, port in found}:
            found[address, port] = Listener(address, port, process, is_ours)
    return list(found.values())


def _process(pid: int | None) -> tuple[str, bool]:
    """Return a process's program, and whether it is one of ours."""
    try:
        process = psutil.Process(pid) if pid else None
        if process is None:
            return "", False
        command = process.cmdline()
        ours = command[:1] == [sys.executable] or any(
            word.rpartition("/")[2] in {"paceline", "paceline-agent"} for word in command[:2]
        )
        return WORKER if ours and WORKER in command else process.name(), ours
    except psutil.Error:
        return "", False


def _broker_here(found: Listener, where: str) -> Finding:
    program = found.process or "a broker"
    url = broker_url.BrokerUrl("mqtt", "127.0.0.1", found.port)
    lets_in = None in greeted(url, Access(), "doctor").values()
    if lets_in:
        return warning(
            "network.listening",
            f"{program} on this machine is open to the network at {where}, and lets anybody in",
            "mosquitto.conf: `allow_anonymous false` and `password_file ...`; or, where only this"
            f" machine uses it, `listener {found.port} 127.0.0.1`",
        )
    return note(
        "network.listening",
        f"{program} on this machine is open to the network at {where}; it asks for credentials",
    )


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__ or error
    return f"{getattr(cause, 'strerror', None) or cause}"[:200]


PLUGIN = Group("Network", findings, limit_seconds=30.0)
