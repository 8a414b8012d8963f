"""The brokers that the demo can start, and their configuration. Loopback only, for newcomers.

In production run mosquitto or EMQX with users and TLS; nothing here is meant for that.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final

from paceline.demo.errors import NoBrokerError

MOSQUITTO: Final = "mosquitto"
RUMQTTD: Final = "rumqttd"
PREFERENCES: Final = ("auto", MOSQUITTO, RUMQTTD)

MAX_PACKET_BYTES: Final = 64 << 20
HEAP: Final[Mapping[str, str]] = MappingProxyType(
    {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
)
"""Variables for the broker's process. Without them glibc gives the memory of each large packet back
to the kernel and takes it again for the next: a hop of 600 KB cost three times as much."""
_SYSTEM_FOLDERS: Final = "/usr/sbin:/usr/local/sbin:/sbin:/opt/homebrew/sbin"
"""Where distributions put brokers, but not in an ordinary user's PATH."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One broker program."""

    name: str
    """With its version, as it is shown."""
    program: tuple[str, ...]
    """What to run; the configuration file's path is appended."""
    one_port: bool
    """Whether one listener speaks every dialect."""

    def config(self, ports: Mapping[str, int], *, root: bool) -> str:
        """Return the configuration file for a listener on each of ``ports`` (by dialect)."""
        if self.one_port:
            return mosquitto_config(ports["5"], root=root)
        return rumqttd_config(ports)


def find(preference: str = "auto") -> Kind:
    """Return the broker to start: mosquitto where it is installed, else the one from pip.

    Raises:
        NoBrokerError: What is wanted is not installed.
        ValueError: ``preference`` is none of ``PREFERENCES``.
    """
    if preference not in PREFERENCES:
        raise ValueError(f"unknown broker {preference!r}, expected one of {PREFERENCES}")
    if preference in {"auto", MOSQUITTO}:
        found = _mosquitto()
        if found is not None:
            return found
    if preference in {"auto", RUMQTTD}:
        found = _rumqttd()
        if found is not None:
            return found
    raise NoBrokerError("neither mosquitto nor iotcore" if preference == "auto" else preference)


def mosquitto_config(port: int, *, root: bool) -> str:
    """Return mosquitto's configuration.

    Args:
        port: Where to listen on loopback.
        root: Whether it is started as root. Then it must stay so: a process that changes its user
            is no longer killed with its parent.
    """
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence false",
        "set_tcp_nodelay true",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_queued_messages 1000",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        *(["user root"] if root else []),
    ]
    return "\n".join(lines) + "\n"


def rumqttd_config(ports: Mapping[str, int]) -> str:
    """Return rumqttd's configuration: a listener for each dialect.

    Its defaults would listen to everyone, take 20 KB a message and keep 1.6 GB.
    """
    return f"""\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 8388608
max_segment_count = 2
{_rumqttd_listener("v4", ports["3.1.1"])}{_rumqttd_listener("v5", ports["5"])}"""


def _rumqttd_listener(dialect: str, port: int) -> str:
    return f"""\
[{dialect}.1]
name = "{dialect}"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[{dialect}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {MAX_PACKET_BYTES}
max_inflight_count = 100
dynamic_filters = true
"""


def _mosquitto() -> Kind | None:
    path = os.environ.get("PATH", os.defpath)
    program = shutil.which(MOSQUITTO, path=f"{path}{os.pathsep}{_SYSTEM_FOLDERS}")
    if program is None:
        return None
    return Kind(_mosquitto_name((program, "-h")), (program, "-c"), one_port=True)


def _mosquitto_name(asks: Sequence[str]) -> str:
    """Return its name and version: the first line of its help is ``mosquitto version 2.0.11``."""
    try:
        said = subprocess.run(
            asks, capture_output=True, text=True, errors="replace", check=False, timeout=5
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return MOSQUITTO  # only what it is called is lost; starting it will say what is wrong
    words = said.split(maxsplit=3)
    return f"{MOSQUITTO} {words[2]}" if words[:2] == [MOSQUITTO, "version"] else MOSQUITTO


def _rumqttd() -> Kind | None:
    try:
        version = metadata.version("iotcore")
    except metadata.PackageNotFoundError:
        return None
    child = (sys.executable, "-I", "-m", "paceline.demo.broker_child")
    return Kind(f"{RUMQTTD} (iotcore {version})", child, one_port=False)


def write_config(kind: Kind, ports: Mapping[str, int], folder: Path) -> Path:
    """Write the configuration of ``kind`` into ``folder`` and return the file."""
    file = folder / ("mosquitto.conf" if kind.one_port else "rumqttd.toml")
    file.write_text(kind.config(ports, root=os.geteuid() == 0))
    return file
