"""The site for Prometheus: conventional names, base units, at most 60 series a device.

What a device makes others keep is bounded: error codes come from devices and clients, so only the
first few that a hub sees have a series of their own, the rest are ``other``. Once a code has a
series it keeps it, for a counter must not fall.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from fleet.hub.views import WINDOW_SECONDS, DeviceView, PipelineView, SiteView, StageView

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
MAX_SERIES: Final = 60
"""Of one device, its stages included."""
MAX_CODES: Final = 7
"""Error codes with a series of their own: of one device's stages together, of one pipeline."""
MAX_LABEL: Final = 64
OTHER: Final = "other"

_LATELY: Final = f"over the last {WINDOW_SECONDS:.0f} s"

GAUGES: Final[Mapping[str, str]] = {
    "paceline_device_up": "1 while the device is online and its telemetry comes, else 0.",
    "paceline_device_healthy": "1 while the device says that it is healthy, else 0.",
    "paceline_device_info": "Always 1; what the device is, in its labels.",
    "paceline_device_last_seen_timestamp_seconds": "When the hub heard the device last.",
    "paceline_device_problems": "Problems that the device has now, by severity.",
    "paceline_device_cpu_ratio": "Share of all its cores that is at work.",
    "paceline_device_memory_bytes": "Memory that the device has.",
    "paceline_device_memory_available_bytes": "Memory that is available on the device.",
    "paceline_device_disk_free_bytes": "Free room on the disk of the agent's state.",
    "paceline_device_temperature_celsius": "Temperature of the hottest zone.",
    "paceline_device_temperature_limit_celsius": "Temperature at which the device slows down.",
    "paceline_device_throttled": "1 while the device is slowed down.",
    "paceline_device_power_watts": "Power that the device takes.",
    "paceline_device_series_left_out": "Series of this device that had no room here.",
    "paceline_stage_serving": "1 while the stage serves, else 0.",
    "paceline_stage_frames_per_second": f"Frames that the stage ran, {_LATELY}.",
    "paceline_stage_run_median_seconds": f"Median time of the runtime's run, {_LATELY}.",
    "paceline_stage_run_p95_seconds": "95th percentile of that time.",
    "paceline_stage_queue_median_seconds": "Median time that frames waited in the inbox.",
    "paceline_stage_utilisation_ratio": "Share of time in which a frame was worked at.",
    "paceline_stage_queued_frames": "Frames that wait in the inbox now.",
    "paceline_stage_memory_bytes": "Private memory of the stage's worker.",
    "paceline_stage_cpu_ratio": "Processor time of the stage's worker; 1 is one core.",
    "paceline_pipeline_serving": "1 while every stage serves, else 0.",
    "paceline_pipeline_frames_per_second": f"Results that clients got, {_LATELY}.",
    "paceline_pipeline_latency_median_seconds": "Median time from submission to result.",
    "paceline_pipeline_latency_p95_seconds": "95th percentile of that time.",
    "paceline_pipeline_frames_in_flight": "Frames that were submitted and have not ended.",
    "paceline_link_bytes_per_second": "What a hop of the pipeline carries.",
    "paceline_link_hop_median_seconds": "Median time of a hop, between clocks by estimate.",
    "paceline_devices_known": "Devices in the registry.",
    "paceline_devices_heard": "Those of them that were heard since the hub started.",
    "paceline_hub_info": "Always 1; the hub's version and site, in its labels.",
    "paceline_pipeline_frames_lost": "Frames that ended by deadline without a cause so far.",
    "paceline_hub_start_timestamp_seconds": "When the hub started.",
    "paceline_hub_connected": "1 while the hub has its broker.",
    "paceline_hub_messages_per_second": "Messages that the hub takes in.",
    "paceline_hub_lag_seconds": "Age of the oldest message that waits to be taken in.",
}
COUNTERS: Final[Mapping[str, str]] = {
    "paceline_stage_restarts_total": "Times that the stage's worker was started again.",
    "paceline_stage_frames_sent_again_total": "Frames that were lost on their way and sent anew.",
    "paceline_stage_batches_total": "Runs of several frames at once.",
    "paceline_stage_frames_failed_total": (
        "Frames that the stage's worker refused or answered with an error, by code."
    ),
    "paceline_pipeline_frames_submitted_total": "Frames that clients submitted.",
    "paceline_pipeline_frames_results_total": "Frames that ended with a result.",
    "paceline_pipeline_frames_errors_total": "Frames that ended with an error, by code.",
    "paceline_pipeline_frames_dropped_total": "Frames that ended with a drop.",
    "paceline_hub_messages_refused_total": "Messages that were not understood, by code.",
}
_ESSENTIAL: Final = 4
"""Of a stage's gauges: those that come before anything else."""

