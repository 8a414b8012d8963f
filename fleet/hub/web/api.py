"""``/api/v1``: what the pages show, for programs. Answers are the types of `fleet.hub.views`."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from fleet.hub.monitor import Monitor
from fleet.hub.views import (
    DeviceSeries,
    DeviceTelemetry,
    DeviceView,
    HubView,
    PipelineSeries,
    PipelineView,
    SiteView,
    State,
)
from fleet.hub.web import answers, looking, openapi
from fleet.hub.web.answers import NoAnswerError
from fleet.hub.web.events import Streams, event
from fleet.hub.web.routes import check_room, stream

Seconds = Annotated[
    float,
    QueryParameter(ge=1, le=86400, description="How far back, in seconds.", required=False),
]
Shown = Annotated[
    int,
    QueryParameter(
        ge=0,
        le=10000,
        description="How many devices are listed at most, problems first.",
        required=False,
    ),
]
_DEVICES: Final = 100


class DevicePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the site's devices, by name."""

    devices: tuple[DeviceView, ...]
    total: int
    """How many there are in this state, on all pages."""
    next: str | None
    """What `after` is for the next page; None: this is the last one."""


def api_routes(monitor: Monitor, streams: Streams) -> list[Any]:
    """Return the handlers."""
    return [
        *_site_routes(monitor, streams),
        *_pipeline_routes(monitor),
        *_device_routes(monitor),
    ]


def _site_routes(monitor: Monitor, streams: Streams) -> list[Any]:
    @get("/api/v1/site", tags=["site"], **_QUICK)
    def site(devices: Shown = _DEVICES) -> SiteView:
        """Everything as it is now: pipelines, devices, and the hub itself."""
        return shortened(monitor.site(), devices)

    @get("/api/v1/hub", tags=["site"], **_QUICK)
    def hub() -> HubView:
        """How the hub itself is: broker, database, lag."""
        return monitor.site().hub

    @get("/api/v1/events", tags=["site"], responses=openapi.EVENTS, **_QUICK)
    def events(pipeline: FromQuery[str] = "", devices: Shown = _DEVICES) -> Stream:
        """The site at once and at every change, at most four times a second, as server-sent events.

        Each event is named `site`, its data is what `/api/v1/site` gives, on one line. With
        `pipeline`, it holds that pipeline alone, and its devices. Each second
        without a change it comes again. Whoever reads slowly gets fewer events, never older ones.
        """
        if pipeline:
            _found(monitor.site().pipelines, "pipeline", pipeline)
        check_room(streams)

        def told(view: SiteView) -> bytes:
            part = of_pipeline(view, pipeline) if pipeline else shortened(view, devices)
            return event("site", msgspec.json.encode(part).decode())

        kind = "pipelines" if pipeline else "site"
        return stream(streams.follow(told, lambda v: looking.devices_on(v, kind, pipeline)))

    return [site, hub, events]


def _pipeline_routes(monitor: Monitor) -> list[Any]:
    @get("/api/v1/pipelines", tags=["pipelines"], **_QUICK)
    def pipelines() -> tuple[PipelineView, ...]:
        """All pipelines, problems first."""
        return monitor.site().pipelines

    @get("/api/v1/pipelines/{name:str}", tags=["pipelines"], responses=openapi.UNKNOWN, **_QUICK)
    def pipeline(name: FromPath[str]) -> PipelineView:
        """One pipeline: stages, links, bottleneck, account, the last frame's waterfall."""
        found: PipelineView = _found(monitor.site().pipelines, "pipeline", name)
        return found

    @get(
        "/api/v1/pipelines/{name:str}/series",
        tags=["pipelines"],
        responses=openapi.UNKNOWN,
        **_SLOW,
    )
    async def pipeline_series(name: FromPath[str], seconds: Seconds = 300.0) -> PipelineSeries:
        """Frames, latency and errors of a pipeline over time."""
        found = await monitor.pipeline_series(name, seconds)
        return found if found is not None else _unknown("pipeline", name)

    return [pipelines, pipeline, pipeline_series]


