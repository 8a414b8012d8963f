"""``paceline run``."""

import contextlib
import itertools
import signal
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter, validators

import paceline
from paceline import run_files, run_summary
from paceline.answers import Answer
from paceline.client import Site
from paceline.errors import PipelineUndeployedError, PipelineUnknownError
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.pipeline import Pipeline
from paceline.policies import Policy
from paceline.run_errors import BadRunOptionError
from paceline.run_stream import RunRequest, Streamed
from paceline.run_summary import Problem, Tally
from paceline.sinks import SinkOptions, open_sink
from paceline.sources import Source, SourceOptions, open_source
from paceline.stopping import Stopping
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW

_QUIET_SECONDS = 0.5
"""A route that is there comes sooner; afterwards we say what we wait for."""
_INTERRUPTED: Final = 130
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
_ONE: Final = Group("One input", sort_key=1)
_MANY: Final = Group("Many frames", sort_key=2)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class OneOptions:
    """One picture or one set of tensors."""

    input: Annotated[Path | None, Parameter(group=_ONE)] = None
    """A picture, or an .npz with one array for each input."""
    output: Annotated[Path | None, Parameter(group=_ONE)] = None
    """Where the first result goes: .npz (tensors), .json, or a picture with the answer."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ManyOptions:
    """A source of many frames, and where their answers go."""

    source: Annotated[str | None, Parameter(group=_MANY)] = None
    """A folder of pictures or .npz files, a video, /dev/video0, or rtsp://USER@CAMERA/..."""
    sink: Annotated[str | None, Parameter(group=_MANY)] = None
    """Where each answer goes: a new folder, mqtt:TOPIC, or - (lines of JSON; the default)."""
    format: Annotated[
        Literal["json", "npz", "jpg", "png", "webp"] | None, Parameter(group=_MANY)
    ] = None
    """What is in a sink's folder; json, or tensors, or pictures with what was found."""
    policy: Annotated[Literal["block", "drop_oldest"] | None, Parameter(group=_MANY)] = None
    """When frames come too fast: block (every one goes through; folders and videos) or
    drop_oldest (the newest one does; cameras)."""
    follow: Annotated[bool | None, Parameter(group=_MANY, negative=())] = None
    """Go on at the end: with files that come into the folder, or the video from the start."""
    qos: Annotated[Literal[0, 1] | None, Parameter(group=_MANY)] = None
    """Of messages to a topic; 0, or 1."""
    source_password_file: Annotated[Path | None, Parameter(group=_MANY)] = None
    """A file that holds the camera's password."""