Labels = dict[str, str]
Sample = tuple[str, Labels, float | None]


class Exposition(Collector):
    """Makes the text; remembers which codes have a series."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        self._view: SiteView | None = None

    def text(self, view: SiteView) -> bytes:
        """Return the site as Prometheus reads it. One call at a time, from any thread."""
        self._view = view
        return generate_latest(self)

    def collect(self) -> Iterable[Metric]:
        """Yield each metric with all its series."""
        assert self._view is not None
        families = {
            name: Metric(name.removesuffix("_total"), told, kind)
            for kind, names in (("gauge", GAUGES), ("counter", COUNTERS))
            for name, told in names.items()
        }
        for name, labels, value in self._samples(self._view):
            if value is not None and value == value:  # noqa: PLR0124 not-a-number is not known
                families[name].add_sample(name, labels, float(value))
        return [family for family in families.values() if family.samples]

    def _samples(self, view: SiteView) -> Iterator[Sample]:
        yield from _hub_samples(view)
        for key, value in self._coded(("hub",), {(): _clipped(view.hub.refused_messages)}):
            yield "paceline_hub_messages_refused_total", {"code": key[-1]}, value
        stages: dict[str, list[tuple[Labels, StageView]]] = {}
        for pipeline in view.pipelines:
            yield from self._pipeline_samples(pipeline)
            for stage in pipeline.stages:
                labels = {"pipeline": pipeline.pipeline, "stage": str(stage.stage)}
                stages.setdefault(stage.device, []).append(
                    ({"device": stage.device, **labels}, stage)
                )
        for device in view.devices:
            yield from self._bounded(device, stages.pop(device.device, []))

    def _pipeline_samples(self, pipeline: PipelineView) -> Iterator[Sample]:
        name, account = {"pipeline": pipeline.pipeline}, pipeline.account
        head = "paceline_pipeline_"
        yield f"{head}serving", name, float(pipeline.condition == "serving")
        yield f"{head}frames_per_second", name, pipeline.frames_per_second
        yield f"{head}latency_median_seconds", name, pipeline.latency_seconds_p50
        yield f"{head}latency_p95_seconds", name, pipeline.latency_seconds_p95
        yield f"{head}frames_in_flight", name, account.in_flight
        yield f"{head}frames_submitted_total", name, account.submitted
        yield f"{head}frames_results_total", name, account.results
        yield f"{head}frames_dropped_total", name, account.drops
        yield f"{head}frames_lost", name, account.lost
        for key, value in self._coded(
            ("pipeline", pipeline.pipeline), {(): _clipped(account.errors)}
        ):
            yield f"{head}frames_errors_total", {**name, "code": key[-1]}, value
        for link in pipeline.links:
            labels = {**name, "source": link.source, "target": link.target}
            per_second = None if link.bits_per_second is None else link.bits_per_second / 8
            yield "paceline_link_bytes_per_second", labels, per_second
            yield "paceline_link_hop_median_seconds", labels, link.hop_seconds_p50

    def _bounded(
        self, device: DeviceView, stages: list[tuple[Labels, StageView]]
    ) -> Iterator[Sample]:
        """Yield a device's series, the most telling first, as many as there is room for."""
        gauges = [list(_stage_samples(labels, stage)) for labels, stage in stages]
        places: dict[tuple[str, ...], dict[str, int]] = {
            (at["pipeline"], at["stage"]): _failures(stage) for at, stage in stages
        }
        failed = [
            (
                "paceline_stage_frames_failed_total",
                {"device": device.device, "pipeline": pipeline, "stage": stage, "code": code},
                count,
            )
            for (pipeline, stage, code), count in self._coded(("device", device.device), places)
        ]
        ordered = [
            *_device_samples(device),
            *(sample for one in gauges for sample in one[:_ESSENTIAL]),
            *failed,
            *chain.from_iterable(zip(*(one[_ESSENTIAL:] for one in gauges), strict=True)),
        ]
        told = [sample for sample in ordered if sample[2] is not None]
        yield from told[: MAX_SERIES - 1]
        left_out = max(0, len(told) - (MAX_SERIES - 1))
        yield "paceline_device_series_left_out", {"device": device.device}, left_out

    def _coded(
        self, owner: tuple[str, ...], counts: Mapping[tuple[str, ...], Mapping[str, int]]
    ) -> list[tuple[tuple[str, ...], float]]:
        """Return (place..., code) with its count; codes without a series are `OTHER`."""
        own = [key for key in self._codes.get(owner, ()) if key[:-1] in counts]
        found: dict[tuple[str, ...], float] = {}
        for place, by_code in counts.items():
            for code, count in sorted(by_code.items()):
                key = (*place, code)
                if key not in own and len(own) < MAX_CODES:
                    own.append(key)
                shown = key if key in own else (*place, OTHER)
                found[shown] = found.get(shown, 0.0) + count
        self._codes[owner] = own
        return list(found.items())


