"""Which shapes change when a model's dynamic dimensions do: seen in runs, not only inferred.

Shape inference can be wrong (a size that was read off one example) or know nothing. What a segment
declares must hold for every size that the model takes, so the model runs with two others as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from fleet import inputs, sizes
from fleet.errors import NeedsExampleError, NotRunnableError
from fleet.inputs import Sample
from fleet.model_graph.reference import Reference, Seen
from wire.tensors import TensorSpec

OTHER_SIZES: Final = 2
"""How many are tried; with the sample's own that makes three."""


class Observation(NamedTuple):
    """Shapes of tensors in one run."""

    named: Mapping[str, int]
    """Sizes of the dimensions that the model's inputs name."""
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Variation:
    """What other sizes showed."""

    observations: tuple[Observation, ...] = ()
    notes: tuple[str, ...] = ()

    def changes_rank(self, name: str, rank: int) -> bool:
        """Whether a tensor had another number of dimensions than ``rank`` in some run."""
        return any(len(o.shapes[name]) != rank for o in self.observations if name in o.shapes)


def run(
    reference: Reference, specs: Sequence[TensorSpec], sample: Sample, tensors: Sequence[str]
) -> tuple[Seen, Variation]:
    """Run the model for the values of ``tensors``, and with other sizes for their shapes.

    A model that does not run with other sizes is no failure: its sizes are fixed, whatever it says.

    Raises:
        NeedsExampleError: It does not run with the values or sizes that were made up.
        NotRunnableError: It does not run with the sample.
    """
    before = sizes.known(specs, sample.sizes)
    if not before or not tensors:
        return reference.run([sample], values=tensors)[0], Variation()
    wanted = sizes.varied(before)[:OTHER_SIZES]
    look = _Look(reference, specs, sample, tensors)
    others = [look.resized(one, seed) for seed, one in enumerate(wanted)]
    try:
        seen, *more = reference.run([sample, *others], values=tensors, sizes=tensors)
        return seen, Variation(tuple(map(_observation, others, more)))
    except (NeedsExampleError, NotRunnableError) as error:
        note = f"the model does not run with other sizes of all dimensions ({_short(error.reason)})"
    (seen,) = reference.run([sample], values=tensors)
    found = [look.first(sizes.attempts(one, before)) for one in wanted]
    return seen, Variation(tuple(one for one in found if one), (note,))


@dataclass(frozen=True, slots=True)
class _Look:
    """Runs a model with other sizes."""

    reference: Reference
    specs: Sequence[TensorSpec]
    sample: Sample
    tensors: Sequence[str]

    def first(self, attempts: Iterable[sizes.Sizes]) -> Observation | None:
        """Return what the first of these sizes shows that the model runs with, if one does."""
        for attempt in attempts:
            other = self.resized(attempt, 0)
            try:
                (seen,) = self.reference.run([other], sizes=self.tensors)
            except (NeedsExampleError, NotRunnableError):
                continue
            return _observation(other, seen)
        return None

    def resized(self, wanted: sizes.Sizes, seed: int) -> Sample:
        """Return a sample of these sizes."""
        shapes = sizes.resized(self.specs, self.sample.sizes, wanted)
        named = {name: wanted.get(name, size) for name, size in self.sample.named.items()}
        arrays = inputs.drawn(self.sample.arrays, shapes, seed)
        return replace(self.sample, arrays=arrays, named=named)


def _observation(sample: Sample, seen: Seen) -> Observation:
    return Observation(sample.named, {name: _numbers(s) for name, s in seen.sizes.items()})


def _numbers(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(size for size in spec.shape if isinstance(size, int))


def _short(reason: str) -> str:
    return f"{reason[:160]}…" if len(reason) > 160 else reason
