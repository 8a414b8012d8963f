"""A fresh Debian root: packages are fetched before it boots, all else happens after."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SUITE = "trixie"
PACKAGES = "systemd,systemd-sysv,dbus,sudo,procps,openssl,ca-certificates,python3,python3-venv"
USER = "ada"
HOST = "pi1"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
MASKED = (
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "proc-sys-fs-binfmt_misc.mount",
    "systemd-networkd-wait-online.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
)
"""What would empty this machine's own list of foreign programs, or only cost time."""
BOOT_SECONDS = 120


class FailedError(Exception):
    """A command on the machine did not do what the README says."""


class Machine:
    """One root, and what runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._leader: int | None = None

    def prepare(self) -> None:
        """Make the user, and let the machine reach packages in the way that this one does."""
        (self.root / "etc/hostname").write_text(f"{HOST}\n")
        hosts = f"127.0.0.1 localhost\n127.0.1.1 {HOST}\n127.0.0.1 broker.local\n"
        (self.root / "etc/hosts").write_text(hosts)
        for name in MASKED:
            link = self.root / "etc/systemd/system" / name
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, self.root / CERTIFICATES.relative_to("/"))
        (self.root / "etc/pip.conf").write_text(_pip_settings())
        sudoer = f"echo '{USER} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/{USER}"
        made = f"useradd --create-home --shell /bin/bash {USER}\n{sudoer}\napt-get update -q"
        self.fetch(made, user="root")

    def fetch(self, script: str, *, folder: str = "/", user: str = USER) -> None:
        """Run what needs the network; nothing of the machine itself runs."""
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--register=no"]
        command += ["--keep-unit", "--console=pipe", f"--user={user}", f"--chdir={folder}"]
        command += [f"--setenv=SSL_CERT_FILE={CERTIFICATES}"]
        command += ["--resolv-conf=replace-host", "/bin/bash", "-ec", script]
        self._run(command, script)

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """Boot it, without a network; power it off in the end."""
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot"]
        command += ["--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        with (self.root.parent / "console.log").open("wb") as console:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        try:
            self._await_boot(child)
            yield
        finally:
            if self._leader is not None:
                subprocess.run([*self._inside(), "systemctl", "poweroff"], check=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(60)
            child.kill()
            child.wait()

    def do(self, script: str, *, folder: str) -> None:
        """Run what a user types, on the booted machine."""
        typed = f"cd {folder} && {script}"
        self._run([*self._inside(), "su", "-", USER, "-c", f"set -e; {typed}"], script)

    def _await_boot(self, child: "subprocess.Popen[bytes]") -> None:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        ends = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < ends and child.poll() is None:
            if pids := children.read_text().split():
                self._leader = int(pids[0])
                asked = [*self._inside(), "systemctl", "is-system-running"]
                told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
                if told.strip() in {"running", "degraded"}:
                    return
            time.sleep(0.5)
        raise FailedError(f"the machine did not boot; see {self.root.parent}/console.log")

    def _inside(self) -> list[str]:
        return ["nsenter", "-t", str(self._leader), "-m", "-p", "-u", "-i", "-n", "-C"]

    def _run(self, command: list[str], script: str) -> None:
        for line in script.strip().splitlines():
            print(f"  $ {line}", flush=True)
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        for line in ended.stdout.splitlines()[-30:]:
            print(f"    {line}", flush=True)
        if ended.returncode:
            raise FailedError(f"exit status {ended.returncode}: {script}")


@contextlib.contextmanager
def fresh(*, keep: bool) -> Iterator[Machine]:
    """Give a machine that nobody used; it is removed afterwards."""
    base = _base()
    work = Path(tempfile.mkdtemp(prefix="fresh-", dir=base.parent))
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(work / "root")], check=True)
        machine = Machine(work / "root")
        machine.prepare()
        yield machine
    finally:
        if keep:
            print(f"kept: {work}")
        else:
            shutil.rmtree(work)


def _base() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "paceline")
    base = cache / f"fresh-{SUITE}"
    if not base.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"debootstrap {SUITE} into {base} (some minutes, once)", flush=True)
        part = base.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(part)]
        with Path(f"{part}.log").open("wb") as log:
            subprocess.run([*command, _mirror()], check=True, stdout=log, stderr=log)
        part.rename(base)
    return base


def _mirror() -> str:
    """Return the mirror that this machine uses."""
    for file in Path("/etc/apt/sources.list.d").glob("debian.sources"):
        for line in file.read_text().splitlines():
            if line.startswith("URIs:"):
                return line.split()[1]
    raise FailedError("no mirror in /etc/apt/sources.list.d/debian.sources to make a root from")


def _pip_settings() -> str:
    """Return where pip of this machine finds packages, its own folders of them apart."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    pairs = (line.partition("=") for line in told.splitlines())
    found = {key.rpartition(".")[2]: value.strip("'") for key, _, value in pairs}
    lines = [f"{key} = {found[key]}" for key in ("index-url", "cert") if key in found]
    return "\n".join(["[global]", *lines]) + "\n"