def _hub_samples(view: SiteView) -> Iterator[Sample]:
    hub = view.hub
    yield "paceline_hub_info", {"version": _label(hub.version), "site": view.site}, 1.0
    yield "paceline_hub_start_timestamp_seconds", {}, hub.started_unix_ns / 1e9
    yield "paceline_hub_connected", {}, hub.connected
    yield "paceline_hub_messages_per_second", {}, hub.messages_per_second
    yield "paceline_hub_lag_seconds", {}, hub.lag_seconds
    yield "paceline_devices_known", {}, view.devices_known
    yield "paceline_devices_heard", {}, view.devices_heard


def _device_samples(device: DeviceView) -> Iterator[Sample]:
    name, head = {"device": device.device}, "paceline_device_"
    about = {
        "version": _label(device.version),
        "machine": _label(device.machine),
        "system": _label(device.system),
    }
    seen = device.last_seen_unix_ns
    yield f"{head}up", name, device.presence == "online"
    yield f"{head}healthy", name, device.healthy
    yield f"{head}info", {**name, **about}, 1.0
    yield f"{head}last_seen_timestamp_seconds", name, None if seen is None else seen / 1e9
    for severity in ("error", "warning"):
        count = sum(problem.severity == severity for problem in device.problems)
        yield f"{head}problems", {**name, "severity": severity}, count
    yield f"{head}cpu_ratio", name, device.cpu_ratio
    yield f"{head}memory_bytes", name, device.memory_total_bytes
    yield f"{head}memory_available_bytes", name, device.memory_available_bytes
    yield f"{head}disk_free_bytes", name, device.disk_free_bytes
    yield f"{head}temperature_celsius", name, device.temperature_celsius
    yield f"{head}temperature_limit_celsius", name, device.temperature_limit_celsius
    yield f"{head}throttled", name, device.throttled
    yield f"{head}power_watts", name, device.power_watts


def _stage_samples(labels: Labels, stage: StageView) -> Iterator[Sample]:
    """Yield a stage's gauges, `_ESSENTIAL` ones first; the same ones for every stage."""
    head = "paceline_stage_"
    yield f"{head}serving", labels, stage.phase == "serving"
    yield f"{head}frames_per_second", labels, stage.frames_per_second
    yield f"{head}run_median_seconds", labels, stage.run_seconds_p50
    yield f"{head}utilisation_ratio", labels, stage.utilisation_ratio
    yield f"{head}queued_frames", labels, stage.queued_frames
    yield f"{head}restarts_total", labels, stage.restarts
    yield f"{head}memory_bytes", labels, stage.memory_bytes
    yield f"{head}run_p95_seconds", labels, stage.run_seconds_p95
    yield f"{head}queue_median_seconds", labels, stage.queue_seconds_p50
    yield f"{head}cpu_ratio", labels, stage.cpu_ratio
    yield f"{head}frames_sent_again_total", labels, stage.sent_again
    yield f"{head}batches_total", labels, stage.batches


def _failures(stage: StageView) -> dict[str, int]:
    """Return the frames that it did not answer with a result, by code."""
    return _clipped(stage.errors, stage.refused)


def _clipped(*counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of counts by code, each code fit for a label."""
    found: dict[str, int] = {}
    for code, count in chain.from_iterable(one.items() for one in counts):
        found[_label(code)] = found.get(_label(code), 0) + count
    return found


def _label(text: str | None) -> str:
    """Return what a stranger said, short and on one line; the exposition escapes the rest."""
    printable = "".join(c if c.isprintable() else " " for c in (text or "")[:MAX_LABEL])
    return printable.strip()
