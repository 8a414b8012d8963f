"""What pages, the API and metrics ask of the hub: the one port between HTTP and everything else."""

from collections.abc import Iterable
from typing import Literal, Protocol

from fleet.hub.views import DeviceSeries, DeviceTelemetry, PipelineSeries, SiteView


class Monitor(Protocol):
    """A hub, seen from its pages. All calls come from one event loop."""

    def site(self) -> SiteView:
        """Return everything as it is now; cheap to ask for again within one change."""
        ...

    async def changed(self, number: int, timeout_seconds: float) -> int:
        """Wait until the site's number is not ``number``, or so long; return the present one."""
        ...

    def watching(self, devices: Iterable[str]) -> None:
        """Somebody looks at these devices now: they send telemetry every second for a while."""
        ...

    async def pipeline_series(self, pipeline: str, seconds: float) -> PipelineSeries | None:
        """Return the last ``seconds`` of a pipeline, at most a day; None: it is not known."""
        ...

    async def device_series(self, device: str, seconds: float) -> DeviceSeries | None:
        """Return the last ``seconds`` of a device, at most a day; None: it is not known."""
        ...

    async def device_telemetry(
        self, device: str, kind: Literal["health", "latency"], seconds: float
    ) -> DeviceTelemetry | None:
        """Return what a device sent in the last ``seconds``, at most an hour; None: unknown."""
        ...

    async def ready(self) -> str | None:
        """Return why the hub cannot do its work now (broker, database); None: it can."""
        ...
