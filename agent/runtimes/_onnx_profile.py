"""onnxruntime's profile: what each node of a session took, and who ran it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.runtimes import OperatorTimes

_TIME: Final = "_kernel_time"
"""How the events end that say what a node took."""
_RUN: Final = "model_run"
_WITH_BODIES: Final = ("If", "Loop", "Scan")


class About(msgspec.Struct, frozen=True):
    """What an event says of its node."""

    node_index: str = ""
    op_name: str = ""
    provider: str = ""


class Event(msgspec.Struct, frozen=True):
    """One event of a profile; times in microseconds."""

    name: str
    ts: int
    dur: int
    cat: str = ""
    args: About = About()


class Profile:
    """The file that one session writes its profile to, in a folder that goes with it.

    Args:
        session_options: Those of the session that is to be profiled.
    """

    def __init__(self, session_options: Any) -> None:
        import tempfile  # noqa: PLC0415 half a megabyte, for who measures alone

        self._folder = tempfile.TemporaryDirectory(prefix="paceline-profile-")
        self._file: Path | None = None
        session_options.enable_profiling = True
        session_options.profile_file_prefix = str(Path(self._folder.name, "profile"))

    def end(self, session: Any) -> None:
        """End it: what the session runs from now on costs nothing more."""
        self._file = Path(session.end_profiling())

    def events(self) -> Iterator[Event]:
        """Yield what the nodes took, once it has ended; nothing where the disk took nothing."""
        if self._file is None or not self._file.exists():
            return
        with self._file.open("rb") as lines:
            yield from node_events(lines)

    def close(self) -> None:
        """Delete the file."""
        self._folder.cleanup()


def node_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Yield what the nodes of the graph itself took: those of bodies count with who runs them.

    Args:
        lines: Of a profile, which is a list with one event a line.
    """
    decoder = msgspec.json.Decoder(Event)
    run: list[Event] = []
    for line in lines:
        text = line.strip(b" ,\r\n")
        if not text.startswith(b"{"):
            continue
        event = decoder.decode(text)
        if event.name == _RUN:
            yield from run
            run = []
        elif event.cat == "Node" and event.name.endswith(_TIME):
            while event.args.op_name in _WITH_BODIES and run and run[-1].ts >= event.ts:
                run.pop()  # what ran inside ended before it
            run.append(event)


def operator_times(events: Iterable[Event]) -> tuple[OperatorTimes, ...]:
    """Return how long each operator took in each run."""
    seconds: dict[tuple[int, str, str], list[float]] = {}
    for event in events:
        key = int(event.args.node_index), event.name.removesuffix(_TIME), event.args.op_name
        seconds.setdefault(key, []).append(event.dur / 1e6)
    return tuple(
        OperatorTimes(place, name, kind, tuple(times))
        for (place, name, kind), times in sorted(seconds.items())
    )
