"""`paceline agent install` from a real wheel in a real environment, into the root of an image."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from wire import signing

PYTHON = "/usr/bin/python3"
REPOSITORY = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path(PYTHON).exists() or shutil.which("uv") is None,
        reason="needs root, the system's own Python, and uv",
    ),
]


class Device:
    """An image's root, and an environment that installs into it."""

    def __init__(self, folder, environment):
        self.root = folder / "root"
        self.state = self.root / "var/lib/paceline"
        self.etc = self.root / "etc"
        self._environment = environment
        self.key = folder / "trusted.pub"
        self.key.write_bytes(
            signing.public_pem(signing.private_key(signing.new_private_key(), "the test's"))
        )
        self._password = folder / "password"
        self._password.write_text("open sesame\n")
        self.etc.mkdir(parents=True)
        (self.root / "var/lib").mkdir(parents=True)
        (self.etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (self.etc / "group").write_text("root:x:0:\nplugdev:x:46:\n")
        for name in ("shadow", "gshadow"):
            (self.etc / name).touch(0o600)

    def __call__(self, *arguments, python=None, said=None):
        """Run ``paceline agent`` and return its code, its answer, and what it said aside."""
        program = [str(python or self._environment / "bin/python"), "-I", "-m", "paceline.cli"]
        ended = subprocess.run(
            [*program, "agent", *map(str, arguments), "--root", str(self.root), "--json"],
            capture_output=True, text=True, timeout=250, check=False, input=said,
        )  # fmt: skip
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.returncode, json.loads(ended.stdout), ended.stderr

    def install(self, *more):
        """Install with what a newcomer says."""
        said = ["--broker", "mqtt://broker.lan", "--trust", self.key, "--username", "site"]
        return self("install", "--like", "x86", *said, "--password-file", self._password, *more)

    @property
    def slot(self):
        """The name that ``current`` points to."""
        return str((self.state / "slots/current").readlink())

    def agent(self, *arguments):
        """Run the installed agent."""
        program = self.state / "slots/current/bin/python"
        return subprocess.run(
            [program, "-I", "-m", "agent", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment as the README makes one, of the system's Python."""
    folder = tmp_path_factory.mktemp("environment")
    build = ["uv", "build", "--quiet", "--wheel", "--out-dir", folder, REPOSITORY]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    made = folder / "venv"
    subprocess.run(["uv", "venv", "-q", "--python", PYTHON, made], check=True)
    into = ["uv", "pip", "install", "-q", "--python", made / "bin/python", wheel]
    subprocess.run(into, check=True)
    return made


@pytest.fixture
def device(tmp_path, environment):
    """A device without an agent."""
    return Device(tmp_path, environment)


def test_from_nothing_to_an_agent_that_runs_and_back_to_nothing(device):
    """Installed, installed again, taken off: what is there after each."""
    code, answer, aside = device.install()
    first = device.slot
    assert (code, device.agent("--version").stdout.strip()) == (0, first.partition("-")[0])
    assert "no runtime works here" in aside  # only [cpu] brings one
    assert "slot" in {step["action"] for step in answer["steps"]}
    owner = (device.state / "slots" / first).stat()
    assert (owner.st_uid, device.state.stat().st_mode & 0o777) == (
        device.state.stat().st_uid,
        0o700,
    )
    secret = device.etc / "paceline/credentials/broker.password"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("open sesame\n", 0o600)
    assert (secret.stat().st_uid, secret.parent.stat().st_mode & 0o777) == (0, 0o700)
    unit = device.etc / "systemd/system/paceline-agent.service"
    assert unit.read_bytes() == (REPOSITORY / "systemd/paceline-agent.service").read_bytes()

    file = device.etc / "paceline/agent.yaml"
    file.write_text(file.read_text().replace("site: default", "site: mine"))
    code, answer, _ = device("install", "--like", "x86", "--site", "lab")
    assert (code, device.slot) == (0, first)
    assert "site: mine" in file.read_text()
    assert [s["action"] for s in answer["steps"] if s["action"] in {"write", "slot"}] == []

    assert device("uninstall")[0] == 0
    assert not unit.exists()
    assert file.exists()
    assert not (device.state / "slots").exists()
    assert device("uninstall", "--purge")[0] == 0
    assert not device.state.exists()
    assert not file.parent.exists()
    assert "paceline" not in (device.etc / "passwd").read_text()


def test_an_upgrade_keeps_the_version_before_and_the_way_back(device, environment):
    """A newer environment gives another slot; with the older one it goes back to its own."""
    assert device.install()[0] == 0
    first = device.slot
    with changed(packages(environment), "agent/logs.py", recorded=True):
        assert device("install", "--like", "x86")[0] == 0
    second = device.slot

    assert second != first
    assert {e.name for e in (device.state / "slots").iterdir()} == {first, second, "current"}
    assert device("install", "--like", "x86")[0] == 0
    assert device.slot == first


def test_a_dry_run_shows_all_and_does_nothing(device):
    """Not even a folder; a secret is never shown."""
    code, answer, _ = device.install("--dry-run")

    assert code == 0
    assert {"user", "folder", "write", "slot", "switch"} <= {s["action"] for s in answer["steps"]}
    assert "sesame" not in json.dumps(answer)
    assert sorted(e.name for e in device.etc.iterdir()) == ["group", "gshadow", "passwd", "shadow"]
    assert not device.state.exists()


def test_an_environment_that_was_changed_is_not_installed(device, environment):
    """What a device runs is what its wheels said, byte for byte; nothing is half done."""
    with changed(packages(environment), "agent/logs.py"):
        code, answer, _ = device.install()

    assert (code, answer["error"]["code"]) == (3, "install.environment")
    assert "agent/logs.py was changed" in answer["error"]["message"]
    assert list((device.state / "slots").iterdir()) == []
    assert [e.name for e in (device.root / "var/lib").iterdir()] == ["paceline"]


def test_a_slot_that_does_not_run_is_never_switched_to(device, environment):
    """The agent that ran goes on running."""
    assert device.install()[0] == 0
    before = device.slot
    broken = b"raise SystemExit('broken')\n"
    with changed(packages(environment), "agent/children.py", broken, recorded=True):
        code, answer, _ = device("install", "--like", "x86")

    assert (code, answer["error"]["code"]) == (3, "install.slot_failed")
    assert "broken" in answer["error"]["message"]
    assert device.slot == before
    assert device.agent("--version").returncode == 0


def test_a_slip_is_refused_whole_and_the_corrected_command_mends_it(device):
    """A wrong origin, then a password through a pipe; a slot that a full disk left; a torn note."""
    code, answer, _ = device.install("--origin", "nonsense")
    assert (code, answer["error"]["code"]) == (3, "install.config_refused")
    assert [*device.etc.glob("paceline*"), device.state.exists()] == [False]

    piped = ["--broker", "mqtt://broker.lan", "--trust", device.key, "--username", "site"]
    piped += ["--like", "x86", "--password-file", "/dev/stdin"]
    code, answer, _ = device("install", *piped, said="")
    assert (code, answer["error"]["code"]) == (3, "install.file_unusable")
    assert device("install", *piped, said="open sesame\n")[0] == 0
    secret = device.etc / "paceline/credentials/broker.password"
    assert secret.read_text() == "open sesame\n"

    slot = device.state / "slots" / device.slot
    shutil.rmtree(slot)
    slot.mkdir()
    note = device.etc / "paceline/installed.json"
    note.write_text(note.read_text()[:40])
    code, _, aside = device("install", "--like", "x86")
    assert (code, "is damaged" in aside) == (0, True)
    assert device.agent("--version").returncode == 0
    note.write_text("[]")
    code, _, aside = device("uninstall")
    assert (code, "is damaged" in aside) == (0, True)
    assert not (device.etc / "systemd/system/paceline-agent.service").exists()


def packages(environment):
    """Return an environment's folder of packages."""
    (lib,) = (environment / "lib").iterdir()
    return lib / "site-packages"


class changed:  # noqa: N801 used like a function
    """Change a file of an environment, perhaps as if its wheel had it so; put it back after."""

    def __init__(self, packages, name, data=b"\n# changed\n", *, recorded=False):
        self._file = packages / name
        (self._record,) = packages.glob("paceline-*.dist-info/RECORD")
        self._name, self._data, self._recorded = name, data, recorded

    def __enter__(self):
        self._before = self._file.read_bytes(), self._record.read_text()
        new = self._data if self._data.startswith(b"raise") else self._before[0] + self._data
        self._file.unlink()  # it may be a link into a cache that others share
        self._file.write_bytes(new)
        if self._recorded:
            import base64
            import hashlib

            digest = base64.urlsafe_b64encode(hashlib.sha256(new).digest()).rstrip(b"=").decode()
            lines = self._before[1].splitlines()
            row = f"{self._name},sha256={digest},{len(new)}"
            made = [row if line.startswith(f"{self._name},") else line for line in lines]
            self._record.unlink()
            self._record.write_text("\n".join(made) + "\n")

    def __exit__(self, *_):
        self._file.write_bytes(self._before[0])
        self._record.write_text(self._before[1])
