"""What the segments of a cut really take: each runs in a child, as a device would run it.

Sums of operators mislead: a runtime fuses operators, and a cut between two of them ends that. Only
a model of many weights is measured in parts of its segments, so that it never fills memory.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.model_graph import open_model
from fleet.model_graph.parts import Interface, interface
from fleet.model_graph.reference import Reference

MEASURE_SECONDS: Final = 0.25
"""How long each part is run again for its time."""


@dataclass(slots=True)
class Bench:
    """Measures segments of one model with one sample; what was measured is not run again.

    Args:
        reference: The model, and how it is divided when it is large.
        arrays: The sample's inputs; what the segments give is kept beside them.
        folder: Exists; for one part at a time.
        threads: How many threads a segment runs with.
    """

    reference: Reference
    arrays: dict[str, NDArray[Any]]
    folder: Path
    threads: int
    _seconds: dict[frozenset[int], float] = field(default_factory=dict)

    def seconds(self, segments: Sequence[frozenset[int]]) -> tuple[float, ...]:
        """Return the time of one run of each segment, the least of several; they are in order.

        Raises:
            ChildFailedError: A segment does not run.
        """
        done: set[int] = set()
        found = []
        for segment in segments:
            total = 0.0
            for piece in self.reference.pieces:
                inside = segment & piece
                if inside:
                    face = interface(self.reference.graph, done, inside)
                    done |= inside
                    total += self._of_part(inside, face)
            found.append(total)
        return tuple(found)

    def _of_part(self, inside: frozenset[int], face: Interface) -> float:
        if inside not in self._seconds or any(name not in self.arrays for name in face.outputs):
            place = self.folder / "measured"
            place.mkdir()
            try:
                self._seconds[inside] = self._measured(place, inside, face)
            finally:
                shutil.rmtree(place)
        return self._seconds[inside]

    def _measured(self, place: Path, inside: frozenset[int], face: Interface) -> float:
        model, facts = self.reference.model, self.reference.facts
        part = open_model.open_part(model, "measured", inside, face, facts)
        model.write_scratch(place, part)
        options = RunOptions(
            optimisations=True,
            threads=self.threads,
            mapped=self.reference.leaves_mapped(part),
            again_seconds=MEASURE_SECONDS,
        )
        run = children.run(place, [{name: self.arrays[name] for name in part.inputs}], options)
        self.arrays |= run.outputs[0]
        return min(run.report.run_seconds[1:] or run.report.run_seconds)
