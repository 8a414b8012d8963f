"""What a cut through float16 changes: told, not hidden.

A CPU computes float16 in float32 and rounds where a tensor leaves the runtime. So a cut rounds
where the whole model would not have.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.compare import HALF, compare
from fleet.model_graph.cuts import Plan

Arrays = Mapping[str, NDArray[Any]]

_HALF: Final = np.dtype(np.float16)


def note(plan: Plan, folders: Sequence[Path], values: Arrays, outputs: Sequence[str]) -> str | None:
    """Return by how much the segments' outputs differ from the whole model's; None without float16.

    Args:
        plan: The cuts.
        folders: Of the segments, written.
        values: Inputs, and what the whole model gives for them.
        outputs: The model's.

    Raises:
        ChildFailedError: A segment does not run.
    """
    halves = {n for names in plan.crossings for n in names if values[n].dtype == _HALF}
    if not halves:
        return None
    made = {name for face in plan.interfaces for name in face.outputs}
    have = {name: array for name, array in values.items() if name not in made}
    for folder, face in zip(folders, plan.interfaces, strict=True):
        feeds = {name: have[name] for name in face.inputs}
        (given,) = children.run(folder, [feeds], RunOptions()).outputs
        have |= given
    largest = max(compare(have[name], values[name], HALF).max_abs_diff for name in outputs)
    where = ", ".join(sorted(halves)[:3])
    told = "bit-equal" if largest == 0 else f"off by at most {largest:.3g}"
    return f"float16 crosses a cut ({where}), which rounds: the outputs are {told}"
