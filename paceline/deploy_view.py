"""Shows how far a deploy is, on a terminal; silent elsewhere."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fleet import edge_links, runtime_choice
from fleet.control.deploy import Deployment
from fleet.control.deploy_progress import Progress, StageProgress, Verdict
from fleet.runtime_choice import AUTO, EDGETPU
from paceline.formatting import seconds_text, size_text
from paceline.output import Output
from wire import link_names
from wire.manifest import Manifest

_STYLES: Final = {
    Verdict.WAITING: "yellow",
    Verdict.SERVING: "green",
    Verdict.FAILED: "red",
    Verdict.REFUSED: "red",
    Verdict.SUPERSEDED: "red",
}


class DeployView:
    """Takes `Progress`; a context manager. What it shows is gone when it ends."""

    def __init__(self, output: Output) -> None:
        self._live = _live(output.aside) if output.live else None
        self._began = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show this instead of what was shown."""
        if self._live is not None:
            seconds = time.monotonic() - self._began
            self._live.update(drawn(progress, seconds), refresh=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def drawn(progress: Progress, seconds: float) -> Group:
    """Return what a terminal shows of ``progress`` after ``seconds``."""
    head = Spinner("dots", Text(f"{progress.step}: {progress.text} ({seconds_text(seconds)})"))
    return Group(head, _table(progress.stages)) if progress.stages else Group(head)


def fallbacks(made: Deployment, manifest: Manifest, asked: str) -> Iterator[str]:
    """Yield, for people, what runs on less than it could.

    Args:
        made: What serves.
        manifest: Of its segments.
        asked: The runtimes that were asked for.
    """
    for one in made.degraded:
        why = f"{one.reason.code}: {one.reason.message}"
        yield f"stage {one.stage} on {one.device} is degraded: {why}"
    for stage in made.stages:
        compiled = runtime_choice.is_compiled(manifest.segments[stage.stage])
        if compiled and asked == AUTO and stage.runtime != EDGETPU:
            yield (
                f"{stage.segment} is compiled for an Edge TPU, and {stage.device} has none that is"
                " proved and free: the processor runs it (what is missing says"
                f" `paceline doctor --device {stage.device}`; then deploy again)"
            )


def clients_place(made: Deployment) -> str:
    """Return where clients have to run that no broker may serve; empty: anywhere."""
    last = max(stage.stage for stage in made.stages)
    entry, *_, answers = edge_links.parsed(made.link, last + 1)
    ends = [(0, entry, "frames enter"), (last, answers, "answers leave")]
    told = {
        what: " or ".join(stage.device for stage in made.stages if stage.stage == number)
        for number, link, what in ends
        if link == link_names.NEVER_BROKER
    }
    if len(set(told.values())) == 1:
        [device] = {*told.values()}
        return f"clients have to run on the machine of {device}: no other reaches it directly"
    where = ", and on that of ".join(f"{device} ({what})" for what, device in told.items())
    return f"clients have to run on the machine of {where}, which must be one" if where else ""


def _table(stages: tuple[StageProgress, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for stage in stages:
        reason = stage.reason.message if stage.reason else ""
        table.add_row(
            f"  {stage.stage}",
            stage.device,
            stage.segment,
            size_text(stage.size_bytes),
            Text(stage.phase, style=_STYLES[stage.verdict]),
            Text(reason, style="dim", overflow="ellipsis", no_wrap=True),
        )
    return table


def _live(console: Console) -> Live:
    return Live(console=console, transient=True, refresh_per_second=8)
