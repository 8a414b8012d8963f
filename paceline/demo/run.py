"""``paceline demo``: broker, artifact server and agents on loopback, a real model through them."""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from rich.console import Console
from rich.live import Live

import paceline
from fleet import verify
from fleet.control.deploy import Deployment, DeployRequest, deploy
from paceline.client import Site
from paceline.demo import feed as feeds
from paceline.demo import others, whole_model
from paceline.demo.answers import DistinctAnswers
from paceline.demo.home import MAX_PACKET_BYTES, Home
from paceline.demo.live_page import LivePage
from paceline.demo.pace import Pace
from paceline.demo.plan_summary import plan_summary
from paceline.demo.preparing import Prepared, prepare
from paceline.demo.summary import Summary, print_summary, stage_table
from paceline.pictures import drawing
from paceline.pipeline import Pipeline
from paceline.stopping import Stopping
from wire.errors import CodedError
from wire.manifest import Manifest
from wire.messages import Account

PIPELINE: Final = "demo"
DEADLINE_SECONDS: Final = 60.0
"""A frame takes 4 s where two cores run all three agents; slower machines show their best, too."""
HEADLESS_SECONDS: Final = 10.0
WHOLE_MODEL_SECONDS: Final = 3.0
DEPLOY_SECONDS: Final = 90.0
READY_SECONDS: Final = 30.0
SHOWN_ANSWERS: Final = 50
"""The live table shows the medians of so many."""


