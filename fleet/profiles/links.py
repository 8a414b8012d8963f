"""What links between devices do: measured pair by pair, kept, taken again.

links-<question's digest, 32 digits>.json
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from fleet.control.requests import Conversation, Requests
from fleet.profiles import kept
from fleet.profiles.measure import device_infos
from wire import canonical
from wire.errors import CodedError
from wire.link_report import LinkReport
from wire.measuring import LINK, LINK_SIZES, LISTENING, LinkOrder, Progress
from wire.messages import Info

SCHEMA: Final = 1
PREFIX: Final = "links-"
DEFAULT_LINKS: Final = ("mqtt", "tcp", "uds")
UNREACHABLE: Final = "link.unreachable"
"""The code of a sender that has no way by a link."""

log = structlog.get_logger(__name__)

Tell = Callable[[str], None]


class LinkQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a link's profile depends on."""

    site: str
    """Root and site."""
    source: str
    target: str
    link: str
    sizes: tuple[int, ...]


class LinkProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One link, one way, measured."""

    question: LinkQuestion
    measured_unix_ns: int
    report: LinkReport
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what nobody can plan with; a file that says so is a damaged one."""
        rates = [size.bytes_per_second for size in self.report.sizes]
        if not rates or not min(rates) > 0:
            raise ValueError("a link that carries nothing")

    @property
    def latency_seconds(self) -> float:
        """One way, of a frame that carries almost nothing: half a round trip."""
        return self.report.round_trip.p50 / 2

    @property
    def jitter_seconds(self) -> float:
        """How far round trips are from each other: from the tenth percentile to the ninetieth."""
        return self.report.round_trip.p90 - self.report.round_trip.p10

    @property
    def bytes_per_second(self) -> float:
        """Goodput of the size that goes best."""
        return max(size.bytes_per_second for size in self.report.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksRequest:
    """What to measure."""

    devices: tuple[str, ...]
    links: tuple[str, ...] = DEFAULT_LINKS
    sizes: tuple[int, ...] = LINK_SIZES
    seconds: float = 10.0
    """Of each link, one way."""
    again: bool = False
    """Whatever is kept."""


@dataclass(slots=True)
class LinksOutcome:
    """What measuring came to."""

    profiles: list[LinkProfile] = field(default_factory=list)
    reused: int = 0
    absent: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """By source, target and link: why there is no such way."""
    failures: dict[tuple[str, str, str], CodedError] = field(default_factory=dict)


@dataclass(slots=True)
class _End:
    """What one device said."""

    offers: tuple[Any, ...] | None = None
    """None: it does not listen yet."""
    report: LinkReport | None = None

    def heard(self, _device: str, result: Mapping[str, Any]) -> bool:
        """Take what it says; see `fleet.control.requests.Heard`."""
        if "report" in result:
            self.report = msgspec.convert(result["report"], LinkReport)
        elif "step" in result:
            progress = msgspec.convert(result, Progress)
            if progress.step == LISTENING:
                self.offers = progress.offers
        return True


def measure(requests: Requests, request: LinksRequest, folder: Path, tell: Tell) -> LinksOutcome:
    """Measure each pair both ways, one after the other: they would be in each other's way.

    Args:
        requests: Asks the devices; its observer need not watch them yet.
        request: What to measure.
        folder: Where profiles are kept.
        tell: Hears what is being done.

    Raises:
        DevicesAbsentError: One is not there.
        DeviceSilentError: One does not answer.
    """
    infos = device_infos(requests, request.devices, tell)
    site = f"{requests.topics.root}/{requests.topics.site}"
    outcome = LinksOutcome()
    for source, target, link in _ways(request):
        question = LinkQuestion(
            site=site, source=source, target=target, link=link, sizes=request.sizes
        )
        found = None if request.again else recall(folder, question)
        if found is not None:
            outcome.profiles.append(found)
            outcome.reused += 1
            continue
        tell(f"{source} to {target} by {link}")
        try:
            report = _measured(requests, question, request.seconds, infos)
        except CodedError as error:
            way = (source, target, link)
            if error.code == UNREACHABLE:
                outcome.absent[way] = getattr(error, "message", str(error))
            else:
                outcome.failures[way] = error
            continue
        made = LinkProfile(question=question, measured_unix_ns=time.time_ns(), report=report)
        kept.write(folder, _name(question), made)
        outcome.profiles.append(made)
    return outcome


def recall(folder: Path, question: LinkQuestion) -> LinkProfile | None:
    """Return what was kept of ``question``; None: nothing, or nothing that can be read."""
    found = kept.read(folder / _name(question), LinkProfile, SCHEMA)
    return found if found is not None and found.question == question else None


def of_site(folder: Path, site: str) -> tuple[LinkProfile, ...]:
    """Return all that is kept of a site's links; of one way, the newest alone."""
    newest: dict[tuple[str, str, str], LinkProfile] = {}
    for path in folder.glob(f"{PREFIX}*.json"):
        found = kept.read(path, LinkProfile, SCHEMA)
        if found is None or found.question.site != site:
            continue
        asked = found.question
        way = (asked.source, asked.target, asked.link)
        if way not in newest or newest[way].measured_unix_ns < found.measured_unix_ns:
            newest[way] = found
    return tuple(newest[way] for way in sorted(newest))


def _name(question: LinkQuestion) -> str:
    return f"{PREFIX}{canonical.digest(question)[:32]}.json"


def _ways(request: LinksRequest) -> Iterator[tuple[str, str, str]]:
    for source in request.devices:
        for target in request.devices:
            if source != target:
                for link in request.links:
                    yield source, target, link


def _measured(
    requests: Requests, question: LinkQuestion, seconds: float, infos: Mapping[str, Info]
) -> LinkReport:
    """Have one device listen and another send; return what the sender measured."""
    source, target = question.source, question.target
    order = LinkOrder(
        role="receiver",
        link=question.link,
        pipeline=f"link-{os.urandom(6).hex()}",
        peer=source,
        peer_certificate=infos[source].certificate,
        token=secrets.token_hex(32),
        sizes=question.sizes,
        seconds=seconds,
    )
    near, far = _End(), _End()
    with Conversation(requests) as talk:
        listens = talk.ask(target, LINK, order, far.heard)
        talk.wait(lambda: listens.over or far.offers is not None)
        _check(listens.failure)
        sends = msgspec.structs.replace(
            order,
            role="sender",
            peer=target,
            peer_certificate=infos[target].certificate,
            offers=far.offers or (),
        )
        asked = talk.ask(source, LINK, sends, near.heard)
        talk.wait(lambda: asked.over or listens.failure is not None)
        failure = listens.failure or asked.failure
        if asked.failure is not None:
            talk.give_up(listens)
        talk.wait(lambda: listens.over)  # it says that it is free again
        _check(failure)
    assert near.report is not None, "a request that is over has its answer"
    return near.report


def _check(failure: CodedError | None) -> None:
    if failure is not None:
        raise failure
