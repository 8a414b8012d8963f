"""Write adapters and golden frames into the segments of stages, and check what they give."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from fleet import children, digests, golden_files
from fleet.children import RunOptions
from fleet.compare import compare, tolerance_for
from fleet.compose import numerics
from fleet.compose.borders import ADAPTED, Change
from fleet.compose.contract import ONNX
from fleet.compose.errors import AdapterWrongError, StageError
from fleet.compose.joints import Joint
from fleet.compose.stages import Stage, value
from fleet.compose.travel import Travel
from fleet.edgetpu.target import QUANTA as COMPILED_QUANTA
from fleet.errors import ChildFailedError
from fleet.formats import Tell
from fleet.model_graph import kernels
from wire import golden
from wire.manifest import Segment

Arrays = Mapping[str, NDArray[Any]]
_ONE_QUANTUM: Final = 1.001
"""And a little: quanta of floats are floats themselves."""


class Writer:
    """Makes segments of stages, one after the other."""

    def __init__(self, stages: Sequence[Stage], travel: Travel, scratch: Path) -> None:
        self._stages = stages
        self._travel = travel
        self._scratch = scratch
        self.have: dict[str, NDArray[Any]] = dict(stages[0].inputs)
        """All that travels, by name, as the golden frames have it."""
        self.quanta_apart: dict[Joint, float] = {}
        """How far each adapter is from numpy."""
        self.max_abs_diff = 0.0
        """Between what segments gave, and stages alone with numpy between them."""
        self.notes: list[str] = []

    def write(self, stage: Stage, tell: Tell) -> Segment:
        """Make a stage's segment: its border, its golden frame, and its entry in the manifest.

        Raises:
            AdapterWrongError: An adapter does not give what numpy gives.
            StageError: It does not run, or its format has no operator for an adapter.
        ChildFailedError: It does not run with optimisations.
        """
        tell(f"checking the adapters of stage {stage.number}")
        self._check_adapters(stage)
        tell(f"running stage {stage.number} for its golden frame")
        entering, leaving = (
            self._travel.entering(stage.number),
            self._travel.leaving(stage.number),
        )
        is_compiled = self._write_border(stage, entering, leaving)
        (stage.folder / golden.FILE_NAME).unlink()
        given = {change.outside.name: self.have[change.outside.name] for change in entering}
        got = self._run(stage, stage.folder, given)
        for change in leaving:
            self._compare(stage, change, got[change.outside.name])
        self.have |= got
        golden_files.write(stage.folder, given, got)
        made = Segment(
            name=stage.name,
            format=stage.segment.format,
            files=digests.files(stage.folder),
            inputs=tuple(change.outside.spec for change in entering),
            outputs=tuple(change.outside.spec for change in leaving),
            operators=stage.segment.operators + sum(len(c.steps) for c in (*entering, *leaving)),
            weight_bytes=stage.segment.weight_bytes,
            peak_bytes=stage.segment.peak_bytes,
            quanta=max(stage.segment.quanta or 0, COMPILED_QUANTA if is_compiled else 0)
            or msgspec.UNSET,
            tolerance=stage.segment.tolerance,
        )
        if not any(change.steps for change in leaving):
            return made
        made = msgspec.structs.replace(made, tolerance=tolerance_for(got.values(), given.values()))
        quantised = any(change.outside.quantisation is not None for change in leaving)
        if not quantised and stage.segment.format == ONNX:
            return made
        return kernels.allowing(made, stage.folder, {**given, **got})

    def _write_border(
        self, stage: Stage, entering: Sequence[Change], leaving: Sequence[Change]
    ) -> bool:
        """Write what changes at the border; returns whether there is a file for an Edge TPU."""
        changed = any(c.steps or c.outside.name != c.name for c in (*entering, *leaving))
        if changed or len(leaving) < len(stage.face.outputs):
            stage.border.write(stage.folder / stage.border.MODEL_FILE, entering, leaving)
            if stage.compiled is not None:
                self.notes.append(
                    f"stage {stage.number}: its border changed, so {stage.compiled.name} is left"
                    " out; compile the segment again"
                )
            return False
        if stage.compiled is not None:
            shutil.copy(stage.compiled, stage.folder)
        return stage.compiled is not None

    def _run(self, stage: Stage, model: Path, inputs: Arrays) -> Arrays:
        try:
            return children.run(model, [inputs], RunOptions()).outputs[0]
        except ChildFailedError as error:
            problem = f"it does not run with what comes to it ({error.reason})"
            raise StageError(str(stage.path), problem, "export it again") from error

    # checks

    def _check_adapters(self, stage: Stage) -> None:
        """Run each adapter of a stage alone and compare it with numpy.

        Raises:
            AdapterWrongError: It gives something else.
        """
        for place, joint in enumerate(self._travel.joints):
            if not joint.steps or joint.host_stage != stage.number:
                continue
            path = self._scratch / f"adapter-{place}{Path(stage.border.MODEL_FILE).suffix}"
            made, array = joint.made.named("made"), value(self._stages, joint.made)
            stage.border.alone(path, stage.folder / stage.border.MODEL_FILE, made, joint.steps)
            got = self._run(stage, path, {made.name: array})[ADAPTED]
            expected = numerics.applied(joint.steps, array)
            apart = numerics.quanta_apart(joint.steps, got, expected)
            if apart is None or apart > _ONE_QUANTUM:
                how = f"gives {got.dtype}{list(got.shape)}, {apart} quanta from numpy's"
                raise AdapterWrongError(stage.name, joint.name, how)
            self.quanta_apart[joint] = apart

    def _compare(self, stage: Stage, change: Change, got: NDArray[Any]) -> None:
        """Compare what a segment gave with what its stage gave alone, with numpy around it.

        Raises:
            AdapterWrongError: They differ, though nothing was rounded before.
        """
        expected = numerics.applied(change.steps, stage.outputs[change.name])
        found = compare(got, expected, tolerance_for([expected]))
        self.max_abs_diff = max(self.max_abs_diff, found.max_abs_diff)
        if not (found.within or self._travel.rounds(stage.number)):
            how = f"differs from numpy's by up to {found.max_abs_diff:.3g}"
            raise AdapterWrongError(stage.name, change.outside.name, how)