class DemoFailedError(CodedError):
    """The demo ran, and something in it is not as it must be."""

    code = "demo.failed"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"demo: {self.problem}; please report this with the output above"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says."""

    headless: bool = False
    """No live table; ends by itself."""
    seconds: float | None = None
    """How long to stream; None: until Ctrl-C, or 10 s where nobody watches."""
    as_json: bool = False
    """The summary as one line of JSON on stdout; everything else goes to stderr."""
    model: Path | None = None
    """Any ONNX or TFLite model; None: text detection with real weights."""
    devices: int = 3
    broker: str = "auto"
    """``auto``, ``mosquitto`` or ``rumqttd``."""
    window: int | None = None
    """Frames in flight; None: two for each device."""
    page: bool = True
    """Serve the live page."""


@dataclass(slots=True)
class _Streamed:
    """What came of the stream."""

    answers: DistinctAnswers = field(default_factory=DistinctAnswers)
    pace: Pace = field(default_factory=Pace)
    first_frame_seconds: float = 0.0
    generation: int = 0
    account: Account | None = None
    broker: str = ""
    others_busy_ratio: float = 0.0
    restarts: int = 0
    plugs_pulled: int = 0


def main(options: DemoOptions) -> int:
    """Run the demo; returns the exit code.

    Raises:
        CodedError: Something could not be started, or the answers are not as they must be.
        KeyboardInterrupt: It was interrupted; everything it started was stopped.
    """
    with Stopping() as stopping:
        return _Demo(options, stopping).run()


class _Demo:
    """One demo."""

    def __init__(self, options: DemoOptions, stopping: Stopping) -> None:
        self._options = options
        self._stopping = stopping
        self._console = Console(stderr=options.as_json, highlight=False)
        self._began = psutil.Process().create_time()

    def run(self) -> int:
        names = [f"device{number}" for number in range(1, self._options.devices + 1)]
        with tempfile.TemporaryDirectory(prefix="paceline-demo-") as scratch:
            with Home(names, self._options.broker) as home, ThreadPoolExecutor(1) as background:
                preparing = background.submit(
                    prepare, self._options.model, PIPELINE, names, Path(scratch), self._say
                )
                home.start()
                self._say("broker", f"{home.broker.name} on {home.broker.url}")
                self._say("agents", f"{', '.join(names)}: each a process of its own")
                with self._page(home) as page:
                    prepared = preparing.result()
                    home.serve_artifacts(prepared.folder)
                    streamed = self._streamed(home, prepared, page)
            # everything else has ended: the whole model has the machine for itself
            summary = self._summary(prepared, streamed)
        if self._options.as_json:
            sys.stdout.write(json.dumps(msgspec.to_builtins(summary)) + "\n")
            sys.stdout.flush()
        else:
            print_summary(self._console, summary)
        problem = summary.problem()
        if problem is not None:
            raise DemoFailedError(problem)
        return 0

    @contextlib.contextmanager
    def _page(self, home: Home) -> Iterator[LivePage | None]:
        """Serve the page while the body runs, where it is wanted."""
        if not self._options.page:
            yield None
            return
        with LivePage(home) as page:
            self._say("page", page.url)
            yield page

    def _streamed(self, home: Home, prepared: Prepared, page: LivePage | None) -> _Streamed:
        streamed = _Streamed(broker=home.broker.name)
        with paceline.connect(home.broker.url, max_packet_bytes=MAX_PACKET_BYTES) as site:
            streamed.generation = self._deploy(site, home, prepared.folder).generation
            pipeline = site.pipeline(PIPELINE)
            endless = self._seconds is None
            self._say("streaming", "Ctrl-C ends it" if endless else f"{self._seconds:g} s")
            self._stopping.gentle = endless or self._console.is_terminal
            before = others.used()
            with self._live(streamed.pace, prepared.manifest) as show:
                self._feed(pipeline, prepared, streamed, page, show)
            cores = psutil.cpu_count() or 1
            streamed.others_busy_ratio = others.others_ratio(before, others.used(), cores)
            self._stopping.gentle = False
            streamed.account = pipeline.account
        streamed.restarts = home.restarts
        streamed.plugs_pulled = home.plugs_pulled
        return streamed

    @property
    def _seconds(self) -> float | None:
        unwatched = self._options.headless or not self._console.is_terminal
        if self._options.seconds is None and unwatched:
            return HEADLESS_SECONDS
        return self._options.seconds

    @property
    def _window(self) -> int:
        return self._options.window or 2 * self._options.devices

    def _deploy(self, site: Site, home: Home, folder: Path) -> Deployment:
        request = DeployRequest(
            topics=site.topics,
            folder=folder,
            devices=home.devices,
            name=PIPELINE,
            timeout_seconds=DEPLOY_SECONDS,
            ready_seconds=READY_SECONDS,
        )
        try:
            made = deploy(request, site.session, home.key)
        except CodedError:
            for device in home.devices:
                self._console.print(f"[dim]{device}: {home.log_tail(device)}[/]")
            raise
        self._say("deployed", f"generation {made.generation} in {made.serving_seconds:.1f} s")
        return made

    def _feed(
        self,
        pipeline: Pipeline,
        prepared: Prepared,
        streamed: _Streamed,
        page: LivePage | None,
        show: Callable[[], None],
    ) -> None:
        """Stream until the time is over or Ctrl-C asks to end."""
        feed = prepared.feed
        drawn = prepared.manifest if prepared.manifest.postprocess else None
        ends: float | None = None

        def frames() -> Iterator[Any]:
            for arrays in feed.frames():
                if self._stopping.asked.is_set() or (ends and time.monotonic() >= ends):
                    return
                yield arrays

        for answer in pipeline.stream(
            frames(), window=self._window, deadline_seconds=DEADLINE_SECONDS
        ):
            if ends is None:
                streamed.first_frame_seconds = time.time() - self._began
                ends = time.monotonic() + (self._seconds or float("inf"))
            streamed.pace.add(answer)
            if answer.error is None:
                number = feed.number(answer.sequence)
                streamed.answers.add(number, answer.tensors)
                if page is not None and drawn is not None:
                    page.show(drawn, number, answer)
            show()

    @contextlib.contextmanager
    def _live(self, pace: Pace, manifest: Manifest) -> Iterator[Callable[[], None]]:
        """Show the stages while frames flow, where somebody can see them."""
        if self._options.headless or not self._console.is_terminal:
            yield lambda: None
            return
        segments = [segment.name for segment in manifest.segments]
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            yield lambda: live.update(
                stage_table(pace.stages(segments, SHOWN_ANSWERS), pace.frames_per_second),
                refresh=True,
            )

    def _summary(self, prepared: Prepared, streamed: _Streamed) -> Summary:
        """Compare with the whole model and put everything together."""
        self._say("comparing", "with the whole model")
        checked = verify.verify(prepared.folder, prepared.model)
        compared = streamed.answers.compared(whole_model.references(prepared.model, prepared.feed))
        whole = whole_model.bench(prepared.model, prepared.feed, WHOLE_MODEL_SECONDS)
        account, pace = streamed.account, streamed.pace
        assert account is not None
        return Summary(
            model=prepared.manifest.model.name,
            pipeline=PIPELINE,
            generation=streamed.generation,
            outputs_equal=compared.equal,
            bit_equal=checked.bit_equal,
            max_abs_diff=compared.max_abs_diff,
            answers_compared=compared.answers,
            frames_submitted=account.submitted,
            frames_done=account.results,
            frames_errors=sum(account.errors.values()),
            errors=account.errors,
            frames_dropped=account.drops,
            frames_lost=account.lost,
            frames_per_second=pace.frames_per_second,
            latency_seconds=pace.latency(),
            whole_model_frames_per_second=whole.frames_per_second,
            whole_model_threads=whole.threads,
            stages=pace.stages([segment.name for segment in prepared.manifest.segments]),
            broker=streamed.broker,
            first_frame_seconds=streamed.first_frame_seconds,
            agents_restarted=streamed.restarts,
            plugs_pulled=streamed.plugs_pulled,
            picture=self._picture(prepared, streamed),
            others_busy_ratio=streamed.others_busy_ratio,
            plan=plan_summary(prepared.plan, self._window, pace.steady(self._window)),
        )

    def _picture(self, prepared: Prepared, streamed: _Streamed) -> str | None:
        """Draw the newest page with its boxes; returns where it is."""
        newest = streamed.answers.newest()
        if newest is None or prepared.manifest.postprocess is None:
            return None
        number, tensors = newest
        path = prepared.model.parent / "demo.png"
        drawing.save(feeds.draw_answer(prepared.manifest, number, tensors), path)
        return str(path)

    def _say(self, what: str, text: str) -> None:
        self._console.print(f"[bold]{what:<10}[/] {text}")
