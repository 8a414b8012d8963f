"""ONNX models: read, run once for reference, cut, and write as segments."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from fleet import golden_files, inputs
from fleet.chunks import Chunk
from fleet.compare import tolerance_for
from fleet.errors import InvalidCutError
from fleet.formats import CutModel, CutRequest, Tell, segment_names
from fleet.inputs import Sample
from fleet.model_plan.chain import ModelChain
from fleet.onnx import chain as onnx_chain
from fleet.onnx import chosen as onnx_chosen
from fleet.onnx import look as onnx_look
from fleet.onnx import parts as onnx_parts
from fleet.onnx import rounding as onnx_rounding
from fleet.onnx import segments as onnx_segments
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx import source as onnx_source
from fleet.onnx import survey as onnx_survey
from fleet.onnx import variation as onnx_variation
from fleet.onnx import weight_sizes
from fleet.onnx.balance import Balanced
from fleet.onnx.cost import peak_activation_bytes
from fleet.onnx.cuts import Plan
from fleet.onnx.graph import Graph
from fleet.onnx.look import Look
from fleet.onnx.reference import Seen
from fleet.onnx.segments import Part
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source
from fleet.onnx.variation import Variation
from fleet.survey import ModelSurvey, SurveyRequest
from wire import codecs
from wire.manifest import ModelRef, Segment
from wire.tensors import TensorSpec

Facts = Mapping[str, TensorFacts]
_COPIED_BYTES: Final = 1 << 10
"""Weights held more than once are told from here on; every segment has a few small ones."""


class OnnxFormat:
    """Cuts ONNX models; see ``ModelFormat``."""

    def identify(self, model: Path) -> ModelRef:
        """Return the model's name and digest; see ``ModelFormat``."""
        return onnx_source.identify(model)

    def cut(
        self, model: Path, request: CutRequest, folder: Path, tell: Tell = lambda _: None
    ) -> CutModel:
        """Cut ``model`` and write its segments; see ``ModelFormat``."""
        with (
            onnx_source.opened(model) as source,
            tempfile.TemporaryDirectory(prefix="scratch-", dir=folder.parent) as scratch,
        ):
            return _cut(source, request, folder, Path(scratch), tell)

    def survey(
        self, model: Path, request: SurveyRequest, tell: Tell = lambda _: None
    ) -> ModelSurvey:
        """Return what there is to know of ``model``; see `fleet.survey.Surveying`."""
        return onnx_survey.survey(model, request, tell)

    def chain(self, model: Path, request: CutRequest, tell: Tell = lambda _: None) -> ModelChain:
        """Return ``model`` as a chain of blocks; see `fleet.survey.Chaining`."""
        return onnx_chain.chain(model, request, tell)


def _cut(source: Source, request: CutRequest, folder: Path, scratch: Path, tell: Tell) -> CutModel:
    graph = onnx_look.read(source)
    specs = onnx_shapes.input_specs(source.model, graph.inputs, source.ref.name)
    onnx_shapes.check_outputs(source.model, source.ref.name)
    sample = inputs.requested(specs, request)
    look = onnx_look.folded(source, sample, scratch)
    balanced, seen, variation = _chosen(look, specs, request, scratch, tell)
    graph, facts, plan = look.graph, look.facts, balanced.plan
    values = {**sample.arrays, **seen.values}
    declared = _declared(source, sample, values, variation)
    cut = _Cut(source, graph, plan, values, declared)
    names = segment_names(len(plan.segments))
    tell("writing the segments")
    written = [cut.write(folder, name, i, facts) for i, name in enumerate(names)]
    rounded = onnx_rounding.note(plan, [folder / n for n in names], values, graph.outputs)
    return CutModel(
        model=source.ref,
        inputs=specs,
        outputs=cut.specs(graph.outputs),
        segments=tuple(segment for segment, _ in written),
        crossings=tuple(cut.specs(names) for names in plan.crossings),
        crossing_bytes=tuple(
            sum(values[name].nbytes for name in names) for names in plan.crossings
        ),
        costs=plan.costs,
        seconds=balanced.seconds,
        cut_space=plan.cut_space,
        chunks={segment.name: chunks for segment, chunks in written},
        notes=(
            *_notes(cut, sample, names),
            *plan.notes,
            *balanced.notes,
            *variation.notes,
            *([rounded] if rounded else []),
        ),
    )


def _chosen(
    look: Look, specs: Sequence[TensorSpec], request: CutRequest, scratch: Path, tell: Tell
) -> tuple[Balanced, Seen, Variation]:
    """Return cuts whose tensors keep their rank whatever the sizes, and what runs showed of them.

    Raises:
        CodedError: There are none, or the model does not run.
    """
    while True:
        balanced = onnx_chosen.chosen(look, request, scratch, tell)
        tell("running the whole model for its golden frames")
        crossing = balanced.plan.crossing_tensors
        wanted = tuple(dict.fromkeys([*crossing, *look.graph.outputs]))
        seen, variation = onnx_variation.run(look.reference, specs, look.sample, wanted)
        loose = [
            name
            for name in crossing
            if name in seen.values and variation.changes_rank(name, seen.values[name].ndim)
        ]
        if not loose:
            return balanced, seen, variation
        if request.at:
            problem = f"tensor {loose[0]!r:.80} has another number of dimensions for other sizes"
            raise InvalidCutError("+".join(request.at), problem)
        look.facts.update(dict.fromkeys(loose, TensorFacts()))  # it cannot cross a cut


