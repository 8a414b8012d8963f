"""Options that many commands share."""

import os
import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter

from paceline import settings
from paceline.output import Output
from paceline.settings import Loaded

_SITE: Final = Group("Site", sort_key=90)
_OUTPUT: Final = Group("Output", sort_key=91)
_LONGEST_SECONDS: Final = 7 * 86400


def _is_time(_: Any, value: float) -> None:
    if not 0 < value <= _LONGEST_SECONDS:  # nor is not-a-number
        raise ValueError(f"Must be seconds, above 0 and at most {_LONGEST_SECONDS}.")


Timeout = Annotated[float, Parameter(validator=_is_time)]
"""How long a command waits."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How to answer."""

    json: Annotated[bool, Parameter(negative=(), group=_OUTPUT, show_default=False)] = False
    """Print one JSON object on stdout."""
    debug: Annotated[bool, Parameter(negative=(), group=_OUTPUT, show_default=False)] = False
    """Show tracebacks and debug logs (also PACELINE_DEBUG=1)."""

    @property
    def output(self) -> Output:
        """Where the command's words go."""
        return Output(self.json, sys.stdout, sys.stderr)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """How to reach a site; each can also be set by PACELINE_* or in the settings file."""

    broker: Annotated[str | None, Parameter(group=_SITE)] = None
    """The broker, such as mqtt://localhost:1883 (PACELINE_BROKER_URL)."""
    site: Annotated[str | None, Parameter(group=_SITE)] = None
    """The site's id (PACELINE_SITE)."""
    root: Annotated[str | None, Parameter(group=_SITE)] = None
    """The first level of every topic (PACELINE_ROOT)."""
    username: Annotated[str | None, Parameter(group=_SITE)] = None
    """Who we are to the broker (PACELINE_BROKER_USERNAME)."""
    password_file: Annotated[Path | None, Parameter(group=_SITE)] = None
    """A file that holds the password (PACELINE_BROKER_PASSWORD_FILE)."""
    ca_file: Annotated[Path | None, Parameter(group=_SITE)] = None
    """Certificates that may sign the broker's (PACELINE_BROKER_CA_FILE)."""
    client_cert_file: Annotated[Path | None, Parameter(group=_SITE)] = None
    """Our own certificate, where the broker asks for one (PACELINE_BROKER_CLIENT_CERT_FILE)."""
    client_key_file: Annotated[Path | None, Parameter(group=_SITE)] = None
    """Its key (PACELINE_BROKER_CLIENT_KEY_FILE)."""

    @property
    def given(self) -> dict[str, object]:
        """What the command line says, by dotted key; None: nothing."""
        return {
            "broker.url": self.broker,
            "broker.username": self.username,
            "broker.password_file": self.password_file,
            "broker.ca_file": self.ca_file,
            "broker.client_cert_file": self.client_cert_file,
            "broker.client_key_file": self.client_key_file,
            "site": self.site,
            "root": self.root,
        }

    def loaded(self, file: Path | None) -> Loaded:
        """Return the settings, of this file or of the one that is found without.

        Raises:
            CodedError: Something is wrong with them; see `paceline.settings.load`.
        """
        return settings.load(os.environ, self.given, file)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions(BrokerOptions):
    """How to reach a site, and the file that says so."""

    config: Annotated[Path | None, Parameter(group=_SITE)] = None
    """The settings file (PACELINE_CONFIG); ~/.config/paceline/config.yaml."""

    @property
    def typed(self) -> str:
        """The options that were given, as they are typed behind another command of this site."""
        given = (
            f" --{field.name.replace('_', '-')} {shlex.quote(str(value))}"
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        )
        return "".join(given)

    def load(self) -> Loaded:
        """Return the settings; see `loaded`."""
        return self.loaded(self.config)


VALUE_OPTIONS: Final = frozenset(
    {
        "--broker",
        "--site",
        "--root",
        "--username",
        "--password-file",
        "--ca-file",
        "--client-cert-file",
        "--client-key-file",
        "--config",
    }
)
FLAG_OPTIONS: Final = frozenset({"--json", "--debug"})
"""Options that may also stand before the command."""
