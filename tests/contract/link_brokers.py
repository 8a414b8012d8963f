"""Real brokers for the links' tests: the demo's two as they are or changed, and NATS."""

import shutil
import subprocess
from dataclasses import dataclass, fields

import pytest

from paceline.demo import broker_kinds
from tests.system.certificates import Authority
from tests.system.conftest import start_broker
from tests.system.nats_broker import NatsBroker
from tests.system.place import free_port

NAMES = ("mosquitto", "rumqttd", "nats")


@dataclass(frozen=True, slots=True)
class ChangedKind(broker_kinds.Kind):
    """A mosquitto with more lines."""

    first: str = ""
    last: str = ""

    def config(self, ports, *, root):
        """Return the usual configuration, changed."""
        return self.first + broker_kinds.Kind.config(self, ports, root=root) + self.last


def named(name, folder):
    """Return one of ``NAMES``, not yet started; skips when it is not installed."""
    return NatsBroker(folder) if name == "nats" else start_broker(name)


def changed(last, first=""):
    """Return such a mosquitto, not yet started."""
    broker = start_broker(broker_kinds.MOSQUITTO)
    usual = {f.name: getattr(broker._kind, f.name) for f in fields(broker._kind)}
    broker._kind = ChangedKind(**usual, first=first, last=last)
    return broker


def guarded(folder, user, password):
    """Return a mosquitto that wants user and password, beside a listener for anybody."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed")
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, user, password], check=True)
    port = free_port()
    listener = f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
    return changed(listener, "per_listener_settings true\n"), f"mqtt://127.0.0.1:{port}"


def encrypted(folder):
    """Return a mosquitto that wants TLS and a certificate, its address, and who signs them."""
    authority = Authority(folder, "authority")
    certificate, key = authority.issue("localhost")
    port = free_port()
    listener = (
        f"listener {port} 127.0.0.1\ncafile {authority.file}\ncertfile {certificate}\n"
        f"keyfile {key}\nrequire_certificate true\n"
    )
    return changed(listener), f"mqtts://localhost:{port}", authority
