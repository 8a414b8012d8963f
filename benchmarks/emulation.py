"""Devices of one machine: each a network of its own with shaped links, and a processor quota.

A device is a network namespace, whose one interface is shaped both ways (tbf), and a control group
whose quota is kept over 10 ms, so that it computes slowly rather than in long pauses. Kernels
without netem have no delay: `delay_proxy.py` in the device's namespace adds it to what goes to the
broker. The broker, the proxies and whoever asks have the machine's own network, and no quota.

Root only. Everything is named after ``PREFIX`` and gone at the end.
"""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from paceline.demo import broker_kinds
from paceline.demo.processes import Child
from tests.system.place import free_port, until

PREFIX = "plemu"
NETWORK = "10.213.7"
HUB = f"{NETWORK}.1"
"""Where the broker and the artifacts are."""
PERIOD_SECONDS = 0.010
_V1 = Path("/sys/fs/cgroup/cpu")
_V2 = Path("/sys/fs/cgroup")
_BURST, _LIMIT = "64kb", "32mb"
"""Of a shaper: what may leave at once, and what waits (more than senders have in flight)."""


class LinkClass(NamedTuple):
    """Between a device and the broker."""

    name: str
    mbit: float
    delay_ms: float = 0.0
    """One way."""
    jitter_ms: float = 0.0


class HubBroker:
    """A mosquitto that devices reach; see `paceline.demo.broker` for one that only we reach."""

    def __init__(self, folder):
        port = free_port()
        kind = broker_kinds.find(broker_kinds.MOSQUITTO)
        text = broker_kinds.mosquitto_config(port, root=True).replace("127.0.0.1", HUB)
        config = folder / "broker.conf"
        config.write_text(text)
        self.address = (HUB, port)
        self.url = f"mqtt://{HUB}:{port}"
        self._child = Child([*kind.program, str(config)], log=folder / "broker.log")
        self.pid = self._child.pid
        until(lambda: _reachable(self.address), "the broker")

    def stop(self):
        self._child.stop()


class Emulation:
    """Devices by id, with the share of a core that each has; None: no quota."""

    def __init__(self, shares, folder):
        self.shares = shares
        self._folder = folder
        self._proxies = []
        self._groups = _V1 if (_V1 / "cpu.cfs_quota_us").exists() else _V2
        self._group = self._groups / PREFIX
        self._undo = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self.end()
            raise

    def program(self, device):
        """Return what to put before an agent's options, so that it is on its device."""
        script = 'echo $$ > "$0" && exec "$@"'
        inside = ("sh", "-c", script, str(self._group / device / "cgroup.procs"))
        return [*self.beside(device), *inside, sys.executable, "-I", "-m", "agent"]

    def beside(self, device):
        """Return what to put before a command that has a device's network, and no quota."""
        return ["nsenter", f"--net=/run/netns/{PREFIX}-{device}"]

    def shape(self, link, broker):
        """Give every device such a link; returns the broker's URL by device."""
        for proxy in self._proxies:
            proxy.stop()
        self._proxies = []
        urls = {}
        for device in self.shares:
            for place in (("-n", f"{PREFIX}-{device}", "eth0"), (_outside(device),)):
                *inside, name = place
                _run("tc", *inside, "qdisc", "replace", "dev", name, "root", "tbf",
                     "rate", f"{link.mbit}mbit", "burst", _BURST, "limit", _LIMIT)  # fmt: skip
            urls[device] = broker.url
            if link.delay_ms:
                port = 18830
                given = map(str, (port, *broker.address, link.delay_ms, link.jitter_ms))
                program = str(Path(__file__).with_name("delay_proxy.py"))
                command = [*self.beside(device), sys.executable, program, *given]
                log = self._folder / f"proxy-{device}.log"
                self._proxies.append(Child(command, log=log))
                urls[device] = f"mqtt://127.0.0.1:{port}"
        return urls

    def end(self):
        """Give everything back; its processes have ended."""
        for proxy in self._proxies:
            proxy.stop()
        self._undo.close()

    def _build(self):
        _run("ip", "link", "add", PREFIX, "type", "bridge")
        self._undo.callback(_run, "ip", "link", "del", PREFIX)
        _run("ip", "addr", "add", f"{HUB}/24", "dev", PREFIX)
        _run("ip", "link", "set", PREFIX, "up")
        self._group.mkdir()
        self._undo.callback(self._group.rmdir)
        if self._groups == _V2:
            (self._groups / "cgroup.subtree_control").write_text("+cpu")
            (self._group / "cgroup.subtree_control").write_text("+cpu")
        for number, (device, share) in enumerate(self.shares.items(), start=2):
            self._attach(device, f"{NETWORK}.{number}")
            self._limit(device, share)

    def _attach(self, device, address):
        space, outside = f"{PREFIX}-{device}", _outside(device)
        _run("ip", "netns", "add", space)
        self._undo.callback(_run, "ip", "netns", "del", space)
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
        _run("ip", "link", "set", outside, "master", PREFIX, "up")
        _run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        for name in ("lo", "eth0"):
            _run("ip", "-n", space, "link", "set", name, "up")

    def _limit(self, device, share):
        folder = self._group / device
        folder.mkdir()
        self._undo.callback(folder.rmdir)
        period = round(1e6 * PERIOD_SECONDS)
        quota = None if share is None else round(share * period)
        if self._groups == _V1:
            (folder / "cpu.cfs_period_us").write_text(str(period))
            (folder / "cpu.cfs_quota_us").write_text(str(-1 if quota is None else quota))
        else:
            (folder / "cpu.max").write_text(f"{'max' if quota is None else quota} {period}")


def _outside(device):
    return f"{PREFIX}-{device}"


def _reachable(address):
    with contextlib.suppress(OSError), socket.create_connection(address, 0.5):
        return True
    return False


def _run(*command):
    subprocess.run(command, check=True)
