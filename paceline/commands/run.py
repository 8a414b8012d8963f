"""``paceline run``."""

import contextlib
import itertools
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter, validators

from paceline import run_files, run_summary
from paceline.answers import Answer
from paceline.errors import PipelineUndeployedError, PipelineUnknownError
from paceline.formatting import counted
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.run_many import INTERRUPTED, awaited, connected, run_many
from paceline.run_options import ManyOptions, Numbers, OneOptions, check_options
from paceline.run_summary import Problem, Tally
from paceline.stopping import Stopping
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW
from wire import codec_names

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def run(  # noqa: PLR0913 one for each option
    pipeline: str,
    /,
    *,
    one: OneOptions = OneOptions(),  # noqa: B008 frozen
    many: ManyOptions = ManyOptions(),  # noqa: B008 frozen
    count: Count | None = None,
    rate: Positive | None = None,
    window: Count | None = None,
    deadline: Positive = DEFAULT_DEADLINE_SECONDS,
    codec: str | None = None,
    link: Literal["mqtt", "paho"] | None = None,
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
        codec: How the input is written into frames: raw, fp16, int8_channel, fp16+zstd ...; else
            as the deploy said (entry=NAME), which is raw unless it said another.
        link: What carries frames to and from the broker; else that of the settings, or mqtt. paho
            is the reference, and costs many times as much.
        where: Which site.
        how: How to answer.
    """
    check_options(one, many)
    if codec is not None:
        codec_names.checked(codec)
    numbers = Numbers(count, rate, window, deadline, codec, link)
    with Stopping(_SIGNALS) as stopping:
        if one.input is not None:
            return _run_one(pipeline, one.input, one.output, numbers, where, how.output, stopping)
        return run_many(pipeline, many, numbers, where, how.output, stopping)


def _run_one(
    pipeline: str,
    source: Path,
    output: Path | None,
    numbers: Numbers,
    where: SiteOptions,
    out: Output,
    stopping: Stopping,
) -> int:
    with connected(where, numbers.link) as site:
        found = awaited(site, pipeline, out)
        route = found.route
        feed = run_files.read(source, route)
        if output is not None:
            run_files.check_output(output, route, feed)
        count = numbers.count or 1
        stream = found.stream(
            itertools.takewhile(
                lambda _: not stopping.asked.is_set(), itertools.repeat(feed.arrays, count)
            ),
            window=numbers.window or DEFAULT_WINDOW,
            rate=numbers.rate,
            deadline_seconds=numbers.deadline,
            codec=numbers.codec,
        )
        answers, ended = _watched(stream, count, out, stopping)
        with contextlib.suppress(PipelineUnknownError):
            route = found.route  # the newest generation is told
        account = found.account
    if account is None:  # it ended before it began
        raise KeyboardInterrupt
    first = next((answer for answer in answers if answer.error is None), None)
    said = None
    if first is not None:
        said = run_files.found(first.tensors, route, feed)
        if output is not None:
            run_files.write(output, first.tensors, said, feed)
    error = ended or (answers[0].error if answers and first is None else None)
    interrupted = stopping.asked.is_set()
    kept = str(output) if output is not None and first is not None else None
    why = Problem(code="interrupted", message="interrupted") if interrupted else error
    summary = run_summary.summary(Tally(answers), account, route, kept, said, ended or why)
    out.result(summary, lambda console: run_summary.show(console, summary))
    if interrupted and ended is None:
        out.note("interrupted")
        return INTERRUPTED
    if error is not None:
        out.note(f"error: {error}")
        return error.exit_code
    return 1 if summary.failed else 0


def _watched(
    stream: Generator[Answer, None, None], count: int, out: Output, stopping: Stopping
) -> tuple[list[Answer], PipelineUndeployedError | None]:
    """Return all answers, and why there are no more; on a terminal, with a line that counts them.

    Tensors of all but the first result are let go: a long run must not fill the memory. After the
    first signal no more frames are submitted; a second one ends those in flight, too.
    """
    answers: list[Answer] = []
    kept = False
    status = out.aside.status("") if out.live else None
    if status:
        status.start()
    stopping.gentle = True
    try:
        with contextlib.closing(stream):
            for answer in stream:
                answers.append(msgspec.structs.replace(answer, tensors={}) if kept else answer)
                kept = kept or answer.error is None
                if status:
                    status.update(f"{len(answers)} of {counted(count, 'frame')}")
    except PipelineUndeployedError as error:
        return answers, error
    except KeyboardInterrupt:
        stopping.asked.set()
    finally:
        stopping.gentle = False
        if status:
            status.stop()
    return answers, None
