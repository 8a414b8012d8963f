"""A Debian root with the agent installed in it, as `paceline agent install` leaves a device."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,procps,util-linux,mosquitto"
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
LIMITS = {"nspawn": "400MiB", "uml": "160MiB", "pair": "400MiB"}
"""A worker's. A process in User Mode Linux has 65,530 maps at most, that is scattered pages."""
MASKED = ("systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount",
          "proc-sys-fs-binfmt_misc.mount", "systemd-networkd-wait-online.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer")  # fmt: skip
"""What would empty the host's list of foreign programs (binfmt of qemu), or only cost time."""


def made(suite: str, root: Path) -> Path:
    """Make ``root`` a copy of the suite's root, with our packages beside it as wheels."""
    cache = _cache()
    base = cache / suite
    if not base.exists():
        print(f"debootstrap {suite} into {base} (some minutes, once)", flush=True)
        part = cache / f"{suite}.part"
        shutil.rmtree(part, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(part)]
        _run([*command, *_mirror()])
        part.rename(base)
    _run(["cp", "-a", str(base), str(root)])
    _wheels(suite, root / "opt" / "wheels")
    return root


def install(root: Path, share: Path, machine: str, device: str, addresses: Sequence[str]) -> None:
    """Install the agent, and the test's own unit beside it.

    Args:
        root: Where.
        share: What machine and host both see.
        machine: Which kind it is.
        device: The agent's id.
        addresses: Of the machines; the first has the broker. Empty: there is one.
    """
    limits = f"limits: {{worker_memory_bytes: {LIMITS[machine]}}}\nruntime: {{threads: 1}}\n"
    _install_agent(root, share, limits, device, addresses[0] if addresses else "127.0.0.1")
    (root / "boot-test").mkdir(exist_ok=True)
    for file in ("inside.py", "pair.py", "place.py", "cable.py", "probe.py", "client.py"):
        shutil.copy(Path(__file__).with_name(file), share / file)
    units = root / "etc/systemd/system"
    for name in MASKED:
        units.joinpath(name).unlink(missing_ok=True)
        units.joinpath(name).symlink_to("/dev/null")
    mounts = f"none /boot-test hostfs defaults,{share} 0 0\n" if machine == "uml" else ""
    (root / "etc/fstab").write_text(mounts)
    if addresses:
        broker = root / "etc/mosquitto/conf.d/boot-test.conf"
        broker.write_text("listener 1883\nallow_anonymous true\n")
    test = " ".join(["pair.py", device, *addresses]) if addresses else "inside.py"
    (units / "boot-test.service").write_text(_BOOT_TEST.format(test=test))
    _in(root, "systemctl", "enable", "boot-test.service", "mosquitto.service")


def _install_agent(root: Path, share: Path, limits: str, device: str, broker: str) -> None:
    """Install as README's device install does: a virtual environment, `paceline agent install`."""
    _in(root, "python3", "-m", "venv", "/opt/environment")
    pip = ["/opt/environment/bin/pip", "install", "--quiet", "--no-index"]
    _in(root, *pip, "--find-links", "/opt/wheels", "paceline[cpu]")
    shutil.copy(share / "trusted.pub", root / "opt/trusted.pub")
    (root / "opt/password").write_text("a secret")
    (root / "opt/password").chmod(0o600)
    (root / "opt/image").symlink_to("/")  # by another name: nothing is started from in here
    command = ["/opt/environment/bin/paceline", "agent", "install", "--root", "/opt/image"]
    given = ["--like", "x86", "--device", device, "--broker", f"mqtt://{broker}:1883"]
    given += ["--origin", f"http://{broker}:8788"]
    secret = ["--password-file", "/opt/password", "--username", device]
    _in(root, *command, *given, *secret, "--trust", "/opt/trusted.pub")
    (root / "etc/paceline/agent.d").mkdir(exist_ok=True)
    (root / "etc/paceline/agent.d/boot-test.yaml").write_text(limits)


def _wheels(suite: str, folder: Path) -> None:
    """Put our wheel and all that it needs into ``folder``, for the root's Python."""
    folder.mkdir(parents=True)
    _run(["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY)])
    (wheel,) = folder.glob("paceline-*.whl")
    for_root = ["--python-version", PYTHON[suite], "--only-binary=:all:"]
    pip = [_pip(), "download", "--quiet", "--dest", str(folder), *for_root]
    _run([*pip, f"{wheel}[cpu]"])


def _pip() -> str:
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        sys.exit("systemd-boot-test needs pip: apt-get install python3-pip")
    return found


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home, "paceline", "boot-test")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _mirror() -> list[str]:
    """Return the mirror that this machine uses; none: debootstrap knows one."""
    for file in Path("/etc/apt").glob("sources.list.d/debian.sources"):
        for line in file.read_text().splitlines():
            if line.startswith("URIs:"):
                return line.split()[1:2]
    return []


def _in(root: Path, *command: str) -> None:
    _run(["chroot", str(root), *command])


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")


_BOOT_TEST = """\
[Unit]
Description=boot test of the Paceline agent
After=multi-user.target mosquitto.service
RequiresMountsFor=/boot-test
FailureAction=poweroff
SuccessAction=poweroff

[Service]
Type=oneshot
ExecStart=/opt/environment/bin/python -I /boot-test/{test}
TimeoutStartSec=400

[Install]
WantedBy=multi-user.target
"""
