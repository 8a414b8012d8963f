"""What the hub shows, as types: pages, ``/api/v1`` and ``paceline top`` are made of these alone.

``None`` is: not known (yet). Durations are seconds, sizes bytes, instants ``_unix_ns`` by the hub's
clock unless said otherwise. Rates, percentiles and means are over the last `WINDOW_SECONDS`, or as
much of it as was heard.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

import msgspec

WINDOW_SECONDS: Final = 15.0
"""Over how much time rates and percentiles of a view are taken."""

State: TypeAlias = Literal["ok", "busy", "warning", "error", "off"]
"""How to look at something: ``busy``: on its way (loading, starting); ``off``: nobody wants it."""


URGENCY: Final[dict[State, int]] = {"error": 0, "warning": 1, "busy": 2, "ok": 3, "off": 4}
"""What is shown first."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all views."""


class ProblemView(View, frozen=True, kw_only=True):
    """What is wrong, and what to do about it."""

    code: str
    message: str
    severity: Literal["error", "warning"] = "error"
    since_unix_ns: int | None = None


class NextStep(View, frozen=True, kw_only=True):
    """What a person does next about a device."""

    command: str
    """To be copied into a terminal, such as ``paceline doctor --device pi1``."""
    why: str


class DeviceView(View, frozen=True, kw_only=True):
    """One device."""

    device: str
    state: State
    presence: Literal["online", "silent", "offline", "lost", "unknown"]
    """``silent``: it says that it is online, but its telemetry has stopped coming; ``unknown``: the
    registry knows it, and nothing was heard since the hub started."""
    healthy: bool | None
    """As it says itself."""
    since_unix_ns: int | None
    """Since when ``presence`` is so."""
    last_seen_unix_ns: int | None
    problems: tuple[ProblemView, ...]
    next_step: NextStep | None
    """None: nothing is to be done."""
    serves: tuple[str, ...]
    """Its assignments, as ``detector.7-1``: pipeline, generation, stage."""
    epoch: int | None = None
    revision: int | None = None
    """Of the newest desired state that it accepted."""
    version: str | None = None
    machine: str | None = None
    system: str | None = None
    runtimes: tuple[str, ...] = ()
    """Those that it proved, with their accelerators: ``onnx_cpu``, ``tflite_edgetpu usb:0``."""
    memory_limit: str | None = None
    insecure: bool = False
    cpu_ratio: float | None = None
    """Of all its cores."""
    memory_total_bytes: float | None = None
    memory_available_bytes: float | None = None
    disk_free_bytes: float | None = None
    temperature_celsius: float | None = None
    """Of its hottest zone."""
    temperature_limit_celsius: float | None = None
    throttled: bool | None = None
    """Now; None: no sensor tells."""
    power_watts: float | None = None
    telemetry_interval_seconds: float | None = None
    """How often it sends now."""


class StageView(View, frozen=True, kw_only=True):
    """One stage of a pipeline on its device."""

    stage: int
    device: str
    segment: str
    state: State
    phase: str
    """As the device reports it; ``missing`` where it reports no such stage."""
    presence: str
    """Of its device: see `DeviceView`."""
    runtime_asked: str
    runtime_actual: str | None
    accelerator: str = ""
    """What that runtime really runs it on; empty: none does, or an agent too old to say."""
    reason: ProblemView | None = None
    """Why it does not serve, or not on what was asked for (a warning), with since when."""
    since_unix_ns: int | None = None
    """Since when it is in this phase; told by the device, corrected by how wrong its clock is."""
    restarts: int = 0
    frames_per_second: float | None = None
    run_seconds_p50: float | None = None
    run_seconds_p95: float | None = None
    queue_seconds_p50: float | None = None
    utilisation_ratio: float | None = None
    """Share of the time in which it was at work: decode, run, encode, send; at most 1."""
    queued_frames: int | None = None
    errors: dict[str, int] = {}
    """Frames that it answered with an error, by code, since its worker started."""
    refused: dict[str, int] = {}
    """Frames that it did not run, by code, since its worker started."""
    sent_again: int = 0
    """Frames that it sent once more, since a neighbour or the link had lost them."""
    batches: int = 0
    """Runs of several frames at once, since its worker started."""
    memory_bytes: float | None = None
    """Private memory of its worker."""
    cpu_ratio: float | None = None
    """Of its worker: 1 is one core."""


class LinkView(View, frozen=True, kw_only=True):
    """One hop: from the client or a stage to a stage or back to the client."""

    source: str
    """``client``, or a stage's number."""
    target: str
    link: str | None
    """What carries it now, such as ``mqtt``; between replicas perhaps several: ``mqtt, tcp``. None:
    nothing, or the senders have not told."""
    state: State
    bytes_per_frame: float | None = None
    bits_per_second: float | None = None
    hop_seconds_p50: float | None = None
    """From the sender's link until the receiver has the whole frame; between two clocks by the
    estimated offset."""
    hop_error_seconds: float | None = None
    """How far that may be off; 0 on one clock."""
    queue_seconds_p50: float | None = None
    """How long frames then wait at the receiver."""
    queued_frames: int | None = None


