"""Programs of arm64 on this machine: qemu is registered with the kernel while it is needed."""

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/proc/sys/fs/binfmt_misc")
NAME: Final = "paceline-arm64"
LOOK_SECONDS: Final = 0.2
_MAGIC: Final = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
_MASK: Final = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"


class NoEmulationError(Exception):
    """This machine cannot run programs of arm64; the message says what to do."""


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Keep qemu registered: a container that boots meanwhile clears what the kernel knows.

    Raises:
        NoEmulationError: There is no qemu, or the kernel does not take it.
    """
    qemu = shutil.which("qemu-aarch64-static")
    if qemu is None:
        raise NoEmulationError("qemu-aarch64-static is missing: apt-get install qemu-user-static")
    _register(qemu)
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(LOOK_SECONDS):
            with contextlib.suppress(NoEmulationError):
                _register(qemu)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        with contextlib.suppress(OSError):
            (FOLDER / NAME).write_text("-1")


def _register(qemu: str) -> None:
    if (FOLDER / NAME).exists():
        return
    if not (FOLDER / "register").exists():
        mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(FOLDER)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise NoEmulationError("the kernel has no binfmt_misc: modprobe binfmt_misc, as root")
    # F: the kernel opens qemu now, so a root needs no copy of it
    try:
        (FOLDER / "register").write_text(f":{NAME}:M::{_MAGIC}:{_MASK}:{qemu}:F")
    except OSError as error:
        raise NoEmulationError(f"qemu cannot be registered: {error.strerror}") from error
