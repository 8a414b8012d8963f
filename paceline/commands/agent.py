"""``paceline agent install``, ``uninstall`` and ``status``."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline.device import closure, given, kinds, looking, places, plan, slot, system
from paceline.device.errors import (
    AnswerMissingError,
    FileUnusableError,
    NoSystemdError,
    NotInstalledError,
    NotRootError,
    NotUpError,
)
from paceline.device.kinds import Kind
from paceline.device.looking import ServiceStatus
from paceline.device.perform import check_inside, perform
from paceline.device.plan import Asked
from paceline.device.preview import check_configuration
from paceline.device.steps import Step
from paceline.formatting import age_text
from paceline.options import OutputOptions
from paceline.output import Output, one_line
from wire import broker_url, ids, signing
from wire.errors import SignatureError

CONNECT_SECONDS: Final = 6.0
"""How long `install` waits for the broker: it is no fault of the installation's when none comes."""
_NO_RUNTIME: Final = "identity"
"""It only passes tensors on, for tests of links."""
_LOG_LINES: Final = 15
_SECRETS: Final = {
    "password_file": "broker.password",
    "certificate_file": "broker.cert",
    "key_file": "broker.key",
}
"""Fields of ``Access``, and the credentials of the service that they become."""
_STYLES: Final = {"remove": "red", "keep": "yellow", "slot": "green", "start": "green"}
_CONFIGURATION: Final = Group("Configuration, where there is none yet", sort_key=10)
_INSTALLATION: Final = Group("Installation", sort_key=11)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the agent's configuration shall say."""

    broker: Annotated[str | None, Parameter(group=_CONFIGURATION)] = None
    """The broker, such as mqtt://broker.local or mqtts://broker.local."""
    trust: Annotated[Path | None, Parameter(group=_CONFIGURATION)] = None
    """The public key whose orders are obeyed: what `paceline key show` printed."""
    origin: Annotated[str | None, Parameter(group=_CONFIGURATION)] = None
    """Where segments are fetched: the deployer's machine; without it, the broker's, port 8788."""
    device: Annotated[str | None, Parameter(group=_CONFIGURATION)] = None
    """This device's id; without it, the host's name."""
    site: Annotated[str | None, Parameter(group=_CONFIGURATION)] = None
    """The site's id."""
    username: Annotated[str | None, Parameter(group=_CONFIGURATION)] = None
    """Who the agent is to the broker; without it, the device's id."""
    password_file: Annotated[Path | None, Parameter(group=_CONFIGURATION)] = None
    """A file that holds its password."""
    ca_file: Annotated[Path | None, Parameter(group=_CONFIGURATION)] = None
    """Certificates that may sign the broker's."""
    client_cert_file: Annotated[Path | None, Parameter(group=_CONFIGURATION)] = None
    """The agent's own certificate, where the broker asks for one."""
    client_key_file: Annotated[Path | None, Parameter(group=_CONFIGURATION)] = None
    """The key of that certificate."""
    insecure: Annotated[bool, Parameter(negative=(), group=_CONFIGURATION, show_default=False)] = (
        False
    )
    """Allow a broker off this machine without password and TLS: on a network that you trust."""

    def asked(self) -> Asked:
        """Return it with the files read.

        Raises:
            BadIdError: A name is no id.
            BadUrlError: The broker's address cannot be understood.
            FileUnusableError: A file cannot be read, or is not what it should be.
        """
        for name, kind in ((self.device, "device"), (self.site, "site")):
            if name is not None:
                ids.checked(name, kind)
        if self.broker is not None:
            broker_url.parse(self.broker)
        named = {
            "password_file": self.password_file,
            "ca_file": self.ca_file,
            "certificate_file": self.client_cert_file,
            "key_file": self.client_key_file,
        }
        files = {name: file for name, file in named.items() if file is not None}
        data = {name: given.read(file) for name, file in files.items()}
        given.check_access(files, data)
        return Asked(
            device=self.device,
            site=self.site,
            broker=self.broker,
            origin=self.origin,
            username=self.username,
            insecure=self.insecure,
            trusted=_public_key(self.trust) if self.trust is not None else None,
            ca=data.get("ca_file"),
            secrets={secret: data[name] for name, secret in _SECRETS.items() if name in data},
        )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is installed into, and whether at all."""

    root: Annotated[Path | None, Parameter(group=_INSTALLATION)] = None
    """Install into an image whose root this folder is; nothing is started."""
    dry_run: Annotated[bool, Parameter(negative=(), group=_INSTALLATION, show_default=False)] = (
        False
    )
    """Show every step and do none."""

    @property
    def folder(self) -> Path:
        """The root."""
        return system.SYSTEM if self.root is None else self.root.absolute()

    def check(self) -> None:
        """Check that steps can be done.

        Raises:
            NotRootError: Not by this user.
            NoSystemdError: Nothing would start the service.
        """
        if self.dry_run:
            return
        if os.geteuid() != 0:
            again = shlex.join([os.path.abspath(sys.argv[0]), *sys.argv[1:]])  # noqa: PTH100 links stay
            raise NotRootError(f"this writes a system service, which needs root: sudo {again}")
        if self.root is None and not system.runs_systemd():
            raise NoSystemdError(
                "systemd does not run here (a container, or WSL without it), so nothing would"
                " start the service: run `paceline-agent --config FILE` under what does start"
                " things here, or install into an image with --root DIR"
            )


def install(
    *,
    configured: Configured = Configured(),
    like: Annotated[
        Literal["raspberry-pi", "x86", "coral", "jetson"] | None, Parameter(group=_INSTALLATION)
    ] = None,
    target: Target = Target(),
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Install this environment's agent as a service, or upgrade it.

    A configuration that is there is kept. Doing it again with a newer environment upgrades: the new
    version is tried before it takes over, and the one before it is kept.

    Args:
        configured: What its configuration shall say.
        like: Which kind of device this is; without it, found out.
        target: Into what.
        how: How to answer.
    """
    target.check()
    asked = configured.asked()
    kind = _kind(like, target)
    closure.check_python(slot.base_python())
    made = slot.slot_of(closure.found(), slot.base_python())
    steps = plan.install(asked, kind, made, looking.there(target.folder, kind, made))
    output = how.output
    _say_damaged(output, target)
    check_inside(steps, target.folder)
    check_configuration(steps, target.folder)
    if target.dry_run:
        return _show(output, steps, f"{kind.name} ({kind.evidence}); nothing was done")
    output.note(f"a device of the kind {kind.name} ({kind.evidence})")
    try:
        report = perform(steps, target.folder, _teller(output))
    except NotUpError:
        for line in system.log_lines(_LOG_LINES):
            output.note(f"  {line}")
        raise
    if report is not None and not any(r.works for r in report.runtimes if r.name != _NO_RUNTIME):
        output.note(
            "note: no runtime works here, so no model's segment can be served; bring one into this"
            " environment, such as by pip install '.[cpu]', and install again"
        )
    if target.root is not None:
        return _done(output, steps, f"installed into {target.folder}; it starts with the system")
    _await_broker()
    return _answer(output, looking.status())


