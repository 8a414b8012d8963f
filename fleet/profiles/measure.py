"""Measure a model: on devices by their agents, all at once, or on this machine in a child."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from fleet import artifacts, children
from fleet.control.examine import DeviceSilentError
from fleet.control.reading import PING_SECONDS, await_devices
from fleet.control.requests import Requests
from fleet.errors import ChildFailedError, RuntimeUnusableError
from fleet.profiles import store, subject
from fleet.profiles.pages import Pages
from fleet.profiles.record import ModelProfile, PartProfile, Question, part_profile
from fleet.profiles.subject import Kind, Part, ProfileRequest, Subject
from wire import ids
from wire.errors import CodedError
from wire.manifest import ModelRef
from wire.measuring import PROFILE, ProfileOrder
from wire.messages import Info
from wire.profile_report import ProfileReport
from wire.reports import ProbeReport

OFFLINE_GRACE_SECONDS: Final = 120.0
READY_SECONDS: Final = 3.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What measuring came to."""

    profiles: tuple[ModelProfile, ...] = ()
    """In the order of the devices that were asked for."""
    reused: frozenset[str] = frozenset()
    """Devices whose profile was kept from before."""
    failures: Mapping[str, CodedError] = field(default_factory=dict)
    """By device."""


@dataclass(slots=True)
class Profiler:
    """Measures one model, reusing what is kept.

    Args:
        request: The model, and how.
        kept: The folder of profiles.
        again: Measure, whatever is kept.
        tell: Hears what is being done.
    """

    request: ProfileRequest
    kept: Path
    again: bool
    tell: Tell
    _model: ModelRef | None = None
    _sample: str = ""
    _split: str = ""
    _kinds: tuple[Kind, ...] = ()

    def offline(self) -> Outcome:
        """Measure on this machine.

        Raises:
            CodedError: The model cannot be read or run, or there is no runtime.
        """
        threads = len(os.sched_getaffinity(0))
        self._divide(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        runtimes = self._runtimes()
        question = self._question(
            runtimes,
            site="",
            device=machine(),
            version=version_here(runtimes),
            threads=threads,
            weights="prepacked",
        )
        if (found := self._recalled(question)) is not None:
            return Outcome((found,), frozenset({question.device}))
        with tempfile.TemporaryDirectory(prefix="paceline-profile-") as scratch:
            made = subject.prepared(self.request, Path(scratch, "parts"), self.tell)
            reports = []
            for number, part in enumerate(made.parts, start=1):
                self.tell(f"measuring here{_of(number, made.parts)}")
                reports.append(here(part, threads, self.request, Path(scratch)))
            profile = self._made(question, made, reports)
        store.keep(self.kept, profile)
        return Outcome((profile,))

    def on_devices(self, requests: Requests, devices: Sequence[str], serve: str | None) -> Outcome:
        """Measure on devices, at the same time.

        Args:
            requests: Asks them; its observer need not watch them yet.
            devices: Their ids.
            serve: ``HOST:PORT`` where they fetch the model; None: somebody else serves it.

        Raises:
            DevicesAbsentError: One is not there.
            CodedError: The model cannot be read or run here.
            ListenError: It cannot be served there.
        """
        infos = device_infos(requests, devices, self.tell)
        self._divide(min(info.memory_bytes for info in infos.values()))
        site = f"{requests.topics.root}/{requests.topics.site}"
        questions = {
            device: self._question(
                self._runtimes(infos[device]),
                site=site,
                device=device,
                version=version(infos[device], self._runtimes(infos[device])),
                threads=infos[device].threads,
                weights=infos[device].weights,
            )
            for device in devices
        }
        known = {device: self._recalled(questions[device]) for device in devices}
        left = [device for device in devices if known[device] is None]
        measured: dict[str, ModelProfile] = {}
        failures: dict[str, CodedError] = {}
        if left:
            with tempfile.TemporaryDirectory(prefix="paceline-profile-") as scratch:
                made = subject.prepared(self.request, Path(scratch, "parts"), self.tell)
                going = {device: infos[device] for device in left}
                reports, failures = self._served(requests, made, going, serve)
            for device, of_parts in reports.items():
                measured[device] = self._made(questions[device], made, of_parts)
                store.keep(self.kept, measured[device])
        found = {d: p for d in devices if (p := known[d] or measured.get(d)) is not None}
        return Outcome(tuple(found.values()), frozenset(set(devices) - set(left)), failures)

    def _served(
        self, requests: Requests, made: Subject, devices: Mapping[str, Info], serve: str | None
    ) -> tuple[dict[str, list[ProfileReport]], dict[str, CodedError]]:
        if serve is None:
            return self._asked(requests, made, devices)
        with artifacts.serve([made.folder], serve):
            return self._asked(requests, made, devices)

    def _asked(
        self, requests: Requests, made: Subject, devices: Mapping[str, Info]
    ) -> tuple[dict[str, list[ProfileReport]], dict[str, CodedError]]:
        """Return the reports of every part by device, and what kept the others from it."""
        reports: dict[str, list[ProfileReport]] = {device: [] for device in devices}
        failures: dict[str, CodedError] = {}
        for number, part in enumerate(made.parts, start=1):
            going = [device for device in devices if device not in failures]
            pages = Pages(going, partial(self._progress, _of(number, made.parts)))
            orders = {d: order_of(part, self.request, devices[d]) for d in going}
            asked = requests.ask_all(PROFILE, orders, pages.heard)
            for device, one in asked.items():
                if one.failure is not None:
                    failures[device] = one.failure
                else:
                    reports[device].append(pages.report(device))
        return {d: r for d, r in reports.items() if d not in failures}, failures

    def _progress(self, part: str, text: str) -> None:
        self.tell(text + part)

    def _divide(self, memory_bytes: int) -> None:
        """Look at the model, and divide it where it would not fit into memory."""
        self.tell("reading the model")
        self._kinds = subject.kinds_of(self.request)
        if (split := subject.split_of(self.request)) is not None:
            self._model, self._split = split.model, split.digest
            return
        self._model = subject.identified(self.request.model)
        if self.request.parts == 1:
            parts = subject.fitting_parts(self._model.size_bytes, memory_bytes)
            self.request = replace(self.request, parts=parts)
        self._sample = subject.sample_of(self.request)

    def _runtimes(self, info: Info | None = None) -> tuple[str, ...]:
        """Return what runs the model on a device; None: here."""
        there = info.runtimes if info else ()
        found = [subject.runtime_for(self.request, kind, there) for kind in self._kinds]
        return tuple(dict.fromkeys(found))

    def _question(self, runtimes: Sequence[str], **changes: Any) -> Question:
        assert self._model is not None, "it is looked at before anything is asked"
        return Question(
            model=self._model.sha256,
            sample=self._sample,
            split=self._split,
            runtime="+".join(runtimes),
            **changes,
        )

    def _recalled(self, question: Question) -> ModelProfile | None:
        return None if self.again else store.recall(self.kept, question)

    def _made(
        self, question: Question, made: Subject, reports: Iterable[ProfileReport]
    ) -> ModelProfile:
        return ModelProfile(
            question=question,
            model=made.manifest.model,
            sizes=made.sizes,
            measured_unix_ns=time.time_ns(),
            parts=tuple(
                measured_part(part, report)
                for part, report in zip(made.parts, reports, strict=True)
            ),
        )


def device_infos(requests: Requests, devices: Sequence[str], tell: Tell) -> dict[str, Info]:
    """Return what devices say of themselves, when all of them are there and answer.

    Raises:
        DevicesAbsentError: One is not there.
        DeviceSilentError: One does not answer.
    """
    requests.seen.watch_devices(devices)
    await_devices(requests.seen, devices, READY_SECONDS, tell)
    for device in requests.seen.ping(devices, PING_SECONDS):
        raise DeviceSilentError(device, "ping", PING_SECONDS)
    infos = {device: requests.seen.device(device).info for device in devices}
    return {device: info for device, info in infos.items() if info is not None}


def order_of(part: Part, request: ProfileRequest, info: Info) -> ProfileOrder:
    """Return what a device is told to measure a segment."""
    kind = subject.kind_of(part.segment)
    return ProfileOrder(
        segment=part.segment.name,
        files=part.segment.files,
        runtime=subject.runtime_for(request, kind, info.runtimes),
        seconds=request.seconds,
    )


def here(part: Part, threads: int, request: ProfileRequest, scratch: Path) -> ProfileReport:
    """Measure a segment in a child on this machine.

    Raises:
        RuntimeUnusableError: The runtime that was asked for is not here, or does not run it.
        CodedError: It does not run, or not in time.
    """
    arguments = ["--profile", "--segment", str(part.folder), "--threads", str(threads)]
    runtime = subject.runtime_for(request, subject.kind_of(part.segment))
    arguments += ["--seconds", str(request.seconds), "--runtime", runtime]
    limit_seconds = OFFLINE_GRACE_SECONDS + 3 * request.seconds
    with _asked_for(runtime):
        return children.call(
            "bench", arguments, ProfileReport, limit_seconds=limit_seconds, scratch=scratch
        )


def measured_part(part: Part, report: ProfileReport) -> PartProfile:
    """Return what is kept of a segment and what a device said of it."""
    segment = part.segment
    return part_profile(
        segment.name, part.operators, segment.weight_bytes, segment.peak_bytes, report
    )


def machine() -> str:
    """Return the id that this machine's own profiles are kept under."""
    return ids.id_from(platform.node().split(".")[0], "machine")


def version(info: Info, runtimes: Sequence[str]) -> str:
    """Return the versions of runtimes that a device has; empty: it has none."""
    versions = {one.runtime: one.version or "" for one in reversed(info.runtimes)}
    return "+".join(versions.get(runtime, "") for runtime in runtimes)


def version_here(runtimes: Sequence[str]) -> str:
    """Return the versions of runtimes that this machine has."""
    asked = [argument for runtime in runtimes for argument in ("--runtime", runtime)]
    with _asked_for(",".join(runtimes)):
        report = children.call("probe", asked, ProbeReport, limit_seconds=60.0)
    versions = {one.name: one.version or "" for one in reversed(report.runtimes)}
    return "+".join(versions.get(runtime, "") for runtime in runtimes)


@contextmanager
def _asked_for(runtime: str) -> Iterator[None]:
    """Have what a child says of a runtime told as what was asked for; a crash is told as one."""
    try:
        yield
    except ChildFailedError as error:
        if error.child_code == children.CRASHED:
            raise
        raise RuntimeUnusableError(runtime, error.reason) from error


def _of(number: int, parts: Sequence[Part]) -> str:
    return f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
