"""Cut a model: look at it, choose the cuts, run it for its golden frames, write the segments."""

import json
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
from fleet.model_graph import chosen as graph_chosen
from fleet.model_graph import facts as tensor_facts
from fleet.model_graph import kernels, parts, rounding, weight_sizes
from fleet.model_graph import look as looks
from fleet.model_graph import variation as variations
from fleet.model_graph.balance import Balanced
from fleet.model_graph.cuts import Plan
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.look import Look
from fleet.model_graph.open_model import OpenModel, Part
from fleet.model_graph.peak import peak_activation_bytes
from fleet.model_graph.reference import Seen
from fleet.model_graph.variation import Variation
from wire import codecs
from wire.manifest import Segment
from wire.tensors import TensorSpec

Facts = Mapping[str, TensorFacts]
_COPIED_BYTES: Final = 1 << 10
"""Weights held more than once are told from here on; every segment has a few small ones."""


def cut(model: OpenModel, request: CutRequest, folder: Path, scratch: Path, tell: Tell) -> CutModel:
    """Cut ``model`` and write each segment to ``folder/<segment's name>/``.

    Args:
        model: To be cut; constants in it may be folded.
        request: Where to cut.
        folder: Exists.
        scratch: A folder for what is run on the way.
        tell: Hears what is being done.

    Raises:
        CodedError: It cannot be run or cut so; the folder's content is void.
    """
    specs = model.inputs
    model.check_outputs()
    sample = inputs.requested(specs, request)
    look = looks.folded(model, sample, scratch)
    balanced, seen, variation = _chosen(look, specs, request, scratch, tell)
    graph, facts, plan = look.graph, look.facts, balanced.plan
    values = {**sample.arrays, **seen.values}
    declared = _declared(model, sample, values, variation)
    made = _Cut(model, plan, values, declared)
    names = segment_names(len(plan.segments))
    tell("writing the segments")
    written = [made.write(folder, name, i, facts) for i, name in enumerate(names)]
    segments = [segment for segment, _ in written]
    if model.quantised:
        segments = [kernels.allowing(one, folder / one.name, values) for one in segments]
    rounded = rounding.note(plan, [folder / n for n in names], values, graph.outputs)
    return CutModel(
        model=model.ref,
        inputs=specs,
        outputs=made.specs(graph.outputs),
        segments=tuple(segments),
        crossings=tuple(made.specs(names) for names in plan.crossings),
        crossing_bytes=tuple(
            sum(values[name].nbytes for name in names) for names in plan.crossings
        ),
        costs=plan.costs,
        seconds=balanced.seconds,
        cut_space=plan.cut_space,
        chunks={segment.name: chunks for segment, chunks in written},
        notes=(
            *_notes(made, sample, names),
            *model.losses,
            *([kernels.note(segments)] if model.quantised else []),
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
        balanced = graph_chosen.chosen(look, request, scratch, tell)
        tell("running the whole model for its golden frames")
        crossing = balanced.plan.crossing_tensors
        wanted = tuple(dict.fromkeys([*crossing, *look.graph.outputs]))
        seen, variation = variations.run(look.reference, specs, look.sample, wanted)
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

    model: OpenModel
    plan: Plan
    values: Mapping[str, NDArray[Any]]
    declared: Facts

    def specs(self, names: Iterable[str]) -> tuple[TensorSpec, ...]:
        """Return the specs of tensors that a run gave values for."""
        return tuple(tensor_facts.spec(name, self.declared[name]) for name in names)

    def write(
        self, folder: Path, name: str, index: int, concrete: Facts
    ) -> tuple[Segment, tuple[Chunk, ...]]:
        """Write segment ``index`` to ``folder/name``; describe it, and its weights' chunks."""
        face = self.plan.interfaces[index]
        inside = parts.with_constants(self.model.graph, self.plan.segments[index], face.outputs)
        part = Part(
            name=name,
            operators=inside,
            inputs={tensor: self.declared[tensor] for tensor in face.inputs},
            outputs={tensor: self.declared[tensor] for tensor in face.outputs},
            metadata=self._metadata(index),
        )
        place = folder / name
        place.mkdir()
        written = self.model.write(place, part)
        golden = golden_files.write(
            place,
            {tensor: self.values[tensor] for tensor in face.inputs},
            {tensor: self.values[tensor] for tensor in face.outputs},
        )
        peak = peak_activation_bytes(self.model.graph, inside, face, concrete)
        segment = Segment(
            name=name,
            format=self.model.format,
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
            "paceline.source": self.model.ref.sha256,
            "paceline.plan": json.dumps(self.plan.crossings),
            "paceline.stage": f"{index + 1} of {len(self.plan.segments)}",
            "paceline.cut_in": json.dumps(face.inputs),
            "paceline.cut_out": json.dumps(face.outputs),
        }


def _declared(
    model: OpenModel,
    sample: Sample,
    values: Mapping[str, NDArray[Any]],
    variation: Variation,
) -> dict[str, TensorFacts]:
    """Return types and shapes of the tensors that have values, dynamic dimensions kept."""
    symbolic, declared = model.infer(), model.declared()
    facts: dict[str, TensorFacts] = {}
    for name, (dtype, sizes) in codecs.describe(values).items():
        if name in sample.arrays:
            facts[name] = declared[name]
            continue
        shapes = [known[name].shape for known in (declared, symbolic) if name in known]
        seen = [(sample.named, sizes)]
        seen += [(o.named, o.shapes[name]) for o in variation.observations if name in o.shapes]
        facts[name] = TensorFacts(dtype, tensor_facts.agreeing(shapes, seen))
    return facts


def _notes(cut: _Cut, sample: Sample, names: Sequence[str]) -> Iterator[str]:
    if sample.guessed:
        guesses = ", ".join(f"{name}={size}" for name, size in sample.guessed.items())
        yield f"sizes guessed for the reference run: {guesses}"
    holders: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    operators: Counter[int] = Counter()
    for name, inside, face in zip(names, cut.plan.segments, cut.plan.interfaces, strict=True):
        whole = parts.with_constants(cut.model.graph, inside, face.outputs)
        operators.update(whole)
        held = weight_sizes.used(cut.model, whole, face.outputs)
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
