"""The messages on the control and telemetry topics, as types.

Receivers ignore fields they do not know; a field's meaning never changes; a new major form has
a new ``schema``. All times are unix nanoseconds and serve people, never decisions.
"""

from typing import Any, Final, Literal, TypeVar

import msgspec

from wire import canonical
from wire.errors import MessageError
from wire.manifest import Answer, File, Picture, Tolerance
from wire.tensors import TensorSpec
from wire.topics import TOPICS

SCHEMA: Final = 1
WIRE_VERSIONS: Final = (1, 1)
"""Oldest and newest protocol version this code speaks."""

M = TypeVar("M", bound=msgspec.Struct)


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is as it is: a stable code, and a sentence for people."""

    code: str
    message: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Birth and will of an agent, on one retained topic."""

    state: Literal["online", "offline", "lost"]
    """``offline``: said by the agent itself. ``lost``: its will."""
    session: int
    """Start counter << 32 | connection counter: a later session always wins."""
    boot: str
    instance: str = ""
    """The agent's process, by a random name: two of them under one id are told apart by it."""
    schema: int = SCHEMA
    sent_unix_ns: int = 0


class RuntimeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One runtime of a device, as its own proof showed it."""

    runtime: str
    accelerator: str = "none"
    version: str | None = None
    memory_bytes: int | None = None
    proved: bool = False
    """A real inference gave the right answer in a child process."""
    reason: str | None = None
    """Why not, when not."""


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is and can do."""

    device: str
    version: str
    runtimes: tuple[RuntimeInfo, ...]
    wire: tuple[int, int] = WIRE_VERSIONS
    schema: int = SCHEMA
    machine: str = ""
    python: str = ""
    system: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    memory_limit: str = "none"
    """What holds workers to a limit here: ``cgroup``, ``rlimit_data`` or ``watch``."""
    links: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    inbox_frames: int = 0
    inbox_bytes: int = 0
    insecure: bool = False
    """Whether its configuration allows a broker without credentials or TLS."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A neighbouring worker of the same pipeline and generation."""

    device: str
    stage: int


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a worker hears from and sends to; none: the pipeline's clients."""

    upstream: tuple[Peer, ...] = ()
    downstream: tuple[Peer, ...] = ()


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The tensors of one stage: what its frames carry and what its segment takes and gives."""

    receives: tuple[TensorSpec, ...]
    sends: tuple[TensorSpec, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tolerance: Tolerance = Tolerance()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one worker; None: the device's own configuration decides."""

    inbox_frames: int | None = None
    inbox_bytes: int | None = None
    memory_bytes: int | None = None
    threads: int | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment that one device shall serve."""

    pipeline: str
    generation: int
    stage: int
    segment: str
    format: str
    files: tuple[File, ...]
    contract: Contract
    runtime: str
    peers: Peers = Peers()
    limits: Limits = Limits()

    @property
    def key(self) -> str:
        """The assignment's name on its device."""
        return f"{self.pipeline}.{self.generation}-{self.stage}"


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of what a device shall run."""

    site: str
    device: str
    epoch: int
    revision: int
    assignments: tuple[Assignment, ...]
    issued_unix_ns: int
    schema: int = SCHEMA
    signature: str = ""


class ReportedAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """How far one assignment is."""

    pipeline: str
    generation: int
    stage: int
    segment: str
    phase: str
    outcome: str
    digest: str
    runtime_asked: str
    runtime_actual: str | None = None
    restarts: int = 0
    reason: Reason | None = None
    since_unix_ns: int = 0
    pid: int | None = None


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a device knows and does."""

    device: str
    session: int
    observed: tuple[int, int]
    """Epoch and revision of the newest desired state that was accepted."""
    applied: tuple[int, int]
    """The newest of which every assignment has come to rest (serving, failed or gone)."""
    assignments: tuple[ReportedAssignment, ...] = ()
    refused: Reason | None = None
    """Why the newest message on ``desired`` was not accepted; None when it was."""
    schema: int = SCHEMA


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A short request."""

    id: str
    command: str
    reply_to: str
    expires_unix_ns: int
    arguments: dict[str, Any] = {}
    schema: int = SCHEMA


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to."""

    id: str
    ok: bool
    result: dict[str, Any] = {}
    reason: Reason | None = None
    schema: int = SCHEMA


