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
from fleet.onnx.reference import Reference
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


def observed(
    reference: Reference, specs: Sequence[TensorSpec], sample: Sample, tensors: Sequence[str]
) -> Variation:
    """Run the model with other sizes of its dynamic dimensions and return shapes of ``tensors``.

    A model that does not run with others is no failure: its sizes are fixed, whatever it says.
    """
    before = sizes.known(specs, sample.sizes)
    if not before or not tensors:
        return Variation()
    wanted = sizes.varied(before)[:OTHER_SIZES]
    look = _Look(reference, specs, sample, tensors)
    try:
        return Variation(look.at(wanted))
    except (NeedsExampleError, NotRunnableError) as error:
        note = f"the model does not run with other sizes of all dimensions ({_short(error.reason)})"
    found = [look.first(sizes.attempts(one, before)) for one in wanted]
    return Variation(tuple(seen for one in found for seen in one), (note,))


@dataclass(frozen=True, slots=True)
class _Look:
    """Runs a model with other sizes."""

    reference: Reference
    specs: Sequence[TensorSpec]
    sample: Sample
    tensors: Sequence[str]

    def at(self, wanted: Sequence[sizes.Sizes]) -> tuple[Observation, ...]:
        """Return what runs with these sizes show; all of them run, or it raises."""
        samples = [self._resized(one, seed) for seed, one in enumerate(wanted)]
        seen = self.reference.run(samples, sizes=self.tensors)
        return tuple(
            Observation(sample.named, {n: _numbers(spec) for n, spec in one.sizes.items()})
            for sample, one in zip(samples, seen, strict=True)
        )

    def first(self, attempts: Iterable[sizes.Sizes]) -> tuple[Observation, ...]:
        """Return what the first of these sizes shows that the model runs with, if one does."""
        for attempt in attempts:
            try:
                return self.at([attempt])
            except (NeedsExampleError, NotRunnableError):
                continue
        return ()

    def _resized(self, wanted: sizes.Sizes, seed: int) -> Sample:
        shapes = sizes.resized(self.specs, self.sample.sizes, wanted)
        named = {name: wanted.get(name, size) for name, size in self.sample.named.items()}
        arrays = inputs.drawn(self.sample.arrays, shapes, seed)
        return replace(self.sample, arrays=arrays, named=named)


def _numbers(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(size for size in spec.shape if isinstance(size, int))


def _short(reason: str) -> str:
    return f"{reason[:160]}…" if len(reason) > 160 else reason
