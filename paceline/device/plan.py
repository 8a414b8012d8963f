"""What installing and taking off come to, step by step. Pure: made of what is there and asked."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paceline.device import places, share, slot, template
from paceline.device.errors import AnswerMissingError
from paceline.device.kinds import Kind
from paceline.device.noted import decoded
from paceline.device.slot import Slot
from paceline.device.steps import (
    CheckConfig,
    Join,
    Keep,
    Link,
    MakeFolder,
    MakeSlot,
    MakeUser,
    Reload,
    Remove,
    RemoveEmpty,
    RemoveUser,
    Start,
    Step,
    Stop,
    Switch,
    Write,
)
from wire import broker_url

ORIGIN_PORT: Final = 8788
"""Where `paceline deploy` serves segments."""
SECRETS: Final = {
    "broker.password": "broker.password_file",
    "broker.cert": "broker.client_cert_file",
    "broker.key": "broker.client_key_file",
}
"""Credentials by name, and the keys of the configuration that name them."""
_RULES: Final = {"coral": ("70-paceline-coral.rules",)}
"""What udev must know for a drop-in."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user said; files as their contents."""

    device: str | None = None
    site: str | None = None
    broker: str | None = None
    origin: str | None = None
    username: str | None = None
    insecure: bool = False
    trusted: bytes | None = None
    ca: bytes | None = None
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    """By the names of ``SECRETS``."""


@dataclass(frozen=True, slots=True)
class There:
    """What is on the device."""

    read: Callable[[Path], bytes | None]
    """A file's bytes; None: there is none."""
    has_user: bool = False
    groups: tuple[str, ...] = ()
    """Those that exist and that the drop-ins need."""
    current: str | None = None
    slots: tuple[str, ...] = ()
    """Those that can be switched to, oldest first."""
    is_image: bool = False
    """Whether it is an image that is being built, and no system that runs."""


def install(asked: Asked, kind: Kind, made: Slot, there: There) -> list[Step]:
    """Return the steps that install a slot and what belongs to it, or upgrade to it.

    Raises:
        AnswerMissingError: A new configuration needs something that was not said.
    """
    ours = [
        Write(places.SCHEMA_FILE, share.read("configs", "agent.schema.json"), "for editors"),
        *_units(kind),
    ]
    names = [*(str(write.path) for write in ours), str(places.WANTED_BY)]
    noted = json.dumps({"slot": made.name, "kind": kind.name, "files": names}, indent=2) + "\n"
    files = [
        *_configuration(asked, kind, there),
        *ours,
        Write(places.INSTALLED_FILE, noted.encode(), "what `uninstall` removes"),
    ]
    before = _files(there) or ()
    steps: list[Step] = [] if there.has_user else [MakeUser()]
    steps += [Join(group) for group in there.groups]
    steps += _folders()
    steps += [step for step in files if not _is_same(step, there)]
    steps += [Remove(Path(name), "no longer needed") for name in before if name not in names]
    steps.append(
        Keep(f"slot {made.name}", "it is there already, whole")
        if made.name in there.slots
        else MakeSlot(made)
    )
    steps += [CheckConfig(), Switch(made.name), Link(places.WANTED_BY, places.UNIT_FILE)]
    changes = any(isinstance(step, Write | Remove | MakeSlot | Join) for step in steps)
    anew = changes or made.name != there.current
    steps += [] if there.is_image else [Reload(), Start(anew)]
    old = slot.superfluous(made.name, there.current, there.slots)
    return [*steps, *(Remove(places.SLOTS / name, "an older version") for name in old)]


def removal(there: There, *, purge: bool) -> list[Step]:
    """Return the steps that take the agent off; ``purge``: with configuration and state."""
    steps: list[Step] = []
    if not there.is_image:
        steps.append(Stop())
    files = _files(there)
    steps += [Remove(Path(name)) for name in (_all_files() if files is None else files)]
    steps.append(Remove(places.SLOTS, "every version"))
    if purge:
        steps += [
            Remove(places.DROP_INS, "with drop-ins of yours"),
            Remove(places.CONFIG, "configuration and secrets"),
            Remove(places.STATE, "segments and the journal"),
            *([RemoveUser()] if there.has_user else []),
        ]
    else:
        steps += [
            RemoveEmpty(places.DROP_INS),
            Remove(places.INSTALLED_FILE),
            Keep(str(places.CONFIG), "configuration and secrets; --purge removes them"),
            Keep(str(places.STATE), "segments and the journal; --purge removes them"),
        ]
    return steps if there.is_image else [*steps, Reload()]


