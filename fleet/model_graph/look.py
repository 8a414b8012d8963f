"""See a model's tensors and operators: by inference, or by one run where that does not do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.formats import UNTIMED, Tell
from fleet.inputs import Sample
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Graph
from fleet.model_graph.open_model import OpenModel
from fleet.model_graph.reference import Reference


@dataclass(slots=True)
class Look:
    """A model with one sample, and what is known of its tensors and operators so far."""

    model: OpenModel
    sample: Sample
    facts: dict[str, TensorFacts]
    """Types and sizes of tensors, for the sample."""
    reference: Reference
    seconds: Mapping[int, float] = field(default_factory=dict)
    """Of each operator, by index; empty where they were not timed."""
    was_run: bool = False
    notes: tuple[str, ...] = ()
    """What people should know of the times."""

    @property
    def graph(self) -> Graph[Any]:
        """The model's."""
        return self.model.graph

    def missing(self) -> list[str]:
        """Return the tensors whose type or sizes are not known."""
        return [
            name
            for index in self.graph.moving
            for name in self.graph.operators[index].writes
            if name not in self.facts
            or (self.facts[name].movable and self.facts[name].sizes is None)
        ]

    def closer(self, tell: Tell, *, time: bool) -> None:
        """Run the model, if types or sizes are missing or its operators must be timed.

        Raises:
            CodedError: It does not run.
        """
        missing = self.missing()
        if not missing and not time:
            return
        tell("timing the model's operators" if time else "running the model for its shapes")
        (seen,) = self.reference.run([self.sample], sizes=missing, profile=time)
        self.facts.update((s.name, TensorFacts(s.dtype, s.shape)) for s in seen.sizes.values())
        self.was_run = True
        self.seconds = seen.operator_seconds
        if time and not self.model.times_operators:
            self.seconds = self._shared(sum(seen.run_seconds))
            self.notes = (UNTIMED,)

    def _shared(self, seconds: float) -> dict[int, float]:
        """Return what the whole takes, shared by operators as they are work."""
        work = {i: self.graph.work(i, self.facts) or 0 for i in self.graph.moving}
        total = sum(work.values())
        if not total:
            return dict.fromkeys(work, seconds / max(len(work), 1))
        return {index: seconds * one / total for index, one in work.items()}


def first(model: OpenModel, sample: Sample, scratch: Path) -> Look:
    """Return what inference knows of the model; ``scratch`` is a folder to run it from."""
    facts = model.infer(sample.sizes)
    return Look(model, sample, facts, Reference(model, scratch / "reference", facts))


def folded(model: OpenModel, sample: Sample, scratch: Path) -> Look:
    """Return the same after what depends on weights alone was computed, where that is small."""
    look = first(model, sample, scratch)
    if model.fold(look.facts, scratch):
        look = first(model, sample, scratch)
    return look
