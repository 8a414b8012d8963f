"""``paceline bench``."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter, validators

import paceline
from fleet import inputs as made_up
from fleet.control import from_plan
from fleet.control.deploy_errors import DeploymentsFileError
from fleet.errors import BadRequestError
from fleet.simulator import plan_file
from fleet.simulator.errors import PlanFileError
from fleet.simulator.pipeline import Pipeline
from paceline import link_option, record, run_files
from paceline.bench import concurrency as concurrencies
from paceline.bench import hop as hops
from paceline.bench import hop_report, pipeline_view, predictions
from paceline.bench import pipeline as pipelines
from paceline.bench.curve import curve
from paceline.bench.hop import HopRequest
from paceline.bench.messages import Broker
from paceline.bench.meter import MOST_SECONDS, Rules
from paceline.bench.pipeline import LoadRequest
from paceline.dimensions import dimension
from paceline.options import OutputOptions, SiteOptions, Timeout
from paceline.output import Output
from paceline.settings import Settings
from paceline.show.errors import PictureUnwritableError
from paceline.size_option import whole_bytes
from paceline.stream import DEFAULT_DEADLINE_SECONDS
from wire import link_names
from wire.frame import MAX_FRAME_BYTES
from wire.messages import Route

_LARGEST = MAX_FRAME_BYTES - (1 << 20)

Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000_000))]
Size = Annotated[
    int, Parameter(converter=whole_bytes, validator=validators.Number(gte=1, lte=_LARGEST))
]
PacketSize = Annotated[int, Parameter(converter=whole_bytes, validator=validators.Number(gte=1024))]


def hop(
    *,
    link: str = link_names.DEFAULT,
    size: Annotated[Size, Parameter(name="--bytes")] = 614400,
    frames: Count = 200,
    max_packet_bytes: PacketSize | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Measure what one hop costs: a frame handed over in one process until decoded in another.

    Frames go one way, one in flight, 4 ms apart; then as many back to back. Several links take
    turns in one run and are compared with the first. Without --broker, one is started where a link
    needs it: mosquitto if it is installed, else the one that comes with paceline[demo].

    Args:
        link: What carries the frames: mqtt, paho, tcp or uds; several, parted by commas.
        size: Bytes of the one tensor in each frame, such as 600000, 600kB or 64KiB.
        frames: How many, of each link, one by one; and as many back to back.
        max_packet_bytes: The largest packet for the broker; larger frames travel in chunks.
        where: Which broker; none named here: one is started.
        how: How to answer.
    """
    links = link_option.measured(link)
    broker = None
    if where.broker is not None:
        settings = where.load().settings
        broker = _broker(settings)
        max_packet_bytes = max_packet_bytes or settings.broker.max_packet_bytes
    request = HopRequest(
        links=links,
        size_bytes=size,
        frames=frames,
        broker=broker,
        max_packet_bytes=max_packet_bytes,
    )
    out = how.output
    with out.progress() as tell:
        report = hops.measure(request, tell)
    out.result(report.plain(), lambda console: hop_report.show(console, report))
    return 0


def pipeline(  # noqa: PLR0913 one for each option
    name: str,
    /,
    *,
    concurrency: str = "1:8",
    source: Annotated[Path | None, Parameter(name="--input")] = None,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    seconds: Timeout = MOST_SECONDS,
    deadline: Timeout = DEFAULT_DEADLINE_SECONDS,
    svg: Path | None = None,
    plan: Annotated[Path | None, Parameter(show_default=False)] = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Measure a deployed pipeline with more and more frames in flight, each until it is stable.

    Stable is: throughput and latency of each of the last three seconds are within 10 % of their
    mean. Ctrl-C ends it with what was measured. What a plan predicted stands beside it, where you
    deployed by one.

    Args:
        name: The pipeline's.
        concurrency: Frames in flight: such as 4, 1:8, 1:16:2 or 1,2,4.
        source: A picture, or an .npz with one array for each input; else random tensors.
        dim: The size of a dynamic dimension of random tensors, NAME=N; may be repeated.
        seconds: When a level ends that does not become stable.
        deadline: Seconds after which a frame without an answer has failed.
        svg: Draw throughput and latency over frames in flight into this file.
        plan: What `paceline plan MODEL --json` printed; else the plan that you deployed by.
        where: Which site.
        how: How to answer.
    """
    windows = concurrencies.windows(concurrency)
    if svg is not None and svg.suffix.lower() != ".svg":
        raise BadRequestError(f"--svg {svg}", "is no name of an .svg file")
    dims = dict(dimension(text) for text in dim)
    if dims and source is not None:
        raise BadRequestError("--dim", "sizes come from what --input names")
    settings, out = where.load().settings, how.output
    given = from_plan.pipeline(plan) if plan is not None else None
    with paceline.connect(
        settings.broker.url,
        site=settings.site,
        root=settings.root,
        access=settings.access,
        max_packet_bytes=settings.broker.max_packet_bytes,
    ) as site:
        found = site.pipeline(name)
        if source is None:
            inputs = made_up.made(found.route.receives, dims, seed=0).arrays
        else:
            inputs = run_files.read(source, found.route).arrays
        request = LoadRequest(
            concurrencies=windows,
            inputs=inputs,
            inputs_are=str(source) if source is not None else "random",
            rules=Rules(most_seconds=seconds),
            deadline_seconds=deadline,
        )
        if plan is not None and given is not None:
            predictions.check(str(plan), given, found.route)
        planned = given or _promised(settings, site.broker, found.route, out)
        with out.progress() as tell:
            report = pipelines.measure(found, request, tell)
            if planned is not None:
                tell("simulating what was planned")
                levels = predictions.with_predictions(report.levels, planned, deadline)
                report = msgspec.structs.replace(report, levels=levels)
    if svg is not None:
        _draw(svg, curve(report))
        out.note(f"drawn in {svg}")
    out.result(report, lambda console: pipeline_view.show(console, report))
    if report.ended_by is not None:
        return 130 if report.ended_by == pipelines.INTERRUPTED else 6
    return 1 if report.failed else 0


def _promised(settings: Settings, broker: str, route: Route, out: Output) -> Pipeline | None:
    """Return the pipeline as it was planned, where this user deployed it by a plan."""
    try:
        promise = record.promised(settings.topics, broker, route)
        return plan_file.of_tree(promise.pipeline, "the list of deployments") if promise else None
    except (DeploymentsFileError, PlanFileError) as error:
        out.note(f"note: {error}")
        return None


def _draw(file: Path, picture: str) -> None:
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise PictureUnwritableError(str(file), error.strerror or str(error)) from error


def _broker(settings: Settings) -> Broker:
    access = settings.access

    def name(path: Path | None) -> str | None:
        return str(path) if path is not None else None

    return Broker(
        url=settings.broker.url,
        username=access.username,
        password_file=name(access.password_file),
        ca_file=name(access.ca_file),
        certificate_file=name(access.certificate_file),
        key_file=name(access.key_file),
    )
