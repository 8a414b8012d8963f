"""What devices say while they measure, put together: progress, pages of tables, the report."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from wire.measuring import MAX_ROWS, Page, Progress, Told
from wire.profile_report import OperatorTime, ProfileReport

_Said = Progress | Page


class Pages:
    """Of one measurement on each of several devices.

    Args:
        devices: Which.
        tell: Hears how far they are, in the thread that hears.
    """

    def __init__(self, devices: Iterable[str], tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._steps = dict.fromkeys(devices, "asked")
        self._rows: dict[tuple[str, str], dict[int, OperatorTime]] = {}
        self._reports: dict[str, ProfileReport] = {}

    def heard(self, device: str, result: Mapping[str, Any]) -> bool:
        """Take what a device says; return whether its report is whole.

        Raises:
            msgspec.ValidationError: It cannot be understood.
        """
        if "report" in result:
            report = msgspec.convert(result["report"], ProfileReport)
            told = msgspec.convert(result.get("told"), Told)
            tables = {name: self._table(device, name) for name in ("operators", "kernels")}
            counts = {"operators": told.operators, "kernels": told.kernels}
            if any(len(tables[name]) != count for name, count in counts.items()):
                return False  # pages were lost with a connection; all of it comes again
            self._reports[device] = msgspec.structs.replace(report, **tables)
            return True
        said: _Said = msgspec.convert(result, _Said)
        if isinstance(said, Page):
            rows = self._rows.setdefault((device, said.table), {})
            if 0 <= said.first < MAX_ROWS and len(rows) <= MAX_ROWS:
                rows.update(enumerate(said.rows, start=said.first))
        else:
            self._steps[device] = _step(said)
            self._tell(", ".join(f"{name} {step}" for name, step in self._steps.items()))
        return False

    def report(self, device: str) -> ProfileReport:
        """Return a device's whole report."""
        return self._reports[device]

    def _table(self, device: str, name: str) -> tuple[OperatorTime, ...]:
        rows = self._rows.get((device, name), {})
        return tuple(rows[place] for place in sorted(rows))


def _step(said: Progress) -> str:
    if said.total_bytes and said.step == "fetching":
        return f"fetching {100 * said.done_bytes // said.total_bytes} %"
    return said.step
