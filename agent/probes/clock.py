"""Whether the clock can be believed.

The kernel is asked first; under the unit's ``ProtectClock=`` even asking is refused, then
systemd-timesyncd's file, then ``chronyc``, rarely. A small computer without a battery-backed clock
starts with that of its last shutdown, or of 1970: before this agent was installed.

Source: adjtimex(2) (``modes`` 0 only asks; 5, TIME_ERROR, is a clock that nobody keeps);
systemd-timesyncd.service(8) (``/run/systemd/timesync/synchronized``); chronyc(1), ``-c tracking``
(the last of its values is the leap status).
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from agent.probes import Reading

COMMAND_EVERY_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 2.0
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 208
"""Size of ``struct timex`` on 64-bit Linux; with zeros in it, only asking."""


def ask_kernel() -> bool | None:
    """Return whether the kernel's clock is kept right; None: we may not ask."""
    try:
        import ctypes  # noqa: PLC0415 where a unit allows no executable memory, this may fail

        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (ImportError, MemoryError, OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def ask_chrony() -> bool | None:
    """Return whether chrony keeps the clock right; None: it does not answer."""
    try:
        said = subprocess.run(
            ["chronyc", "-c", "-n", "tracking"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return not said.stdout.decode(errors="replace").strip().endswith("Not synchronised")


def installed_unix_seconds() -> float:
    """Return when this agent was put on the device."""
    return Path(__file__).stat().st_mtime


@dataclass(slots=True)
class ClockProbe:
    """Asks in order of cost, and remembers what the dear one said."""

    EVERY_SECONDS: ClassVar[float] = 10.0

    run: Path = Path("/run")
    kernel: Callable[[], bool | None] = ask_kernel
    chrony: Callable[[], bool | None] = ask_chrony
    unix_seconds: Callable[[], float] = time.time
    clock_seconds: Callable[[], float] = time.monotonic
    not_before: float = field(default_factory=installed_unix_seconds)
    _asked: bool | None = field(default=None, init=False)
    _ask_at: float = field(default=0.0, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield whether it is synchronised, where that is known, and whether it is impossible."""
        known = self._synchronised()
        if known is not None:
            yield Reading("clock_synchronised_flag", int(known))
        yield Reading("clock_impossible_flag", int(self.unix_seconds() < self.not_before))

    def _synchronised(self) -> bool | None:
        known = self.kernel()
        if known is not None:
            return known
        folder = self.run / "systemd/timesync"
        if folder.exists():
            return (folder / "synchronized").exists()
        if self.clock_seconds() >= self._ask_at:
            self._asked = self.chrony()
            self._ask_at = self.clock_seconds() + COMMAND_EVERY_SECONDS
        return self._asked


PLUGIN = ClockProbe
