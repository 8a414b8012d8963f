"""What power the machine says that it takes, by whatever probe reads watts here."""

import threading
from collections.abc import Sequence
from typing import Final, Self

from agent.probes import Probe, Reading
from wire import plugins

EVERY_SECONDS: Final = 0.2
_PACKAGE: Final = "agent.probes"
_TOTAL: Final = ("VDD_IN", "5V_IN", "POM_5V_IN", "VIN")
"""Rails that all others hang on, as boards name them."""
_SOURCES: Final = ("jetson",)
"""Probes that read watts."""


class Power:
    """Samples the power while its ``with`` block runs; silent where no probe reads watts."""

    def __init__(self, probes: Sequence[Probe] | None = None) -> None:
        found = [plugins.load(_PACKAGE, name)() for name in _SOURCES] if probes is None else probes
        self._probes = [probe for probe in found if _watts(list(probe.read())) is not None]
        self._samples: list[float] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def mean(self) -> float | None:
        """The mean of the block, in watts; None: nobody tells."""
        return sum(self._samples) / len(self._samples) if self._samples else None

    def now(self) -> float | None:
        """Return the power now, in watts; None: nobody tells."""
        return _watts([reading for probe in self._probes for reading in probe.read()])

    def __enter__(self) -> Self:
        if self._probes:
            self._thread = threading.Thread(target=self._sample, daemon=True, name="power")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self) -> None:
        while True:
            if (watts := self.now()) is not None:
                self._samples.append(watts)
            if self._ended.wait(EVERY_SECONDS):
                return


def _watts(readings: Sequence[Reading]) -> float | None:
    """Return the whole of what rails say: that of the one in front, else their sum."""
    rails = {r.label("rail"): r.value for r in readings if r.name.endswith("_watts")}
    for name in _TOTAL:
        if name in rails:
            return rails[name]
    return sum(rails.values()) if rails else None
