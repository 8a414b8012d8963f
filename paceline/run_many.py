"""``paceline run --source``: opened, connected, streamed, and told."""

from dataclasses import replace
from typing import Final

import paceline
from paceline import run_summary
from paceline.aside import Aside
from paceline.client import Site
from paceline.errors import PipelineUnknownError
from paceline.options import SiteOptions
from paceline.output import Output
from paceline.pipeline import Pipeline
from paceline.policies import Policy
from paceline.run_errors import BadRunOptionError
from paceline.run_options import ManyOptions, Numbers
from paceline.run_stream import RunRequest, Streamed
from paceline.run_summary import Problem, RunSummary
from paceline.sinks import SinkOptions, open_sink
from paceline.sources import Source, SourceOptions, open_source
from paceline.stopping import Stopping
from paceline.stream import DEFAULT_WINDOW
from wire import link_names

_QUIET_SECONDS: Final = 0.5
"""A route that is there comes sooner; afterwards we say what we wait for."""
INTERRUPTED: Final = 130


def run_many(
    pipeline: str,
    many: ManyOptions,
    numbers: Numbers,
    where: SiteOptions,
    out: Output,
    stopping: Stopping,
) -> int:
    """Stream a source to its sink; returns the exit code.

    Raises:
        CodedError: Something is not there, or does not fit; nothing was submitted.
        KeyboardInterrupt: It was interrupted before the first frame.
    """
    sink_name = many.sink or "-"
    aside = Aside(out, counting=sink_name != "-" or not out.stdout.isatty())
    assert many.source is not None
    options = SourceOptions(
        stop=stopping.asked,
        say=aside.say,
        rate=numbers.rate,
        follow=bool(many.follow),
        password_file=many.source_password_file,
    )
    source = open_source(many.source, options)
    try:
        with connected(where, numbers.link) as site:
            found = awaited(site, pipeline, out)
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
                    draws=None not in (found.route.preprocess, found.route.postprocess),
                ),
            )
            streamed = Streamed(found, source, sink, request, stopping)
            streamed.run(aside)
            sink.close()
            account = found.account
    finally:
        source.close()
    if account is None:  # it ended before it began
        raise streamed.error or KeyboardInterrupt
    interrupted = Problem(code="interrupted", message="interrupted")
    summary = run_summary.summary(
        streamed.tally,
        account,
        streamed.route,
        None if sink_name == "-" else sink_name,
        None,
        streamed.error or (interrupted if streamed.interrupted else None),
        source=many.source,
        policy=str(policy),
        skipped=dict(streamed.skipped),
        unsent=sink.unsent,
    )
    # stdout holds the answers: people find the summary beside it, programs in the last line
    told = replace(out, stdout=out.stderr) if sink_name == "-" and not out.as_json else out
    told.result(summary, lambda console: run_summary.show(console, summary))
    return _exit_code(streamed, summary, out)


def _exit_code(streamed: Streamed, summary: RunSummary, out: Output) -> int:
    if streamed.error is not None:
        out.note(f"error: {streamed.error}")
        return streamed.error.exit_code
    if streamed.interrupted:
        out.note("interrupted")
        return INTERRUPTED
    return 1 if summary.failed or summary.skipped or summary.unsent else 0


def connected(where: SiteOptions, link: str | None) -> Site:
    """Return the site of the settings, connected; ``link`` carries frames, None: theirs.

    Raises:
        CodedError: Something is wrong with the settings, or no broker answers.
    """
    loaded = where.load().settings
    return paceline.connect(
        loaded.broker.url,
        site=loaded.site,
        root=loaded.root,
        access=loaded.access,
        max_packet_bytes=loaded.broker.max_packet_bytes,
        link=link or link_names.brokered(loaded.link),
    )


def _request(policy: Policy, numbers: Numbers, source: Source, stages: int) -> RunRequest:
    """Return how a source is streamed.

    Raises:
        BadRunOptionError: A recording without a pace shall be played as if it were live.
    """
    newest = policy is Policy.DROP_OLDEST
    if newest and not (source.live or numbers.rate or source.shots_per_second):
        raise BadRunOptionError(f"--policy {policy} needs --rate here: the source has no pace")
    window = numbers.window or (stages + 1 if newest else DEFAULT_WINDOW)
    return RunRequest(policy, window, numbers.rate, numbers.deadline, numbers.count, numbers.codec)


def awaited(site: Site, name: str, out: Output) -> Pipeline:
    """Return the pipeline; who has to wait for its route is told so."""
    try:
        return site.pipeline(name, timeout_seconds=_QUIET_SECONDS)
    except PipelineUnknownError:
        out.note(f"waiting for the route of pipeline {name} on {site.broker}")
        return site.pipeline(name)
