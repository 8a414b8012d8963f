"""What the doctor looks at: a machine's files, its programs, and an agent's configuration.

Everything below ``root`` can be another folder, so tests show a Raspberry Pi to it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from agent.config import Broker, Config, Loaded
from agent.config.errors import ConfigError
from wire.access import Access

CONFIG_FILE: Final = Path("etc/paceline/agent.yaml")
STATE_FOLDER: Final = Path("var/lib/paceline")
CREDENTIALS: Final = Path("etc/paceline/credentials")
"""Where the installer puts things, below the root."""
SETTINGS_FILE: Final = "~/.config/paceline/config.yaml"
"""Where a user's own settings are."""
COMMAND_SECONDS: Final = 10.0
_MAX_BYTES: Final = 1 << 20


class Place(NamedTuple):
    """One broker of a configuration, and where that speaks of it."""

    broker: Broker
    config: Config
    key: str
    file: str
    client_name: str
    """What the doctor's client ids begin with."""

    @property
    def access(self) -> Access:
        """Who we are to it: what the supervisor says."""
        broker = self.broker
        device = self.config.device if broker.password_file is not None else None
        return Access(
            username=broker.username or device,
            password_file=broker.password_file,
            ca_file=broker.ca_file,
            certificate_file=broker.client_cert_file,
            key_file=broker.client_key_file,
        )

    @property
    def url(self) -> str:
        """Where its address stands."""
        return f"{self.key}.url in {self.file}"

    @property
    def below(self) -> str:
        """Where more of it is to be written."""
        return f"below `{self.key}:` in {self.file}"


@dataclass(frozen=True, slots=True)
class Subject:
    """One machine, and the agent that is or is not set up on it."""

    root: Path = Path("/")
    config_file: Path | None = None
    loaded: Loaded | None = None
    """None: the configuration cannot be used."""
    config_problems: Sequence[ConfigError] = ()
    has_agent: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    search_path: Sequence[str] = field(default_factory=lambda: list(sys.path))
    """Where Python looks for modules."""
    folder: Path = field(default_factory=Path.cwd)
    """Where the doctor was called."""
    closed_brokers: set[str] = field(default_factory=set)
    """URLs of brokers that did not let us in: the groups that come later do not try again."""

    @property
    def config(self) -> Config | None:
        """The agent's configuration; None: there is none that can be used."""
        return self.loaded.config if self.loaded else None

    def brokers(self) -> Iterator[Place]:
        """Yield the configured brokers; not a second one with the same URL."""
        config = self.config
        if config is None:
            return
        ours = "the agent's configuration" if self.has_agent else SETTINGS_FILE
        file = str(self.config_file or ours)
        name = f"{config.device}:doctor" if self.has_agent else "c:doctor"
        yield Place(config.broker, config, "broker", file, name)
        data = config.data_broker
        if data is not None and data.url != config.broker.url:
            yield Place(data, config, "data_broker", file, name)

    def open_brokers(self) -> Iterator[Place]:
        """Yield the configured brokers but those that did not let us in before."""
        return (p for p in self.brokers() if p.broker.url not in self.closed_brokers)

    def path(self, path: str) -> Path:
        """Return where ``path``, written without a leading slash, is."""
        return self.root / path

    def text(self, path: str) -> str | None:
        """Return what a small file below the root holds; None: it is not there, or unreadable."""
        try:
            with self.path(path).open("rb") as file:
                return file.read(_MAX_BYTES).decode(errors="replace").strip("\0\n ")
        except OSError:
            return None

    def distributions(self) -> Iterator[metadata.Distribution]:
        """Yield the distributions that Python finds, each name once."""
        seen: set[str] = set()
        for found in metadata.distributions(path=list(self.search_path)):
            # a folder that was left over from an uninstall has no name
            name = found.metadata["Name"] if found.metadata else None
            if name and name.lower() not in seen:
                seen.add(name.lower())
                yield found

    def ran(self, *command: str, seconds: float = COMMAND_SECONDS) -> str | None:
        """Return what a program printed; None: it is not there, failed, or took too long."""
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                check=False,
                env={**self.environ, "LC_ALL": "C"},
                errors="replace",
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=seconds,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return ended.stdout if ended.returncode == 0 else None