@dataclass(frozen=True, slots=True)
class _Cut:
    """A model with its cuts chosen and its reference values known."""

    source: Source
    graph: Graph
    plan: Plan
    values: Mapping[str, NDArray[Any]]
    declared: Facts

    def specs(self, names: Iterable[str]) -> tuple[TensorSpec, ...]:
        """Return the specs of tensors that a run gave values for."""
        return tuple(onnx_shapes.spec(name, self.declared[name]) for name in names)

    def write(
        self, folder: Path, name: str, index: int, concrete: Facts
    ) -> tuple[Segment, tuple[Chunk, ...]]:
        """Write segment ``index`` to ``folder/name``; describe it, and its weights' chunks."""
        face = self.plan.interfaces[index]
        inside = onnx_parts.with_constants(self.graph, self.plan.segments[index], face.outputs)
        part = Part(
            name=name,
            operators=inside,
            inputs={tensor: self.declared[tensor] for tensor in face.inputs},
            outputs={tensor: self.declared[tensor] for tensor in face.outputs},
            metadata=self._metadata(index),
        )
        place = folder / name
        place.mkdir()
        written = onnx_segments.write(place, self.source, self.graph, part)
        golden = golden_files.write(
            place,
            {tensor: self.values[tensor] for tensor in face.inputs},
            {tensor: self.values[tensor] for tensor in face.outputs},
        )
        peak = peak_activation_bytes(self.graph, inside, face, concrete)
        segment = Segment(
            name=name,
            format="onnx",
            files=tuple(sorted((*written.files, golden), key=lambda file: file.name)),
            inputs=self.specs(face.inputs),
            outputs=self.specs(face.outputs),
            operators=len(inside),
            weight_bytes=written.weight_bytes,
            peak_bytes=written.weight_bytes + peak,
            tolerance=tolerance_for(
                [self.values[tensor] for tensor in face.outputs],
                [self.values[tensor] for tensor in face.inputs],
            ),
        )
        return segment, written.chunks

    def _metadata(self, index: int) -> dict[str, str]:
        """Return what a segment says of itself to whoever finds it alone."""
        face = self.plan.interfaces[index]
        return {
            "paceline.source": self.source.ref.sha256,
            "paceline.plan": json.dumps(self.plan.crossings),
            "paceline.stage": f"{index + 1} of {len(self.plan.segments)}",
            "paceline.cut_in": json.dumps(face.inputs),
            "paceline.cut_out": json.dumps(face.outputs),
        }


def _declared(
    source: Source,
    sample: Sample,
    values: Mapping[str, NDArray[Any]],
    variation: Variation,
) -> dict[str, TensorFacts]:
    """Return types and shapes of the tensors that have values, dynamic dimensions kept."""
    symbolic = onnx_shapes.infer(source.model)
    declared = onnx_shapes.declared(source.model)
    facts: dict[str, TensorFacts] = {}
    for name, (dtype, sizes) in codecs.describe(values).items():
        if name in sample.arrays:
            facts[name] = declared[name]
            continue
        shapes = [known[name].shape for known in (declared, symbolic) if name in known]
        seen = [(sample.named, sizes)]
        seen += [(o.named, o.shapes[name]) for o in variation.observations if name in o.shapes]
        facts[name] = TensorFacts(dtype, onnx_shapes.agreeing(shapes, seen))
    return facts


def _notes(cut: _Cut, sample: Sample, names: Sequence[str]) -> Iterator[str]:
    if sample.guessed:
        guesses = ", ".join(f"{name}={size}" for name, size in sample.guessed.items())
        yield f"sizes guessed for the reference run: {guesses}"
    holders: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    operators: Counter[int] = Counter()
    for name, inside, face in zip(names, cut.plan.segments, cut.plan.interfaces, strict=True):
        whole = onnx_parts.with_constants(cut.graph, inside, face.outputs)
        operators.update(whole)
        held = weight_sizes.used(cut.source, cut.graph, whole, face.outputs)
        for weight, size in held.items():
            holders.setdefault(weight, []).append(name)
            sizes[weight] = size
    copied = sum(sizes[weight] * (len(where) - 1) for weight, where in holders.items())
    if copied >= _COPIED_BYTES:
        most = max(holders, key=lambda weight: sizes[weight] * (len(holders[weight]) - 1))
        yield (
            f"weights that several segments hold: {copied} bytes more than the model's own,"
            f" most of them {most!r:.80} in {', '.join(holders[most])}"
        )
    copies = sum(1 for count in operators.values() if count > 1)
    if copies:
        yield f"operators on weights alone that several segments compute: {copies}"


PLUGIN = OnnxFormat
