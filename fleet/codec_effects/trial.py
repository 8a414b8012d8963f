"""What codecs do to a pipeline's outputs: its segments run with coded edges, and with raw ones.

Every choice of codecs runs as a whole, and with each of its edges alone. All of them pass a stage
in one child, beside the raw run that they are compared with, so a segment is loaded once for a
group of inputs. A tensor that is only passed on is coded once, as between workers. Optimisations
are on, as on devices.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fleet import edge_codecs, inputs, split_folder
from fleet.codec_effects import figures as output_figures
from fleet.codec_effects.report import Bounds, CodecReport, CodecsReport, EdgeReport, Figures
from fleet.codec_effects.traffic import Traffic, carried
from fleet.errors import CodecChoiceError, CodecRefusedError, DamagedSplitError
from fleet.verify import cases
from fleet.verify.cases import Case
from fleet.verify.runs import Progress, Runs, Stopped
from fleet.verify.subject import Arrays, Subject
from wire import codec_names
from wire.codec_names import DEFAULT

MADE_UP: Final = 4
"""How many inputs are run where none are given."""
EVERY: Final = "all"

Choice = tuple[str, ...]
"""One codec for each edge that enters a stage; see `fleet.edge_codecs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecRequest:
    """Which codecs to try, and with what."""

    codecs: str
    """``all``, names such as ``fp16,int8_channel``, or one choice with ``=`` as for a deploy."""
    examples: tuple[Path, ...] = ()
    """Files of inputs; none: those of the golden frames, and others drawn from their elements."""
    bounds: Bounds = field(default_factory=Bounds)
    limit_seconds: float = 600.0
    """For each sample in each run."""


def effects(
    folder: Path,
    request: CodecRequest,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CodecsReport:
    """Return what codecs do to the outputs of the split in ``folder``.

    Raises:
        CodecChoiceError: No edge has a codec, or codecs are chosen for edges that are not there.
        UnknownPluginError: There is no such codec.
        DamagedSplitError: The split is not what was written, or a segment does not run.
        BadExampleError: An example cannot be read, or is not what the pipeline takes.
        CodecRefusedError: A bound is broken; the error holds the report.
        ChildTimeoutError: A segment did not end in time.
    """
    subject = Subject(folder, split_folder.read(folder), None)
    choices = _choices(request.codecs, len(subject.manifest.segments))
    trial = _Trial(Runs(subject, request.limit_seconds, progress), choices)
    tried = _cases(subject, request.examples)
    trial.run(tried)
    found = tuple(trial.report(choice, request.bounds) for choice in choices)
    refused = [one for one in found if one.broken]
    report = CodecsReport(
        pipeline=subject.manifest.name,
        digest=subject.manifest.digest,
        inputs=len(tried),
        made_up=not request.examples,
        passes=not refused,
        codecs=found,
    )
    if refused:
        first = refused[0]
        alone = first.worst.alone
        figures = f"max abs {alone.max_abs:.3g}, relative L2 {alone.relative_l2:.3g}"
        edge = f"{first.worst.edge} (alone: {figures})"
        raise CodecRefusedError(first.codec, ", ".join(first.broken), edge, report)
    return report


@dataclass(slots=True)
class _Coded:
    """A run with coded edges: what it has at the edge that comes next."""

    choice: Choice
    have: list[Arrays] | None = None
    """None: as the raw run has it."""
    came: dict[str, str] = field(default_factory=dict)
    """By which codec tensors came into the stage before, which may pass them on as they are."""

    def enter(self, place: int, names: Sequence[str], raw: list[Arrays]) -> None:
        """Cross the edge into stage ``place``, which carries ``names``."""
        codec = self.choice[place]
        fresh = [name for name in names if self.came.get(name) != codec]
        self.came = dict.fromkeys(names, codec)
        if codec != DEFAULT and fresh:
            before = raw if self.have is None else self.have
            self.have = [{**have, **carried(have, fresh, codec)} for have in before]


class _Trial:
    """Runs choices and keeps what came of them."""

    def __init__(self, runs: Runs, choices: Sequence[Choice]) -> None:
        self._runs = runs
        self._edges = [
            [spec.name for spec in edge.tensors] for edge in runs.subject.manifest.edges[:-1]
        ]
        self._choices = tuple(dict.fromkeys(_run_as(c) for one in choices for c in _parts(one)))
        self._figures: dict[Choice, list[Figures]] = defaultdict(list)
        self._traffic = {
            (place, codec): Traffic(codec)
            for choice in choices
            for place, codec in enumerate(choice)
            if codec != DEFAULT
        }

    def run(self, tried: Sequence[Case]) -> None:
        """Run all choices with these inputs."""
        subject, runs = self._runs.subject, len(self._choices) + 1
        size = max(1, *(case.size_bytes for case in tried))
        scale = max(1.0, subject.golden_bytes / size) * runs
        grouped = list(cases.groups(tried, lambda case: case.size_bytes * scale))
        self._runs.planned = len(grouped) * len(self._edges)
        for group in grouped:
            self._run([case.load() for case in group])

    def report(self, choice: Choice, bounds: Bounds) -> CodecReport:
        """Return what came of one choice."""
        found = self._merged(choice)
        edges = []
        for place, codec in enumerate(choice):
            if codec != DEFAULT:
                traffic = self._traffic[place, codec]
                edges.append(
                    EdgeReport(
                        edge=edge_codecs.edge_name(place),
                        codec=codec,
                        raw_bytes=traffic.raw_bytes,
                        bytes=traffic.coded_bytes,
                        travels_raw=traffic.travels_raw,
                        alone=self._merged(_alone(choice, place)),
                    )
                )
        return CodecReport(
            codec=edge_codecs.text(choice),
            figures=found,
            edges=tuple(edges),
            broken=bounds.broken(found),
            kept=bounds.kept(found),
        )

    def _run(self, raw: list[Arrays]) -> None:
        coded = [_Coded(choice) for choice in self._choices]
        for place, names in enumerate(self._edges):
            for one in coded:
                one.enter(place, names, raw)
            for (where, _), traffic in self._traffic.items():
                if where == place:
                    traffic.add(raw, names)
            moved = [one for one in coded if one.have is not None]
            given = iter(self._stage(place, [*raw, *(h for one in moved for h in one.have or ())]))
            count = len(raw)
            raw = [next(given) for _ in range(count)]
            for one in moved:
                one.have = [next(given) for _ in range(count)]
        for one in coded:
            pairs = zip(one.have or raw, raw, strict=True)
            outputs = [[_outputs(self._runs.subject, side) for side in pair] for pair in pairs]
            self._figures[one.choice] += [output_figures.figures(*pair) for pair in outputs]

    def _stage(self, place: int, have: Sequence[Arrays]) -> list[Arrays]:
        given = self._runs.stage(place, have, optimisations=True)
        if isinstance(given, Stopped):
            path = self._runs.subject.place(given.segment)
            raise DamagedSplitError(str(path), f"the segment does not run ({given.reason})")
        return given

    def _merged(self, choice: Choice) -> Figures:
        return output_figures.merged(self._figures[_run_as(choice)])


def _choices(text: str, stages: int) -> list[Choice]:
    """Return the choices that a text asks for.

    Raises:
        CodecChoiceError: No edge has a codec, or an edge is not there.
        UnknownPluginError: There is no such codec.
    """
    if "=" in text:
        wanted = [text]
    elif text == EVERY:
        wanted = [name for name in codec_names.names() if name != DEFAULT]
    else:
        wanted = [name.strip() for name in text.split(",")]
    found = list(dict.fromkeys(edge_codecs.parsed(one, stages) for one in wanted))
    if any(set(choice) == {DEFAULT} for choice in found):
        only = " (of one segment there is only entry=NAME)" if stages == 1 else ""
        raise CodecChoiceError(text, f"every edge would be raw{only}")
    return found


def _parts(choice: Choice) -> Iterator[Choice]:
    """Yield the choice, and each of its edges alone."""
    yield choice
    for place, codec in enumerate(choice):
        if codec != DEFAULT:
            yield _alone(choice, place)


def _alone(choice: Choice, place: int) -> Choice:
    return tuple(codec if n == place else DEFAULT for n, codec in enumerate(choice))


def _run_as(choice: Choice) -> Choice:
    """Return the choice without compression, which moves nothing."""
    return tuple(codec_names.plain(codec) for codec in choice)


def _cases(subject: Subject, examples: Sequence[Path]) -> tuple[Case, ...]:
    if examples:
        return cases.of_examples(subject, examples)
    feeds = subject.golden_inputs()
    golden = cases.of_golden(subject, feeds)
    return (golden, *(_drawn(golden, feeds, seed) for seed in range(1, MADE_UP)))


def _drawn(golden: Case, feeds: Arrays, seed: int) -> Case:
    def load() -> Arrays:
        return inputs.drawn(feeds, golden.shapes, seed)

    return replace(golden, name="drawn", load=load, golden=False)


def _outputs(subject: Subject, have: Arrays) -> Arrays:
    return {name: have[name] for name in subject.outputs}