class Reading(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One measured value; the name ends in its unit."""

    name: str
    value: float
    labels: dict[str, str] = {}


class Problem(Reason, frozen=True, kw_only=True):
    """Something that is wrong with a device."""

    severity: Literal["error", "warning"] = "error"
    """An ``error`` makes the device unhealthy; a ``warning`` is only told."""
    since_unix_ns: int = 0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """``tele/health``."""

    device: str
    session: int
    sent_unix_ns: int
    healthy: bool
    """No problem is an ``error``."""
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...] = ()
    dropped_readings: int = 0
    """How many of the least important readings were left out of this message."""
    schema: int = SCHEMA


class StageCounts(msgspec.Struct, kw_only=True):
    """What one worker has counted since it started; each only ever grows."""

    received: int = 0
    run: int = 0
    sent: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    errors: dict[str, int] = {}
    """By code: frames answered with an error."""
    refused: dict[str, int] = {}
    """By code: frames that were not run."""


class StageLatency(msgspec.Struct, kw_only=True):
    """One worker's counts and histograms since it started."""

    pipeline: str
    generation: int
    stage: int
    instance: int
    counts: StageCounts
    histograms: dict[str, dict[str, Any]]
    """``queue``, ``decode``, ``run``, ``encode``, ``send``: see `wire.histogram`."""
    queued_frames: int = 0
    suspect: tuple[str, ...] = ()
    """Neighbours that have not answered."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """``tele/latency``."""

    device: str
    session: int
    sent_unix_ns: int
    stages: tuple[StageLatency, ...]
    schema: int = SCHEMA


class RouteStage(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stage runs."""

    stage: int
    device: str
    segment: str
    runtime: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to feed a pipeline; retained. Moving it moves the entry."""

    pipeline: str
    generation: int
    epoch: int
    manifest: str
    """The manifest's digest."""
    stages: tuple[RouteStage, ...]
    receives: tuple[TensorSpec, ...]
    """What an entering frame carries."""
    outputs: tuple[TensorSpec, ...]
    preprocess: Picture | None = None
    postprocess: Answer | None = None
    schema: int = SCHEMA


class ClientTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One frame by its client's clock, in monotonic nanoseconds: that of ``timings``."""

    sequence: int
    clock: str
    submitted: int
    sent: int
    """Credit let it go to the entry."""
    answered: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """``acct``: one client's accounting: submitted = results + errors + drops + in_flight."""

    pipeline: str
    client: str
    stream: int
    submitted: int
    results: int
    errors: dict[str, int]
    drops: int
    in_flight: int
    lost: int
    sent_unix_ns: int
    timings: tuple[dict[str, Any], ...] = ()
    """The waterfall of the last result: see `wire.timings`."""
    frame: ClientTimes | None = None
    """The same frame by the client's clock."""
    latency: dict[str, Any] = {}
    """From submitting to the result, since the stream began: see `wire.histogram`."""
    schema: int = SCHEMA


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A cloud service's presence."""

    service: str
    state: Literal["online", "offline", "lost"]
    session: int
    schema: int = SCHEMA


class Rebirth(msgspec.Struct, frozen=True, kw_only=True):
    """Say it all again."""

    service: str
    schema: int = SCHEMA


MESSAGES: Final[dict[str, type[msgspec.Struct]]] = {
    "status": Status,
    "info": Info,
    "desired": Desired,
    "reported": Reported,
    "cmd": Command,
    "rsp": Response,
    "route": Route,
    "acct": Account,
    "service_status": ServiceStatus,
    "rebirth": Rebirth,
}
"""The message of each topic that has one; ``tele`` has one for each kind."""


def encode(kind: str, message: msgspec.Struct) -> bytes:
    """Return the message's JSON, checked against its topic's largest size.

    It is canonical, but for telemetry: nobody signs that, it is said all day, and this way costs a
    small device a tenth.

    Raises:
        MessageError: Too large, or a number is not finite (in telemetry that is null).
    """
    try:
        data = msgspec.json.encode(message) if kind == "tele" else canonical.encode(message)
    except ValueError as error:
        raise MessageError(kind, str(error)) from error
    if len(data) > TOPICS[kind].max_bytes:
        raise MessageError(kind, f"{len(data)} bytes, at most {TOPICS[kind].max_bytes}")
    return data


def decode(kind: str, data: bytes, expected: type[M]) -> M:
    """Return the message in ``data``.

    Raises:
        MessageError: Too large, not JSON, a field is missing or of the wrong type, or the
            schema is newer than ours.
    """
    if len(data) > TOPICS[kind].max_bytes:
        raise MessageError(kind, f"{len(data)} bytes, at most {TOPICS[kind].max_bytes}")
    try:
        message = msgspec.json.decode(data, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(kind, str(error)) from error
    schema = getattr(message, "schema", SCHEMA)
    if schema != SCHEMA:
        raise MessageError(kind, f"schema {schema} is unknown (expected {SCHEMA})")
    return message
