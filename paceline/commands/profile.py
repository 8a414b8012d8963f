"""``paceline profile``."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from fleet import keys
from fleet.control.observe import Observer
from fleet.control.requests import Requests
from fleet.errors import BadRequestError
from fleet.profiles.measure import Outcome, Profiler
from fleet.profiles.subject import MOST_PARTS, ProfileRequest
from fleet.runtime_choice import AUTO
from paceline import profile_view
from paceline.cache import profiles_folder
from paceline.connection import connected
from paceline.dimensions import dimension
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.serving import listen_address
from wire import ids
from wire.measuring import MAX_SECONDS

NOBODY = "none"
"""For --serve: somebody else serves the model."""

Seconds = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=MAX_SECONDS))]
Parts = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MOST_PARTS))]


def profile(  # noqa: PLR0913 one for each option
    model: Path,
    /,
    *,
    on: Annotated[
        tuple[str, ...], Parameter(negative=(), consume_multiple=True, show_default=False)
    ] = (),
    offline: Annotated[bool, Parameter(negative=())] = False,
    again: Annotated[bool, Parameter(negative=())] = False,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    parts: Parts = 1,
    seconds: Seconds = 10.0,
    runtime: str = AUTO,
    top: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))] = 10,
    serve: str | None = None,
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Measure what a model takes: the whole and each operator, memory, loading, power.

    Each device fetches the model and runs it in a child of its agent, as it would serve it: with
    the same runtime, threads and memory limit, and below what serves there already. What was
    measured is kept, and taken again the next time.

    Args:
        model: The model, such as model.onnx; or a folder that `paceline split` wrote: its segments
            are measured one by one, as they would be served.
        on: The devices, DEV1 DEV2 or DEV1,DEV2: all measure at the same time.
        offline: Measure on this machine, without any agent.
        again: Measure again, whatever is kept.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        example: An .npz with one array for each input, where made-up ones do not do.
        parts: Measure the model in so many parts, one after the other; 1: in as many as memory
            asks for.
        seconds: How long the runs may take; fewer where the median is known to 3 % sooner.
        runtime: What runs it, such as onnx_cpu or onnx_cuda; auto: what a deploy would choose, the
            best that each device has proved. With --offline auto is the processor.
        top: How many of the slowest operators are shown.
        serve: HOST:PORT where the devices fetch the model (their artifacts.origin); none: it is
            served elsewhere. Else as for paceline deploy.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    devices = _devices(on)
    if bool(devices) == offline:
        problem = "excludes --on" if offline else "neither it nor --on DEV was given"
        raise BadRequestError("--offline", problem)
    request = ProfileRequest(
        model=model,
        dims=dict(dimension(text) for text in dim),
        example=example,
        parts=parts,
        seconds=seconds,
        runtime=runtime,
    )
    out = how.output
    with out.progress() as tell:
        profiler = Profiler(request, profiles_folder(os.environ), again, tell)
        found = _measured(profiler, devices, serve, key, where)
    out.result(profile_view.plain(found), lambda console: profile_view.show(console, found, top))
    return _failed(found, out)


def _measured(
    profiler: Profiler,
    devices: tuple[str, ...],
    serve: str | None,
    key: Path | None,
    where: SiteOptions,
) -> Outcome:
    """Measure on these devices, or here where there are none."""
    if not devices:
        return profiler.offline()
    loaded = where.load().settings
    private = keys.load_or_make(key or keys.default_path(os.environ))
    address = None if serve == NOBODY else serve or listen_address(loaded.broker.url)
    with ExitStack() as held:
        session = held.enter_context(connected(loaded))
        seen = held.enter_context(Observer(session, loaded.topics))
        requests = Requests(session, loaded.topics, seen, private)
        return profiler.on_devices(requests, devices, address)


def _devices(on: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for text in on for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys(ids.checked(name, "device") for name in names))


def _failed(found: Outcome, out: Output) -> int:
    """Say what kept devices from measuring; return the exit code."""
    for error in found.failures.values():
        out.note(f"error: {error}")
    return next((error.exit_code for error in found.failures.values()), 0)