def uninstall(
    *,
    purge: Annotated[bool, Parameter(negative=(), group=_INSTALLATION, show_default=False)] = False,
    target: Target = Target(),
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Stop the agent and remove what install wrote.

    Args:
        purge: Remove its configuration, its secrets, its segments and its user, too.
        target: From what.
        how: How to answer.
    """
    target.check()
    if not purge:  # what an uninstall left behind can still be purged
        looking.installed(target.folder)
    _say_damaged(how.output, target)
    steps = plan.removal(looking.there(target.folder, kinds.named("x86")), purge=purge)
    check_inside(steps, target.folder)
    if target.dry_run:
        return _show(how.output, steps, "nothing was done")
    perform(steps, target.folder, _teller(how.output))
    return _done(how.output, steps, "the agent is off this device")


def status(*, how: OutputOptions = OutputOptions()) -> int:  # noqa: B008 frozen
    """Show whether the installed agent runs, and what to do when it does not.

    Args:
        how: How to answer.
    """
    return _answer(how.output, looking.status())


def _kind(like: str | None, target: Target) -> Kind:
    if like is not None:
        return kinds.named(like)
    if target.root is not None:
        names = ", ".join(kinds.NAMES)
        raise AnswerMissingError(f"say for which device the image is: --like {names}")
    try:
        noted = looking.installed(target.folder)
    except NotInstalledError:
        noted = None
    found = kinds.detected()
    if noted is None or noted.kind not in kinds.NAMES:
        return found
    return kinds.again(kinds.named(noted.kind), found)


def _say_damaged(output: Output, target: Target) -> None:
    """Say that the note of what was installed is there and of no use."""
    try:
        damaged = looking.installed(target.folder) is None
    except NotInstalledError:
        return
    if damaged:
        output.note(f"note: {places.INSTALLED_FILE} is damaged, and counts as if it said nothing")


def _public_key(file: Path) -> bytes:
    data = given.read(file)
    try:
        signing.public_key(data, str(file))
    except SignatureError as error:
        raise FileUnusableError(
            f"{file}: {error.problem}; write `paceline key show` into it on the deployer's machine"
        ) from error
    return data


def _await_broker() -> None:
    """Wait until the log says whether the broker answers, so that the status can say it."""
    ends = time.monotonic() + CONNECT_SECONDS
    while looking.status().connected is None and time.monotonic() < ends:
        time.sleep(0.5)


def _teller(output: Output) -> Callable[[Step], None]:
    def say(step: Step) -> None:
        row = step.row()
        told = one_line(": ".join(filter(None, (row.subject, row.detail))))
        output.stderr.write(f"  {row.action:8} {told}\n")

    return say


def _show(output: Output, steps: Iterable[Step], end: str) -> int:
    rows = [step.row() for step in steps]

    def people(console: Console) -> None:
        table = Table(box=None, pad_edge=False)
        for title in ("step", "what", "how"):
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(Text(row.action, _STYLES.get(row.action, "")), row.subject, row.detail)
        console.print(table)
        console.print(f"\n{end}", style="dim")

    output.result({"steps": [row._asdict() for row in rows]}, people)
    return 0


def _done(output: Output, steps: Iterable[Step], end: str) -> int:
    rows = [step.row()._asdict() for step in steps]
    output.result({"steps": rows}, lambda console: console.print(end))
    return 0


def _answer(output: Output, found: ServiceStatus) -> int:
    output.result(found, lambda console: show_status(console, found))
    return 0 if found.service == "active" else NotUpError.exit_code


def show_status(console: Console, found: ServiceStatus) -> None:
    """Print how the installed agent is."""
    table = Table(box=None, pad_edge=False, show_header=False)
    state = Text(found.service, "green" if found.service == "active" else "red")
    if found.since_seconds is not None:
        state.append(f" for {age_text(found.since_seconds)}", "default")
    if found.restarts:
        state.append(f", {found.restarts} restarts", "yellow")
    table.add_row(places.SERVICE, state)
    table.add_row("version", f"{found.slot} ({found.kind})")
    if found.device is not None:
        table.add_row("device", f"{found.device}, site {found.site}")
        connection = {True: "connected", False: "not connected", None: "not known"}
        style = {True: "green", False: "red", None: "dim"}[found.connected]
        broker = Text(f"{found.broker}, ").append(connection[found.connected], style)
        if found.insecure:
            broker.append(", insecure: true", "yellow")
        table.add_row("broker", broker)
    if found.problem is not None:
        table.add_row("problem", Text(f"{found.problem.event}: {found.problem.detail}", "yellow"))
    table.add_row("next", found.next)
    console.print(table)
