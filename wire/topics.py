"""Every topic: how it is built and parsed, its QoS, retain flag, one writer and largest size.

Ids are checked both ways, so a name with `/`, `+`, `#` or NUL can neither be published to nor
be believed when it arrives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from wire.errors import BadIdError, BadTopicError
from wire.ids import checked, is_id

VERSION: Final = "v1"
DEFAULT_ROOT: Final = "paceline"
DEFAULT_SITE: Final = "default"
MAX_GENERATION: Final = 0xFFFFFFFF
MAX_STAGE: Final = 0xFFFF

_KIB: Final = 1 << 10
_FRAME: Final = 256 << 20


class Topic(NamedTuple):
    """One kind of topic. ``pattern`` is what follows ``{root}/v1/{site}/``.

    Beside its one writer, whoever forgets a device clears its retained topics.
    """

    pattern: str
    qos: int
    retain: bool
    writer: str
    max_bytes: int


TOPICS: Final[Mapping[str, Topic]] = MappingProxyType(
    {
        "status": Topic("d/{device}/status", 1, True, "agent", 4 * _KIB),
        "info": Topic("d/{device}/info", 1, True, "agent", 64 * _KIB),
        "desired": Topic("d/{device}/desired", 1, True, "deployer", 120 * _KIB),
        "reported": Topic("d/{device}/reported", 1, True, "agent", 120 * _KIB),
        "cmd": Topic("d/{device}/cmd", 1, False, "anyone", 16 * _KIB),
        "rsp": Topic("d/{device}/rsp", 1, False, "agent", 120 * _KIB),
        "tele": Topic("d/{device}/tele/{kind}", 0, False, "agent", 64 * _KIB),
        "doctor": Topic("d/{device}/doctor/{kind}", 1, True, "doctor", 16 << 20),
        "lane": Topic("d/{device}/in/{pipeline}/{lane}", 0, False, "senders", _FRAME),
        "credit": Topic("d/{device}/cr/{pipeline}/{lane}", 0, False, "receivers", 4 * _KIB),
        "route": Topic("p/{pipeline}/route", 1, True, "deployer", 120 * _KIB),
        "out": Topic("p/{pipeline}/out/{client}", 0, False, "workers", _FRAME),
        "client_credit": Topic("p/{pipeline}/cr/{client}", 0, False, "workers", 4 * _KIB),
        "acct": Topic("p/{pipeline}/acct/{client}", 0, False, "client", 64 * _KIB),
        "service_status": Topic("c/{service}/status", 1, True, "service", 4 * _KIB),
        "rebirth": Topic("c/{service}/rebirth", 1, False, "service", 4 * _KIB),
    }
)

TELEMETRY_KINDS: Final = ("health", "latency", "log")


class Lane(NamedTuple):
    """Which worker of a pipeline: one generation's stage."""

    generation: int
    stage: int

    def __str__(self) -> str:
        return f"{self.generation}-{self.stage}"

    @classmethod
    def parse(cls, text: str) -> "Lane | None":
        """Return the lane, or None if ``text`` is not written as we write it."""
        generation, dash, stage = text.partition("-")
        if not (dash and _is_number(generation) and _is_number(stage)):
            return None
        lane = cls(int(generation), int(stage))
        return lane if lane.generation <= MAX_GENERATION and lane.stage <= MAX_STAGE else None


class Parsed(NamedTuple):
    """A topic taken apart: its kind in ``TOPICS`` and its names."""

    kind: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """Builds and parses the topics of one site."""

    site: str = DEFAULT_SITE
    root: str = DEFAULT_ROOT

    def __post_init__(self) -> None:
        checked(self.root, "root")
        checked(self.site, "site")

    @property
    def prefix(self) -> str:
        """What every topic of the site begins with."""
        return f"{self.root}/{VERSION}/{self.site}/"

    def topic(self, kind: str, /, **names: str) -> str:
        """Return the topic of ``kind`` with these names.

        Raises:
            BadIdError: A name would not be an id.
        """
        _check(names)
        return self.prefix + TOPICS[kind].pattern.format(**names)

    def filter(self, kind: str, /, **names: str) -> str:
        """Return a subscription: names not given are wildcards.

        Raises:
            BadIdError: A name would not be an id.
        """
        _check(names)
        pattern = TOPICS[kind].pattern
        fields = [part[1:-1] for part in pattern.split("/") if part.startswith("{")]
        return self.prefix + pattern.format(**{f: names.get(f, "+") for f in fields})

    def device(self, kind: str, device: str) -> str:
        """Return one of a device's own topics."""
        return self.topic(kind, device=device)

    def lane(self, device: str, pipeline: str, lane: Lane) -> str:
        """Return a worker's inbox."""
        return self.topic("lane", device=device, pipeline=pipeline, lane=str(lane))

    def credit(self, device: str, pipeline: str, lane: Lane) -> str:
        """Return where a worker, as a sender, hears of its credits."""
        return self.topic("credit", device=device, pipeline=pipeline, lane=str(lane))

    def parse(self, topic: str) -> Parsed:
        """Return what ``topic`` is.

        Raises:
            BadTopicError: It is none of this site's topics, or a name in it is no id.
        """
        if not topic.startswith(self.prefix):
            raise BadTopicError(topic, f"is not of this site (expected {self.prefix}...)")
        parts = topic[len(self.prefix) :].split("/")
        for kind, entry in TOPICS.items():
            names = _match(entry.pattern.split("/"), parts)
            if names is not None:
                return Parsed(kind, names)
        raise BadTopicError(topic, "is no topic that we know")


def _check(names: Mapping[str, str]) -> None:
    for what, name in names.items():
        if what != "lane":
            checked(name, what)
        elif Lane.parse(name) is None:
            raise BadIdError(what, name)


def _match(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    names: dict[str, str] = {}
    for expected, part in zip(pattern, parts, strict=True):
        if not expected.startswith("{"):
            if expected != part:
                return None
            continue
        what = expected[1:-1]
        if not (Lane.parse(part) if what == "lane" else is_id(part)):
            return None
        names[what] = part
    return names


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and len(text) < 11
