"""One soak: start the site, do the faults, watch, end, judge."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.rig.subject import Subject
from scripts.soaking import judge, picture, plan
from scripts.soaking.book import Book
from scripts.soaking.faults import Faults
from scripts.soaking.judge import Blow, Check, Growth
from scripts.soaking.plan import Fault
from scripts.soaking.site import Soaked
from scripts.soaking.watch import Watch
from wire.errors import CodedError

LOOK_SECONDS: Final = 0.5
SAY_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 75.0
"""Before the end there are no more faults: a device is healthy again after a minute without one."""
STUCK_SECONDS: Final = 60.0
"""How much longer than a fault's bound to wait for answers."""
TRACEBACK: Final = "Traceback (most recent call last)"


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    seconds: float
    checks: list[Check]
    blows: list[Blow]
    grown: list[Growth]
    written_mb_per_day: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check that is judged passed."""
        return not any(check.passed is False for check in self.checks)


class Soak:
    """A soak of so many seconds.

    Args:
        folder: For all logs and the picture.
        seconds: How long frames flow.
        seed: What the faults were made from; shown.
        link: What carries frames from stage to stage.
        faults: What is done, one after the other.
        small_disk: Whether one agent's state folder gets a file system of its own; needs root.
        say: Takes a line for people.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        seed: int,
        link: str,
        faults: Iterator[Fault],
        *,
        small_disk: bool,
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.stopping = threading.Event()
        self._seconds = seconds
        self._seed = seed
        self._link = link
        self._say = say
        self._plan = faults
        self._small_disk = small_disk
        self._blows: list[Blow] = []
        self._now = "starting"

    def run(self, subject: Subject) -> Outcome:
        """Run it to its end, or until it is interrupted; everything that it started has ended."""
        site = Soaked(self.folder, subject, self._link, small_disk=self._small_disk)
        watch = Watch(site.roles)
        book = Book({name: self.folder / f"client-{name}.log" for name in plan.PLACEMENTS})
        began = time.monotonic()
        troubles: dict[str, str] = {}
        try:
            site.start()
            self._say(f"every pipeline serves after {time.monotonic() - began:.0f} s")
            watch.start()
            began = time.monotonic()
            with self._progress(book, began):
                self._faults(site, book, began + self._seconds)
            troubles = site.control.troubles()
            site.end_clients()
        finally:
            self.stopping.set()
            if watch.processes:
                watch.stop()
            site.stop()
        ended = time.monotonic()
        book.read()
        return self._judged(site, watch, book, troubles, (began, ended))

    def _faults(self, site: Soaked, book: Book, ends: float) -> None:
        """Do one fault after the other until the time is over."""
        faults = Faults(site, self.stopping)
        for fault in self._plan:
            left = ends - QUIET_SECONDS - time.monotonic()
            self._now = "calm"
            if left < fault.pause_seconds + fault.kind.hold_seconds or self.stopping.wait(
                fault.pause_seconds
            ):
                break
            self._blows.append(self._do(faults, fault, book))
        self._now = "the last calm"
        self.stopping.wait(max(0.0, ends - time.monotonic()))

    def _do(self, faults: Faults, fault: Fault, book: Book) -> Blow:
        """Do one fault, and wait until every pipeline answers again."""
        began = time.monotonic()
        self._now = fault.kind.name
        failure, what = None, str(fault.device)
        try:
            what = faults.do(fault)
        except (CodedError, OSError, RuntimeError, IndexError) as error:
            failure = f"{type(error).__name__}: {error}"
        ended = time.monotonic()
        self._now = f"after {fault.kind.name}"
        limit = began + fault.kind.silence_seconds + STUCK_SECONDS
        # what is answered a second after the end of the fault was not on its way before
        while not all(told.since(ended + 1.0) for told in book.told.values()):
            if self.stopping.wait(LOOK_SECONDS) or time.monotonic() > limit:
                break
        names = [
            n for n in plan.PLACEMENTS if fault.kind.name != plan.UNDEPLOYED or n != plan.FICKLE
        ]
        silence = max(book.told[name].longest_silence(began, time.monotonic()) for name in names)
        blow = Blow(
            kind=fault.kind.name,
            began=began,
            ended=ended,
            what=what,
            silence_seconds=silence,
            bound_seconds=fault.kind.silence_seconds,
            failure=failure,
        )
        verdict = failure or f"{silence:.1f} s without an answer"
        self._say(f"[bold]{fault.number + 1}. {blow.kind}[/] {what}: {verdict}")
        return blow

    def _link_changes(self) -> Counter[str]:
        """Return how often frames changed from one link to another, as agents logged it."""
        found = Counter[str]()
        for file in self.folder.glob("agent-*.log"):
            for line in file.read_text(errors="replace").splitlines():
                if '"link.changed"' in line:
                    told = json.loads(line)
                    found[f"{told['from']} > {told['to']}"] += 1
        return found

    def _orders(self, device: str) -> int:
        """Return how many orders a device accepted."""
        log = self.folder / f"agent-{device}.log"
        return log.read_text(errors="replace").count('"desired.accepted"')

    @contextlib.contextmanager
    def _progress(self, book: Book, began: float) -> Iterator[None]:
        """Read what clients say all the while, and say how it stands each 10 s."""
        ended = threading.Event()

        def keep() -> None:
            said_at = began
            while not ended.wait(LOOK_SECONDS):
                book.read()
                if time.monotonic() - said_at >= SAY_SECONDS:
                    said_at += SAY_SECONDS
                    self._say(self._line(book, began))

        keeper = threading.Thread(target=keep, daemon=True, name="progress")
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _line(self, book: Book, began: float) -> str:
        now = time.monotonic()
        minutes, seconds = divmod(int(now - began), 60)
        rates = "  ".join(
            f"{name} {told.since(now - SAY_SECONDS) / SAY_SECONDS:4.1f}/s"
            for name, told in book.told.items()
        )
        told = book.told.values()
        errors, results = sum(t.errors().total() for t in told), sum(t.sum("results") for t in told)
        head = f"[dim]{minutes:3d}:{seconds:02d}[/]  {rates}"
        return f"{head}  {results} results, {errors} errors  [dim]{self._now}[/]"

    def _judged(
        self,
        site: Soaked,
        watch: Watch,
        book: Book,
        troubles: dict[str, str],
        span: tuple[float, float],
    ) -> Outcome:
        seconds = span[1] - span[0]
        warm_up = min(300.0, seconds / 10)
        written = {
            role: round(size / 1e6 * 86400 / (seconds - warm_up), 2)
            for role, size in sorted(watch.written_bytes(span[0] + warm_up).items())
        }
        processes = list(watch.processes.values())
        grown = [g for process in processes if (g := judge.growth(process, warm_up))]
        tracebacks = [
            f"{file.name}: {count}"
            for file in sorted(self.folder.rglob("*.log"))
            if (count := file.read_text(errors="replace").count(TRACEBACK))
        ]
        checks = [
            *judge.accounting(book.told.values()),
            judge.recovery(self._blows),
            judge.links(self._link, self._link_changes()),
            judge.memory(grown),
            *judge.flat(grown),
            judge.written(written, plan.SPARED, 86400 / seconds * self._orders(plan.SPARED)),
            judge.none_of("tracebacks", tracebacks),
            judge.none_of("zombies", [f"{n} {pid}" for pid, n in watch.zombies.items()]),
            judge.none_of("ended unasked", site.unexpected),
            judge.none_of("left running", watch.survivors()),
            judge.none_of("troubles at the end", [f"{d}: {t}" for d, t in troubles.items()]),
        ]
        title = f"{seconds / 60:.0f} minutes, link {self._link}, seed {self._seed}"
        title += f", {len(self._blows)} faults"
        watch.save(self.folder / "samples.csv")
        svg = self.folder / "soak.svg"
        picture.draw(svg, title, book.told, processes, self._blows, span)
        errors = sum((told.errors() for told in book.told.values()), Counter[str]())
        return Outcome(
            seconds=seconds,
            checks=checks,
            blows=self._blows,
            grown=grown,
            written_mb_per_day=written,
            errors=dict(errors),
        )


def plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON takes it."""
    return {"passed": outcome.passed, **asdict(outcome)}
