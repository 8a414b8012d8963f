"""The agent's configuration, the files that it names, and whose orders it obeys."""

import stat
from collections.abc import Iterator
from pathlib import Path

from agent.config import Config, Loaded
from agent.config import checks as config_checks
from agent.config import files as config_files
from agent.config.errors import ConfigError, ConfigUnreadableError
from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import CONFIG_FILE, Subject
from wire.reports import Finding


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether the configuration can be used, and what it leaves open."""
    if not subject.has_agent:
        yield note(
            "config.agent",
            f"no agent is set up here (there is no /{CONFIG_FILE}):"
            " looked at is what `paceline` itself needs",
            "sudo paceline agent install, if this is to be a device",
        )
        return
    for error in subject.config_problems:
        yield broken(error)
    if subject.loaded is None:
        return
    together = list(config_checks.problems(subject.loaded))
    for error in together:
        yield broken(error)
    if not (subject.config_problems or together):
        yield ok("config.valid", f"{subject.config_file or 'no file, the defaults'} can be used")
    yield from named_files(subject.loaded)
    yield from trust(subject.loaded.config)
    yield from insecure(subject.loaded)
    for path in secrets(subject.loaded.config):
        yield from readable_by_others(path)
    if subject.loaded.unknown_environment:
        names = ", ".join(subject.loaded.unknown_environment)
        yield note("config.environment", f"variables that set nothing in an agent: {names}")


def broken(error: ConfigError) -> Finding:
    """Return what is wrong with the configuration, with file and line."""
    said, _, advice = str(error).rpartition("; ")
    if isinstance(error, ConfigUnreadableError) and "ermission" in error.problem:
        return warning("config.valid", said, "sudo paceline doctor")
    return problem("config.valid", said or str(error), advice if said else "correct it there")


def named_files(loaded: Loaded) -> Iterator[Finding]:
    """Yield whether passwords, certificates and keys can be read."""
    found = list(config_files.problems(loaded))
    for error in found:
        said, _, advice = str(error).rpartition("; ")
        if "ermission" in said:
            advice = f"sudo paceline doctor; if it says the same, {advice}"
        yield problem("config.files", said, advice)
    if not found:
        yield ok("config.files", "every file that the configuration names can be used")


def trust(config: Config) -> Iterator[Finding]:
    """Yield whether anybody's orders are obeyed."""
    keys = config.trust.keys
    if keys:
        yield ok("config.trust", f"orders are obeyed that are signed by {_listed(keys)}")
    else:
        yield problem(
            "config.trust",
            "trust.keys is empty: every order is refused",
            "`paceline key show > trusted.pub` on the machine that deploys; put the file to"
            " /etc/paceline/trusted.pub and write `trust: {keys: [/etc/paceline/trusted.pub]}`",
        )


def insecure(loaded: Loaded) -> Iterator[Finding]:
    """Yield that the configuration allows a broker without credentials and encryption."""
    if loaded.config.insecure:
        where = loaded.sources.get("insecure", "the configuration")
        yield warning(
            "config.insecure",
            f"{where}: insecure: true; anybody on the network can read tensors, and send them",
            "give the broker users or TLS, write broker.password_file or mqtts://, and take"
            " `insecure` out",
        )


def secrets(config: Config) -> Iterator[Path]:
    """Yield the files that are nobody else's business."""
    for broker in (config.broker, config.data_broker):
        for key in ("password_file", "client_key_file"):
            path = getattr(broker, key, None)
            if path is not None:
                yield path


def readable_by_others(path: Path) -> Iterator[Finding]:
    """Yield that other users of this machine may read a secret."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # named_files says so
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield warning(
            "config.secrets",
            f"{path} is open to every user of this machine (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {path}",
        )


def _listed(paths: tuple[Path, ...]) -> str:
    return ", ".join(map(str, paths))


PLUGIN = Group("Configuration", findings)
