"""A network of its own for each of two machines, with a cable between them."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_HOLD = ("unshare", "--net", "sh", "-c", "echo held; exec cat")


@contextlib.contextmanager
def joined(addresses: Sequence[str]) -> Iterator[list[Path]]:
    """Yield a network namespace for each of two addresses: ``eth0`` in it has the address.

    Nothing of it has a name on the host. Whatever becomes of us, the kernel takes it away when
    the holders, whose input ends with us, and those who entered are gone.

    Raises:
        subprocess.CalledProcessError: It cannot be made.
    """
    with contextlib.ExitStack() as undo:
        first, second = pids = [undo.enter_context(_held()) for _ in addresses]
        ends = ("eth0", "netns", str(first)), ("eth0", "netns", str(second))
        _run("ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1])
        spaces = [Path(f"/proc/{pid}/ns/net") for pid in pids]
        for space, address in zip(spaces, addresses, strict=True):
            inside = ("nsenter", f"--net={space}", "ip")
            _run(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
            for name in ("lo", "eth0"):
                _run(*inside, "link", "set", name, "up")
        yield spaces


@contextlib.contextmanager
def _held() -> Iterator[int]:
    """Yield the id of a process that has a network namespace of its own, and does nothing."""
    with subprocess.Popen(_HOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        if not holder.stdout.readline():
            raise subprocess.CalledProcessError(holder.wait(), _HOLD)
        yield holder.pid


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
