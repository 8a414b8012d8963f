"""The agent's configuration: its types, and where each value came from.

Option > environment ``PACELINE_*`` > drop-ins > file > default. Drop-ins of ``agent.yaml`` are
``agent.d/*.yaml`` beside it; of two, the later by name wins. The environment's name of a key is its
dotted path in capitals with underscores: ``broker.url`` is ``PACELINE_BROKER_URL``; an empty
variable counts as not set; lists are separated by commas. Unknown keys are refused with the
nearest name. Relative paths in a file are relative to its folder; ``credential:NAME`` is what
systemd gives as a credential. Secrets are only ever paths of files, so a configuration can be
shown to anyone.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agent import coral
from agent.config import source as config_source
from agent.config import tree as config_tree
from agent.config import values as config_values
from agent.config.errors import ConfigError, ConfigValueError
from agent.config.listening import Addresses, Listen
from agent.config.source import Given
from agent.config.values import BrokerAddress, FrameSize, Name, Origin, Seconds, Size, UserName
from wire import broker_url, clock, ids

PREFIX: Final = "PACELINE_"


class Broker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach a broker."""

    url: BrokerAddress = broker_url.DEFAULT_URL
    """`mqtt://host:1883`, `mqtts://host:8883`, `ws(s)://host/mqtt`; `?protocol=auto|5|3.1.1`."""
    username: UserName | None = None
    """None: the device's id."""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates that may sign the broker's; None: those of the system."""
    client_cert_file: Path | None = None
    """Our own certificate, for a broker that asks for one; may hold its key, too."""
    client_key_file: Path | None = None
    """The key of our own certificate."""
    keepalive_seconds: Seconds = 30.0
    max_packet_bytes: Size | None = None
    """The broker's limit, where it has one and does not tell; None: it is not known."""


class Artifacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where segments are fetched."""

    origin: Origin = "http://localhost:8788"
    ca_file: Path | None = None
    """Certificates that may sign the origin's; None: those of the system."""


class Direct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the stage before may connect to workers here, when a pipeline's links are direct."""

    listen: Listen = "0.0.0.0:0"
    """Where they listen once they are asked: an IP address, and a port for each worker (0: any)."""
    addresses: Addresses = ()
    """What others are told to connect to; none: this device's own addresses."""


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose assignments are obeyed."""

    keys: tuple[Path, ...] = ()
    """Public key files; none: every assignment is refused."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How workers run their segments."""

    threads: Annotated[int, Meta(ge=1, le=1024)] | None = None
    """Threads of one segment; None: the runtime decides."""
    weights: Literal["prepacked", "mapped"] = "prepacked"
    """``prepacked``: fastest; ``mapped``: slower, least memory: weights stay in the page cache."""
    start_seconds: Seconds = 120.0
    """How long a worker may be silent while it loads and warms."""
    silence_seconds: Seconds = 5.0
    """How long a worker may be silent while it serves."""
    run_seconds: Seconds = 30.0
    """A run that takes longer, and 20 times as long as runs of late, hangs: its worker is ended."""


