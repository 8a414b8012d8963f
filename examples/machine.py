"""What an example needs of a site, on this one machine: a broker, agents, and `paceline` commands.

On real devices the agents are services (`paceline agent install`), and the broker is yours. The
commands are the same: each is shown as you would type it.
"""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from fleet import keys
from paceline.demo.broker import Broker
from paceline.demo.home import MAX_PACKET_BYTES, own_environment
from paceline.demo.processes import Child
from wire import signing


class Machine:
    """A broker and agents in a folder of their own; all gone at the end.

    Args:
        sites: The devices of each site.
    """

    def __init__(self, sites: Mapping[str, Sequence[str]]) -> None:
        self._sites = sites
        self._scratch = tempfile.TemporaryDirectory(prefix="paceline-example-")
        self.folder = Path(self._scratch.name)
        self.broker = Broker()
        self._agents: list[Child] = []
        self._artifacts = _free_address()

    def __enter__(self) -> Self:
        self.broker.start()
        say(f"broker on {self.broker.url}, devices: {_listed(self._sites)}")
        # `paceline key show > trusted.pub`, without waiting for it
        key = keys.load_or_make(self.folder / ".config" / "paceline" / "signing.key")
        (self.folder / "trusted.pub").write_bytes(signing.public_pem(key))
        for site, devices in self._sites.items():
            for device in devices:
                self._start_agent(site, device)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with ThreadPoolExecutor() as stopping:
            list(stopping.map(Child.stop, self._agents))
        self.broker.stop()
        self._scratch.cleanup()

    def paceline(self, *arguments: object) -> None:
        """Show a command and run it; its words go to the terminal."""
        command = self._shown(arguments)
        code = subprocess.run(
            command, env=self.environment, cwd=self.folder, check=False
        ).returncode
        if code:
            sys.exit(f"paceline {arguments[0]} ended with {code}")

    def told(self, *arguments: object) -> str:
        """Show a command, run it, and return what it printed."""
        command = self._shown(arguments)
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            sys.exit(f"paceline {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def deploy(self, parts: str, name: str, site: str, *options: str) -> None:
        """Put a split model on all devices of a site."""
        to = ",".join(self._sites[site])
        where = ("--site", site) if len(self._sites) > 1 else ()
        given = ("--to", to, "--name", name, *where, *options, "--serve", self._artifacts)
        self.paceline("deploy", parts, *given)

    @contextlib.contextmanager
    def running(self, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
        """Show a command and run it beside us; gives the process, and ends it like Ctrl-C."""
        command = self._shown(arguments)
        process = subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        try:
            with process:
                try:
                    yield process
                finally:
                    if process.poll() is None:
                        process.terminate()
        finally:
            process.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What commands run with: this broker, and no settings or keys of yours."""
        mine = {"HOME": str(self.folder), "PACELINE_BROKER_URL": self.broker.url}
        kept = {
            name: value for name, value in own_environment(os.environ).items() if name[:4] != "XDG_"
        }
        return {**kept, **mine, "COLUMNS": str(shutil.get_terminal_size().columns)}

    def _shown(self, arguments: Sequence[object]) -> list[str]:
        words = [str(argument) for argument in arguments]
        print(f"\n$ paceline {shlex.join(words)}", file=sys.stderr, flush=True)
        return [sys.executable, "-m", "paceline", *words]

    def _start_agent(self, site: str, device: str) -> None:
        config = {
            "device": device,
            "site": site,
            "state_folder": str(self.folder / "devices" / device),
            "broker": {"url": self.broker.url, "max_packet_bytes": MAX_PACKET_BYTES},
            "artifacts": {"origin": f"http://{self._artifacts}"},
            "trust": {"keys": [str(self.folder / "trusted.pub")]},
            "runtime": {"threads": 1},
        }
        file = self.folder / f"{device}.yaml"
        file.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-I", "-m", "agent", "--config", str(file)]
        log = self.folder / f"{device}.log"
        self._agents.append(Child(command, log=log, environment=own_environment(os.environ)))


def say(text: str) -> None:
    """Tell the story, beside what the commands print."""
    print(text, file=sys.stderr, flush=True)


def _listed(sites: Mapping[str, Sequence[str]]) -> str:
    if len(sites) == 1:
        return ", ".join(*sites.values())
    return "; ".join(f"{', '.join(devices)} on site {site}" for site, devices in sites.items())


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
