"""The files that a configuration names, opened once at start.

A slip in a path is then one sentence that says where it stands, and not a fetch, a connection or
an order that fails much later.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.config import Config, Loaded
from agent.config.errors import ConfigError
from wire import bounded, signing
from wire.access import Access
from wire.errors import AccessFileError, SignatureError


class ConfigFileError(ConfigError):
    """A file that the configuration names cannot be used."""

    code = "config.file_unusable"

    def __init__(self, where: str, key: str, path: Path, problem: str, advice: str) -> None:
        super().__init__(where, key, path, problem, advice)
        self.where = where
        self.key = key
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.path}: {self.problem}; {self.advice}"


def problems(loaded: Loaded) -> Iterator[ConfigError]:
    """Open every file that is named; yield those that are not what their keys take."""
    config = loaded.config
    for key, access in _accesses(config):
        uses_tls_files = access.ca_file or access.certificate_file
        for opened in (access.password, *((access.tls_context,) if uses_tls_files else ())):
            try:
                opened()
            except AccessFileError as error:
                kind = _kind(access, error.path)
                advice = f"repair it and its permissions, or name another with {key}.{kind}"
                yield _error(loaded, f"{key}.{kind}", error.path, error.problem, advice)
    for path in config.trust.keys:
        problem = _key_problem(path)
        if problem is not None:
            advice = (
                "write `paceline key show` into it on the deployer's machine, or correct the path"
            )
            yield _error(loaded, "trust.keys", path, problem, advice)


def _accesses(config: Config) -> Iterator[tuple[str, Access]]:
    brokers: dict[str, Any] = {"broker": config.broker, "data_broker": config.data_broker}
    for key, broker in brokers.items():
        if broker is not None:
            yield (
                key,
                Access(
                    password_file=broker.password_file,
                    ca_file=broker.ca_file,
                    certificate_file=broker.client_cert_file,
                    key_file=broker.client_key_file,
                ),
            )
    yield "artifacts", Access(ca_file=config.artifacts.ca_file)


def _kind(access: Access, path: Path) -> str:
    """Return the name of the key that a file was named by."""
    kinds = {
        access.key_file: "client_key_file",
        access.certificate_file: "client_cert_file",
        access.ca_file: "ca_file",
        access.password_file: "password_file",
    }
    return kinds[path]


def _key_problem(path: Path) -> str | None:
    try:
        signing.public_key(bounded.read(path, bounded.MAX_SECRET_BYTES), str(path))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except SignatureError as error:
        return error.problem
    return None


def _error(loaded: Loaded, key: str, path: Path, problem: str, advice: str) -> ConfigFileError:
    return ConfigFileError(loaded.sources.get(key, "default"), key, path, problem, advice)