def run(  # noqa: PLR0913 one for each option
    pipeline: str,
    /,
    *,
    one: OneOptions = OneOptions(),
    many: ManyOptions = ManyOptions(),
    count: Count | None = None,
    rate: Positive | None = None,
    window: Count | None = None,
    deadline: Positive = DEFAULT_DEADLINE_SECONDS,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Feed a pipeline with a picture, with tensors, or with all that a camera sees.

    Args:
        pipeline: Its name.
        one: One input.
        many: Many frames.
        count: How often the input is fed (1), or how many frames of a source (all).
        rate: Frames a second at most; else as fast as the window allows.
        window: Frames in flight at most; 8, or with drop_oldest one more than there are stages.
        deadline: Seconds after which a frame without an answer has failed.
        where: Which site.
        how: How to answer.
    """
    _check_options(one, many)
    if one.input is not None and one.output is not None:
        numbers = _Numbers(count or 1, rate, window or DEFAULT_WINDOW, deadline)
        return _run_one(pipeline, one.input, one.output, numbers, where, how.output)
    with Stopping(_SIGNALS) as stopping:
        request = _Numbers(count, rate, window, deadline)
        return _run_many(pipeline, many, request, where, how, stopping)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What both kinds of run are told."""

    count: int | None
    rate: float | None
    window: int | None
    deadline: float


def _check_options(one: OneOptions, many: ManyOptions) -> None:
    """Check that one kind of run is asked for, and wholly.

    Raises:
        BadRunOptionError: It is not.
    """
    given = [f.name for f in fields(many) if getattr(many, f.name) is not None]
    if (one.input is None) == (many.source is None):
        raise BadRunOptionError("say either --input FILE --output FILE or --source SOURCE")
    if one.input is not None and given:
        raise BadRunOptionError(f"--{given[0].replace('_', '-')} goes with --source alone")
    if one.input is not None and one.output is None:
        raise BadRunOptionError("say --output, where the result goes")
    if one.input is None and one.output is not None:
        raise BadRunOptionError("--output goes with --input; with --source, say --sink")


def _run_one(
    pipeline: str,
    source: Path,
    output: Path,
    numbers: _Numbers,
    where: SiteOptions,
    out: Output,
) -> int:
    with _connected(where) as site:
        found = _awaited(site, pipeline, out)
        route = found.route
        feed = run_files.read(source, route)
        run_files.check_output(output, route, feed)
        count = numbers.count or 1
        stream = found.stream(
            itertools.repeat(feed.arrays, count),
            window=numbers.window or DEFAULT_WINDOW,
            rate=numbers.rate,
            deadline_seconds=numbers.deadline,
        )
        answers, ended = _watched(stream, count, out)
        with contextlib.suppress(PipelineUnknownError):
            route = found.route  # the newest generation is told
        account = found.account
    assert account is not None
    first = next((answer for answer in answers if answer.error is None), None)
    said = None
    if first is not None:
        said = run_files.found(first.tensors, route, feed)
        run_files.write(output, first.tensors, said, feed)
    error = ended or (answers[0].error if first is None else None)
    kept = str(output) if first is not None else None
    summary = run_summary.summary(Tally(answers), account, route, kept, said, error)
    out.result(summary, lambda console: run_summary.show(console, summary))
    if error is not None:
        out.note(f"error: {error}")
        return error.exit_code
    return 1 if summary.failed else 0


def _run_many(
    pipeline: str,
    many: ManyOptions,
    numbers: _Numbers,
    where: SiteOptions,
    how: OutputOptions,
    stopping: Stopping,
) -> int:
    out = how.output
    assert many.source is not None
    options = SourceOptions(
        stop=stopping.asked,
        say=out.note,
        rate=numbers.rate,
        follow=bool(many.follow),
        password_file=many.source_password_file,
    )
    source = open_source(many.source, options)
    sink_name = many.sink or "-"
    try:
        with _connected(where) as site:
            found = _awaited(site, pipeline, out)
            usual = Policy.DROP_OLDEST if source.live else Policy.BLOCK
            policy = Policy(many.policy) if many.policy else usual
            request = _request(policy, numbers, source, len(found.route.stages))
            sink = open_sink(
                sink_name,
                SinkOptions(
                    format=many.format or "json",
                    qos=many.qos or 0,
                    root=site.topics.root,
                    session=site.session,
                    stdout=out.stdout,
                ),
            )
            streamed = Streamed(found, source, sink, request, stopping)
            streamed.run(out, quiet=sink_name == "-" and out.stdout.isatty())
            sink.close()
            account = found.account
    finally:
        source.close()
    if account is None:  # it ended before it began
        raise streamed.error or KeyboardInterrupt
    error = streamed.error or (
        Problem(code="interrupted", message="interrupted") if streamed.interrupted else None
    )
    summary = run_summary.summary(
        streamed.tally,
        account,
        streamed.route,
        None if sink_name == "-" else sink_name,
        None,
        error,
        source=many.source,
        policy=str(policy),
        skipped=dict(streamed.skipped),
        unsent=sink.unsent,
    )
    # stdout holds the answers: people find the summary beside it, programs in the last line
    told = replace(out, stdout=out.stderr) if sink_name == "-" and not out.as_json else out
    told.result(summary, lambda console: run_summary.show(console, summary))
    if streamed.error is not None:
        out.note(f"error: {streamed.error}")
        return streamed.error.exit_code
    if streamed.interrupted:
        return _INTERRUPTED
    return 1 if summary.failed or summary.skipped or summary.unsent else 0


def _connected(where: SiteOptions) -> Site:
    loaded = where.load().settings
    return paceline.connect(
        loaded.broker.url,
        site=loaded.site,
        root=loaded.root,
        access=loaded.access,
        max_packet_bytes=loaded.broker.max_packet_bytes,
    )


def _request(policy: Policy, numbers: _Numbers, source: Source, stages: int) -> RunRequest:
    """Return how a source is streamed.

    Raises:
        BadRunOptionError: A recording without a pace shall be played as if it were live.
    """
    newest = policy is Policy.DROP_OLDEST
    if newest and not (source.live or numbers.rate or source.shots_per_second):
        raise BadRunOptionError(f"--policy {policy} needs --rate here: the source has no pace")
    window = numbers.window or (stages + 1 if newest else DEFAULT_WINDOW)
    return RunRequest(policy, window, numbers.rate, numbers.deadline, numbers.count)


def _awaited(site: Site, name: str, out: Output) -> Pipeline:
    """Return the pipeline; who has to wait for its route is told so."""
    try:
        return site.pipeline(name, timeout_seconds=_QUIET_SECONDS)
    except PipelineUnknownError:
        out.note(f"waiting for the route of pipeline {name} on {site.broker}")
        return site.pipeline(name)


def _watched(
    stream: Iterable[Answer], count: int, out: Output
) -> tuple[list[Answer], PipelineUndeployedError | None]:
    """Return all answers, and why there are no more; on a terminal, with a line that counts them.

    Tensors of all but the first result are let go: a long run must not fill the memory.
    """
    answers: list[Answer] = []
    kept = False
    status = out.aside.status("") if out.live else None
    if status:
        status.start()
    try:
        for answer in stream:
            answers.append(replace(answer, tensors={}) if kept else answer)
            kept = kept or answer.error is None
            if status:
                status.update(f"{len(answers)} of {count} frames")
    except PipelineUndeployedError as error:
        return answers, error
    finally:
        if status:
            status.stop()
    return answers, None