class Accelerator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an accelerator that was lost comes back, and when it counts as lost."""

    look_seconds: Seconds = 15.0
    """How often one that was lost is looked for, at most."""
    stable_seconds: Seconds = 60.0
    """How long it must work before segments use it again; the next times longer."""
    run_seconds: Seconds = 5.0
    """A run on it that takes longer, and 20 times as long as runs of late, has lost it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on memory and disk."""

    worker_memory_bytes: Size | None = None
    """Private memory of one worker; None: not limited."""
    inbox_frames: Annotated[int, Meta(ge=1, le=1024)] = 8
    inbox_bytes: Size = 64 << 20
    max_frame_bytes: FrameSize = 64 << 20
    store_bytes: Size | None = None
    """All segments on disk; None: as much as the disk has."""


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the device looks at itself and says so."""

    sample_seconds: Seconds = 1.0
    send_seconds: Seconds = 5.0


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, to stderr."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: console on a terminal, else JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the agent can be told."""

    device: Name
    """Default: the host's name, made an id."""
    state_folder: Path
    """Default: ``$STATE_DIRECTORY`` (systemd), else ``~/.local/state/paceline-agent``."""
    site: Name = "default"
    root: Name = "paceline"
    broker: Broker = Broker()
    data_broker: Broker | None = None
    """The broker for tensors; None: the same."""
    insecure: bool = False
    """Allow a broker off this machine without credentials and without TLS."""
    direct: Direct = Direct()
    artifacts: Artifacts = Artifacts()
    trust: Trust = Trust()
    runtime: Runtime = Runtime()
    accelerator: Accelerator = Accelerator()
    limits: Limits = Limits()
    telemetry: Telemetry = Telemetry()
    log: Log = Log()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the source of each of its values."""

    config: Config
    sources: Mapping[str, str]
    """By dotted key: ``default``, ``agent.yaml:3``, ``environment PACELINE_SITE``, ..."""
    unknown_environment: tuple[str, ...] = ()
    """Variables that begin with ``PACELINE_`` and set nothing here: other programs', or slips."""

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return ``{dotted key: {value, source}}`` of plain data, as ``config show`` prints it."""
        plain = msgspec.json.decode(msgspec.json.encode(self.config, enc_hook=str))
        return {
            key: {"value": config_tree.at(plain, key), "source": source}
            for key, source in self.sources.items()
        }


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    host_name: str | None = None,
) -> Loaded:
    """Return the configuration.

    Args:
        path: The YAML file; None: there is none.
        environ: The environment.
        overrides: Options of the command line, by dotted key; None as a value: not given.
        host_name: What the device's id is made from; None: this host's name.

    Raises:
        ConfigError: A source cannot be used; the error says where it is wrong.
    """
    loaded, problems = examined(path, environ, overrides, host_name=host_name)
    if loaded is None or problems:
        raise problems[0]
    return loaded


def examined(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    *,
    host_name: str | None = None,
) -> tuple[Loaded | None, tuple[ConfigError, ...]]:
    """Return the configuration and all that is wrong with it; see `load`.

    What is wrong has its default in the configuration; None: there can be none at all.
    """
    problems: list[ConfigError] = []
    values, sources = _defaults(environ, host_name)
    options = {key: value for key, value in (overrides or {}).items() if value is not None}
    credentials = Path(folder) if (folder := environ.get("CREDENTIALS_DIRECTORY")) else None
    for key, given, base in (
        *_from_files(path, problems),
        *_from_environment(environ),
        *_from_options(options),
    ):
        try:
            values[key] = config_values.checked(
                given.value,
                KINDS[key],
                folder=base or Path.cwd(),
                text=base is None and isinstance(given.value, str),
                credentials=credentials,
            )
        except config_values.BadValueError as error:
            name = key + error.suffix
            problems.append(
                ConfigValueError(given.where, name, expected=error.expected, got=error.got)
            )
        sources[key] = given.where
    _complete_data_broker(sources)
    if "state_folder" not in values:
        problems.append(
            ConfigValueError(
                sources["state_folder"],
                "state_folder",
                expected="a path, from the configuration or PACELINE_STATE_FOLDER",
                got="nothing, and this user has no home folder",
            )
        )
        return None, tuple(problems)
    loaded = Loaded(
        config_tree.made(Config, values),
        MappingProxyType({key: sources[key] for key in (*KINDS, "data_broker") if key in sources}),
        tuple(sorted(n for n in environ if n.startswith(PREFIX) and n not in _KNOWN)),
    )
    return loaded, tuple(problems)


def _complete_data_broker(sources: dict[str, str]) -> None:
    """Name the source of what nobody gave: each key when there is a data broker, else itself."""
    keys = [key for key in KINDS if key.startswith("data_broker.")]
    for key in keys if any(key in sources for key in keys) else ["data_broker"]:
        sources.setdefault(key, "default")


def variable(key: str) -> str:
    """Return the environment's name of a dotted key."""
    return PREFIX + key.replace(".", "_").upper()


KINDS: Final[Mapping[str, Any]] = MappingProxyType(dict(config_tree.kinds(Config)))
"""Every dotted key and its annotation."""
_VARIABLES: Final = {variable(key): key for key in KINDS}
_KNOWN: Final = _VARIABLES.keys() | {
    coral.LIBRARY_VARIABLE, coral.SYSFS_VARIABLE, clock.VARIABLE,
}  # fmt: skip


def _defaults(
    environ: Mapping[str, str], host_name: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    host = socket.gethostname() if host_name is None else host_name
    values: dict[str, Any] = {"device": ids.id_from(host.split(".")[0], "device")}
    sources = {key: "default" for key in KINDS if not key.startswith("data_broker.")}
    sources["device"] = "default (the host's name)"
    # systemd gives several folders separated by colons; ours is the first
    if folder := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        values["state_folder"] = Path(folder)
        sources["state_folder"] = "environment STATE_DIRECTORY"
    elif (home := _home(environ)) is not None:
        values["state_folder"] = home / ".local" / "state" / "paceline-agent"
    return values, sources


def _home(environ: Mapping[str, str]) -> Path | None:
    """Return the user's home; None: there is no such user, as in many containers."""
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        return None


def _from_files(
    path: Path | None, problems: list[ConfigError]
) -> Iterator[tuple[str, Given, Path | None]]:
    """Yield (key, value, its file's folder) of the file and then of its drop-ins."""
    try:
        files = (path, *config_source.drop_ins(path)) if path is not None else ()
    except ConfigError as error:
        problems.append(error)
        files = (path,) if path is not None else ()
    for file in files:
        try:
            tree = config_source.read(file)
        except ConfigError as error:
            problems.append(error)
            continue
        for key, given in config_tree.leaves(Config, tree, problems.append):
            yield key, given, file.absolute().parent


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Given, None]]:
    for name, key in _VARIABLES.items():
        if value := environ.get(name):
            yield key, Given(value, f"environment {name}"), None


def _from_options(options: Mapping[str, object]) -> Iterator[tuple[str, Given, None]]:
    for key, value in options.items():
        if key not in KINDS:
            raise config_source.unknown(f"option {key}", "", key, KINDS)
        plain = os.fspath(value) if isinstance(value, os.PathLike) else value
        yield key, Given(plain, f"option {key}"), None