def _device_routes(monitor: Monitor) -> list[Any]:
    @get("/api/v1/devices", tags=["devices"], **_QUICK)
    def devices(
        looks: Annotated[
            State | None, QueryParameter(name="state", description="Only those in this state.")
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many at most.")] = 100,
        after: Annotated[
            str, QueryParameter(description="Begin behind this name: `next` of the page before.")
        ] = "",
    ) -> DevicePage:
        """Devices by name, a page at a time."""
        of_state = [d for d in monitor.site().devices if looks is None or d.state == looks]
        rest = sorted((d for d in of_state if d.device > after), key=lambda d: d.device)
        page = tuple(rest[:limit])
        further = page[-1].device if len(rest) > limit else None
        return DevicePage(devices=page, total=len(of_state), next=further)

    @get("/api/v1/devices/{name:str}", tags=["devices"], responses=openapi.UNKNOWN, **_QUICK)
    def device(name: FromPath[str]) -> DeviceView:
        """One device: health, problems, what it serves, what to do next."""
        found: DeviceView = _found(monitor.site().devices, "device", name)
        return found

    @get("/api/v1/devices/{name:str}/series", tags=["devices"], responses=openapi.UNKNOWN, **_SLOW)
    async def device_series(name: FromPath[str], seconds: Seconds = 300.0) -> DeviceSeries:
        """A device's readings over time: means of each step."""
        found = await monitor.device_series(name, seconds)
        return found if found is not None else _unknown("device", name)

    @get(
        "/api/v1/devices/{name:str}/telemetry",
        tags=["devices"],
        responses=openapi.UNKNOWN,
        **_SLOW,
    )
    async def device_telemetry(
        name: FromPath[str],
        kind: FromQuery[Literal["health", "latency"]] = "health",
        seconds: Seconds = 60.0,
    ) -> DeviceTelemetry:
        """What a device sent, as it came: at most the last hour, and its newest 1000 messages."""
        found = await monitor.device_telemetry(name, kind, seconds)
        return found if found is not None else _unknown("device", name)

    return [devices, device, device_series, device_telemetry]


def shortened(view: SiteView, devices: int) -> SiteView:
    """Return the site with so many of its devices at most."""
    if len(view.devices) <= devices:
        return view
    return msgspec.structs.replace(view, devices=view.devices[:devices])


def of_pipeline(view: SiteView, name: str) -> SiteView:
    """Return the site with one pipeline alone, and its devices."""
    pipelines = tuple(p for p in view.pipelines if p.pipeline == name)
    named = {stage.device for pipeline in pipelines for stage in pipeline.stages}
    devices = tuple(d for d in view.devices if d.device in named)
    return msgspec.structs.replace(view, pipelines=pipelines, devices=devices)


def known_parameters(request: Request[Any, Any, Any]) -> None:
    """Refuse a parameter that means nothing there: probably a slip of the pen."""
    handler = request.route_handler
    known = {answers.QUERY_NAMES.get(n, n) for n in handler.parsed_fn_signature.parameters}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        takes = ", ".join(sorted(known - set(request.path_params))) or "none"
        told = f"{unknown[0]:.60}: no parameter of that name here (known: {takes})"
        raise NoAnswerError(400, "http.unknown_parameter", told)


_SLOW: Final[dict[str, Any]] = {"before_request": known_parameters}
_QUICK: Final[dict[str, Any]] = {"sync_to_thread": False, **_SLOW}


def _found(views: tuple[Any, ...], kind: Literal["pipeline", "device"], name: str) -> Any:
    for view in views:
        if getattr(view, kind) == name:
            return view
    return _unknown(kind, name)


def _unknown(kind: str, name: str) -> Any:
    told = f"{kind} {name:.60}: this site has none of that name; /api/v1/{kind}s lists them"
    raise NoAnswerError(404, f"{kind}.unknown", told)
