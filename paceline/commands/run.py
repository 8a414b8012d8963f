"""``paceline run``."""

import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

import paceline
from paceline import run_files, run_summary
from paceline.answers import Answer
from paceline.client import Site
from paceline.errors import PipelineUndeployedError, PipelineUnknownError
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.pipeline import Pipeline
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW
from wire import codec_names, link_names

_QUIET_SECONDS = 0.5
"""A route that is there comes sooner; afterwards we say what we wait for."""

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def run(  # noqa: PLR0913 one for each option
    pipeline: str,
    /,
    *,
    source: Annotated[Path, Parameter(name="--input")],
    output: Path,
    count: Count = 1,
    rate: Positive | None = None,
    window: Count = DEFAULT_WINDOW,
    deadline: Positive = DEFAULT_DEADLINE_SECONDS,
    codec: str | None = None,
    link: Literal["mqtt", "paho"] | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Feed a pipeline with a picture or with tensors.

    Args:
        pipeline: Its name.
        source: A picture, or an .npz with one array for each input.
        output: Where the first result goes: .npz (tensors), .json, or a picture with the answer.
        count: How often the input is fed.
        rate: Frames a second at most; else as fast as the window allows.
        window: Frames in flight at most.
        deadline: Seconds after which a frame without an answer has failed.
        codec: How the input is written into frames: raw, fp16, int8_channel, fp16+zstd ...; else
            as the deploy said (entry=NAME), which is raw unless it said another.
        link: What carries frames to and from the broker; else that of the settings, or mqtt. paho
            is the reference, and costs many times as much.
        where: Which site.
        how: How to answer.
    """
    loaded, out = where.load().settings, how.output
    if codec is not None:
        codec_names.checked(codec)
    with paceline.connect(
        loaded.broker.url,
        site=loaded.site,
        root=loaded.root,
        access=loaded.access,
        max_packet_bytes=loaded.broker.max_packet_bytes,
        link=link or link_names.brokered(loaded.link),
    ) as site:
        found = _awaited(site, pipeline, out)
        route = found.route
        feed = run_files.read(source, route)
        run_files.check_output(output, route, feed)
        frames = itertools.repeat(feed.arrays, count)
        stream = found.stream(
            frames, window=window, rate=rate, deadline_seconds=deadline, codec=codec
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
    summary = run_summary.summary(answers, account, route, kept, said, error)
    out.result(summary, lambda console: run_summary.show(console, summary, feed))
    if error is not None:
        out.note(f"error: {error}")
        return error.exit_code
    return 1 if summary.failed else 0


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