class Bottleneck(View, frozen=True, kw_only=True):
    """What limits a pipeline's throughput now."""

    stage: int | None
    """The stage; None: it is a link or the source."""
    device: str | None = None
    """That of the stage's replica; None: all of them."""
    link: tuple[str, str] | None = None
    """(source, target) of the link; None: it is a stage or the source."""
    utilisation_ratio: float | None = None
    text: str
    """A sentence for people: what it is, and what to do."""

    def is_at(self, stage: StageView) -> bool:
        """Whether it is this replica of a stage."""
        return self.stage == stage.stage and self.device in {stage.device, None}


class AccountView(View, frozen=True, kw_only=True):
    """What became of every frame of a pipeline, over all clients and streams that were heard.

    submitted = results + errors + drops + in_flight, always.
    """

    submitted: int
    results: int
    errors: dict[str, int]
    """By code, most frequent first."""
    drops: int
    in_flight: int
    lost: int
    """Errors by deadline for which no stage gave a cause: a defect. Also among ``errors``."""
    clients: int
    """That were heard within the last 10 s."""
    silent_clients: int = 0
    """That had frames in flight when they were heard last, longer ago."""


class Span(View, frozen=True, kw_only=True):
    """One bar of a waterfall, in seconds from the frame's submission, by the client's clock."""

    kind: Literal["credit", "hop", "queue", "decode", "run", "encode", "send"]
    """``credit``: it waited for the entry's credit; ``hop``: on its way to ``lane``."""
    lane: str
    """``client``, or a stage's number."""
    begin_seconds: float
    end_seconds: float


class ClockView(View, frozen=True, kw_only=True):
    """How a device's monotonic clock stands to the client's."""

    lane: str
    device: str
    offset_seconds: float
    """Its clock minus the client's."""
    error_seconds: float
    """The true offset is within this of it; 0: they share one clock."""


class WaterfallView(View, frozen=True, kw_only=True):
    """The newest frame whose way is known."""

    client: str
    sequence: int
    heard_unix_ns: int
    total_seconds: float
    spans: tuple[Span, ...]
    clocks: tuple[ClockView, ...]
    devices: dict[str, str]
    """Lane: its device's name."""


class PipelineView(View, frozen=True, kw_only=True):
    """One pipeline."""

    pipeline: str
    state: State
    condition: Literal["serving", "degraded", "down", "not_deployed"]
    generation: int | None
    epoch: int | None
    manifest: str | None
    stages: tuple[StageView, ...]
    """By stage; replicas of one stage follow each other."""
    links: tuple[LinkView, ...]
    """Into each stage in order, then back to the client: one more than there are stages."""
    bottleneck: Bottleneck | None
    frames_per_second: float | None
    latency_seconds_p50: float | None
    latency_seconds_p95: float | None
    account: AccountView
    waterfall: WaterfallView | None
    other_generations: tuple[str, ...] = ()
    """What devices still, or already, run of others: ``device generation-stage phase``."""


def by_stage(stages: Iterable[StageView]) -> list[tuple[StageView, ...]]:
    """Return the replicas of each stage."""
    return [tuple(group) for _, group in groupby(stages, key=lambda stage: stage.stage)]


class HubView(View, frozen=True, kw_only=True):
    """How the hub itself is."""

    version: str
    started_unix_ns: int
    broker: str
    connected: bool
    broker_problem: str | None
    database: str
    """Without credentials."""
    database_problem: str | None
    history_seconds: float | None
    """How far back the roll-ups go."""
    messages_per_second: float
    refused_messages: dict[str, int]
    """What came and was not understood, by code."""
    lag_seconds: float
    """How old the oldest message is that waits to be taken in."""


class SiteView(View, frozen=True, kw_only=True):
    """Everything, at one instant."""

    site: str
    root: str
    at_unix_ns: int
    number: int
    """Grows with every change."""
    devices_heard: int
    """Of those in the registry: heard since the hub started (N of M)."""
    devices_known: int
    """In the registry (M)."""
    devices_missing: tuple[str, ...]
    """The others, by name; at most 100 of them."""
    devices: tuple[DeviceView, ...]
    """Problems first, then by name."""
    pipelines: tuple[PipelineView, ...]
    """Problems first, then by name."""
    hub: HubView


class PipelineSeries(View, frozen=True, kw_only=True):
    """A pipeline over time; equal lengths, None where nothing was heard."""

    pipeline: str
    step_seconds: float
    at_unix_seconds: tuple[float, ...]
    """Ends of the steps."""
    frames_per_second: tuple[float | None, ...]
    latency_seconds_p50: tuple[float | None, ...]
    latency_seconds_p95: tuple[float | None, ...]
    errors_per_second: tuple[float | None, ...]


class DeviceSeries(View, frozen=True, kw_only=True):
    """A device over time; equal lengths, None where nothing was heard."""

    device: str
    step_seconds: float
    at_unix_seconds: tuple[float, ...]
    readings: dict[str, tuple[float | None, ...]]
    """By the reading's name: the mean in each step; of several zones the highest."""


class TelemetryMessage(View, frozen=True, kw_only=True):
    """One message of a device as it came."""

    received_unix_ns: int
    message: dict[str, Any]
    """``tele/health`` or ``tele/latency``: see docs/telemetry.md."""


class DeviceTelemetry(View, frozen=True, kw_only=True):
    """What a device sent lately, oldest first; the newest thousand messages at most."""

    device: str
    kind: Literal["health", "latency"]
    messages: tuple[TelemetryMessage, ...]