def _files(there: There) -> tuple[str, ...] | None:
    """Return what was installed before, the configuration apart; None: nothing says so."""
    noted = decoded(there.read(places.INSTALLED_FILE) or b"")
    return noted.files if noted is not None else None


def _all_files() -> list[str]:
    """Return what an installation for any device may have written."""
    shipped = share.names("systemd", f"{places.UNIT_FILE.name}.d")
    rules = (name for names in _RULES.values() for name in names)
    paths = [
        *(places.WANTED_BY, places.UNIT_FILE, places.SCHEMA_FILE),
        *(places.DROP_INS / name for name in shipped),
        *(places.UDEV_RULES / name for name in rules),
    ]
    return [str(path) for path in paths]


def _folders() -> list[Step]:
    return [
        MakeFolder(places.CONFIG, 0o755),
        MakeFolder(places.CONFIG / "agent.d", 0o755),
        MakeFolder(places.CREDENTIALS, 0o700),
        MakeFolder(places.STATE, 0o700, is_agents=True),
        MakeFolder(places.SLOTS, 0o700, is_agents=True),
    ]


def _units(kind: Kind) -> Iterator[Write]:
    unit = places.UNIT_FILE.name
    yield Write(places.UNIT_FILE, share.read("systemd", unit), "the service")
    shipped = share.names("systemd", f"{unit}.d")
    for name in (name for name in kind.drop_ins if f"{name}.conf" in shipped):
        data = share.read("systemd", f"{unit}.d", f"{name}.conf")
        yield Write(places.DROP_INS / f"{name}.conf", data, f"{name}: its devices")
        for rules in _RULES.get(name, ()):
            data = share.read("systemd", "udev", rules)
            yield Write(places.UDEV_RULES / rules, data, f"{name}: its devices' groups")


def _configuration(asked: Asked, kind: Kind, there: There) -> Iterator[Step]:
    if asked.trusted is not None:
        yield Write(places.TRUSTED_FILE, asked.trusted, "whose orders are obeyed")
    if asked.ca is not None:
        yield Write(places.CA_FILE, asked.ca, "who may sign the broker's certificate")
    for name, data in asked.secrets.items():
        yield Write(places.CREDENTIALS / name, data, "a credential of the service", 0o600)
    values = _values(asked)
    if there.read(places.AGENT_FILE) is not None:
        unsaid = f"; not written into it: {', '.join(values)}" if values else ""
        detail = f"yours: edit it, or add files to {places.CONFIG}/agent.d{unsaid}"
        yield Keep(str(places.AGENT_FILE), detail)
        return
    example = share.read("configs", f"{kind.name}.yaml").decode()
    values = {**values, **_needed(asked)}
    said = (
        f"configs/{kind.name}.yaml with {', '.join(f'{k} {_shown(v)}' for k, v in values.items())}"
    )
    yield Write(places.AGENT_FILE, template.filled(example, values).encode(), said)


def _values(asked: Asked) -> dict[str, object]:
    """Return what was said, by the keys of a configuration."""
    said = {
        "device": asked.device,
        "site": asked.site,
        "broker.url": asked.broker,
        "broker.username": asked.username,
        "broker.ca_file": str(places.CA_FILE) if asked.ca is not None else None,
        "insecure": asked.insecure or None,
        "artifacts.origin": asked.origin,
        "trust.keys": [str(places.TRUSTED_FILE)] if asked.trusted is not None else None,
        **{SECRETS[name]: f"credential:{name}" for name in asked.secrets},
    }
    return {key: value for key, value in said.items() if value is not None}


def _needed(asked: Asked) -> dict[str, object]:
    """Return what a new configuration has beside what was said; refuse what would not work."""
    if asked.broker is None:
        raise AnswerMissingError("say where the broker is: --broker mqtt://HOST")
    if asked.trusted is None:
        raise AnswerMissingError(
            "say whose orders this device shall obey: --trust trusted.pub (on the deployer's"
            " machine: paceline key show > trusted.pub)"
        )
    url = broker_url.parse(asked.broker)
    if not (url.loopback or url.tls or "broker.password" in asked.secrets or asked.insecure):
        raise AnswerMissingError(
            f"{url} is not this machine, and an agent does not connect without a password or TLS:"
            " say --password-file FILE (and --username NAME), or use mqtts://, or say --insecure"
            " on a network that you trust"
        )
    if asked.origin is not None or url.loopback:
        return {}
    host = f"[{url.host}]" if ":" in url.host else url.host
    return {"artifacts.origin": f"http://{host}:{ORIGIN_PORT}"}


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_same(step: Step, there: There) -> bool:
    return isinstance(step, Write) and there.read(step.path) == step.data
