"""The messages on the control and telemetry topics, as types.

Receivers ignore fields they do not know; a field's meaning never changes; a new major form has
a new ``schema``. All times are unix nanoseconds and serve people, never decisions.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

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
Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What others tell all day: JSON knows larger numbers, databases and clocks do not."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is as it is: a stable code, and a sentence for people."""

    code: str
    message: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Birth and will of an agent, on one retained topic."""

    state: Literal["online", "offline", "lost"]
    """``offline``: said by the agent itself. ``lost``: its will."""
    session: Int64
    """Start counter << 32 | connection counter: a later session always wins."""
    boot: str
    instance: str = ""
    """The agent's process, by a random name: two of them under one id are told apart by it."""
    schema: int = SCHEMA
    sent_unix_ns: Int64 = 0


class RuntimeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One runtime of a device on one of its accelerators, as its own proof showed it."""

    runtime: str
    accelerator: str = "none"
    version: str | None = None
    memory_bytes: Int64 | None = None
    proved: bool = False
    """A real inference gave the right answer in a child process."""
    reason: str | None = None
    """Why not, when not."""
    formats: tuple[str, ...] = ()
    """Of segments that it opens; empty: none, or an agent that is too old to say."""
    fallback: str = ""
    """The runtime that takes over where this one cannot."""


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is and can do."""

    device: str
    version: str
    runtimes: tuple[RuntimeInfo, ...]
    wire: tuple[Int64, Int64] = WIRE_VERSIONS
    schema: int = SCHEMA
    machine: str = ""
    python: str = ""
    system: str = ""
    cpu_count: Int64 = 0
    memory_bytes: Int64 = 0
    memory_limit: str = "none"
    """What holds workers to a limit here: ``cgroup``, ``rlimit_data`` or ``watch``."""
    links: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    inbox_frames: Int64 = 0
    inbox_bytes: Int64 = 0
    insecure: bool = False
    """Whether its configuration allows a broker without credentials or TLS."""
    certificate: str = ""
    """DER, base64: what its direct links show off this host; signed by its own key."""
    threads: Int64 = 0
    """Of a segment where its assignment does not say; 0: an agent that is too old to say."""
    weights: str = ""
    """How segments' weights are loaded: ``prepacked`` or ``mapped``."""
    commands: tuple[str, ...] = ()
    """Requests that it answers on ``cmd``; empty: an agent that is too old to say."""
    replicas: bool = False
    """Whether it may share a stage with others."""
    artifacts_origin: str = ""
    """Where it fetches segments; empty: an agent that is too old to say."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A neighbouring worker of the same pipeline and generation."""

    device: str
    stage: int
    certificate: str = ""
    """See ``Info.certificate``; empty: no direct link off this host."""


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a worker hears from and sends to; none: the pipeline's clients.

    Several of one stage are replicas: a frame goes to one of them.
    """

    upstream: tuple[Peer, ...] = ()
    downstream: tuple[Peer, ...] = ()
    token: str = ""
    """Known to the workers of this generation alone: who opens a direct link proves it knows it."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """How frames travel to and from a worker."""

    link: str = "mqtt"
    """To the next stage: a plugin of `wire.links`, ``auto``, the best that both can reach, or
    ``direct``, the best but for the broker. From the last stage: to clients on this host; but with
    ``direct`` all others are answered by the broker."""
    entry: str = "mqtt"
    """The same from clients on this host to the first stage."""
    codec: str = "raw"
    """A codec of `wire.codecs`."""


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """How many frames that wait may run at once."""

    max_frames: int = 1
    max_wait_seconds: float = 0.0
    """How long the first of them waits for others."""


ONE_BY_ONE: Final = Batching()


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The tensors of one stage: what its frames carry and what its segment takes and gives."""

    receives: tuple[TensorSpec, ...]
    sends: tuple[TensorSpec, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tolerance: Tolerance = Tolerance()
    quanta: Int64 = 0
    """See `wire.manifest.Segment.quanta`."""


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
    transfer: Transfer = Transfer()
    batching: Batching = ONE_BY_ONE
    accelerator: str = ""
    """One that ``info`` lists for the runtime, such as ``usb:0``; empty: the first."""
    require_accelerator: bool = False
    """Whether to fail rather than to run on the runtime's fallback."""

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
    generation: Int64
    stage: Int64
    segment: str
    phase: str
    outcome: str
    digest: str
    runtime_asked: str
    runtime_actual: str | None = None
    accelerator_actual: str = ""
    degraded: Reason | None = None
    """Why it does not run, or not wholly, as it was asked to."""
    restarts: Int64 = 0
    reason: Reason | None = None
    since_unix_ns: Int64 = 0
    pid: Int64 | None = None


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a device knows and does."""

    device: str
    session: Int64
    observed: tuple[Int64, Int64]
    """Epoch and revision of the newest desired state that was accepted."""
    applied: tuple[Int64, Int64]
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
    instance: str = ""
    """The agent's process that is meant, as ``Status.instance``; signed requests name it."""
    schema: int = SCHEMA
    signature: str = ""
    """Over all else, as a desired state's; only requests that make a device work need one."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to, or how far it is."""

    id: str
    ok: bool
    result: dict[str, Any] = {}
    reason: Reason | None = None
    final: bool = True
    """Whether nothing more comes; of some requests the device says how far they are."""
    schema: int = SCHEMA


class RouteStage(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stage runs."""

    stage: Int64
    device: str
    segment: str
    runtime: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to feed a pipeline; retained. Moving it moves the entry."""

    pipeline: str
    generation: Int64
    epoch: Int64
    manifest: str
    """The manifest's digest."""
    stages: tuple[RouteStage, ...]
    """By stage; several of one stage are replicas."""
    receives: tuple[TensorSpec, ...]
    """What an entering frame carries."""
    outputs: tuple[TensorSpec, ...]
    preprocess: Picture | None = None
    postprocess: Answer | None = None
    codec: str = "raw"
    """How clients write the tensors of entering frames."""
    entry_link: str = ""
    """How their frames go to the first stage: see `Transfer.entry`; empty: it was not said."""
    answers_link: str = ""
    """How they are answered: see `Transfer.link` of the last stage."""
    schema: int = SCHEMA


class ClientTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One frame by its client's clock, in monotonic nanoseconds: that of ``timings``."""

    sequence: Int64
    clock: str
    submitted: Int64
    sent: Int64
    """Credit let it go to the entry."""
    answered: Int64


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """``acct``: one client's accounting: submitted = results + errors + drops + in_flight."""

    pipeline: str
    client: str
    stream: int
    submitted: Int64
    results: Int64
    errors: dict[str, Int64]
    drops: Int64
    in_flight: Int64
    lost: Int64
    sent_unix_ns: Int64
    timings: tuple[dict[str, Any], ...] = ()
    """The waterfall of the last result: see `wire.timings`."""
    frame: ClientTimes | None = None
    """The same frame by the client's clock."""
    latency: dict[str, Any] = {}
    """From submitting to the result, since the stream began: see `wire.histogram`."""
    links: dict[str, str] = {}
    """How frames go to each device of the entry."""
    links_back: dict[str, str] = {}
    """How answers come from each device of the last stage."""
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
