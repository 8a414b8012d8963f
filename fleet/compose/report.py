"""What is said of a composed pipeline: its stages, and what is between them."""

from collections.abc import Iterable

import msgspec

from fleet.codec_effects.report import Figures
from fleet.compose.contract import Contract, Step, text
from fleet.compose.joints import Joint
from wire.tensors import TensorSpec


class JointReport(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor that crosses from a stage to a later one."""

    tensor: str
    """Its name on the way."""
    maker: str
    """The segment that gives it; ``input``: it is the pipeline's."""
    reader: str
    made: Contract
    """As its stage gave it when it was alone."""
    wanted: Contract
    """As its stage took it when it was alone."""
    matched_by: str
    """``name`` or ``position``."""
    steps: tuple[Step, ...] = ()
    """The adapter; empty: none was needed."""
    adapter_in: str | None = None
    """The segment that it was written into."""
    quanta_apart: float | None = None
    """How far its result was from numpy's: 0: equal bit by bit; else in steps of the integers."""

    @property
    def adapter(self) -> str:
        """The adapter as people read it."""
        return ", then ".join(text(step) for step in self.steps)


class StageReport(msgspec.Struct, frozen=True, kw_only=True):
    """One stage."""

    segment: str
    source: str
    """The file that was given."""
    format: str
    operators: int
    weight_bytes: int
    sends_bytes: int
    """What one frame carries behind it."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class ReferenceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far the pipeline's outputs are from those of one model that does the same."""

    model: str
    samples: int
    made_up: bool
    """Whether the inputs are ours: such figures are weak evidence."""
    figures: Figures


class ComposeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was composed."""

    folder: str
    pipeline: str
    digest: str
    """Of the manifest."""
    stages: tuple[StageReport, ...]
    joints: tuple[JointReport, ...]
    max_abs_diff: float
    """Between the stages with their adapters and the stages alone with numpy between them."""
    reference: ReferenceReport | None = None
    notes: tuple[str, ...] = ()


def joint_reports(
    joints: Iterable[Joint], segments: Iterable[str], checked: dict[Joint, float]
) -> tuple[JointReport, ...]:
    """Return what is said of joints; ``checked`` says how far each adapter is from numpy."""
    names = tuple(segments)
    return tuple(
        JointReport(
            tensor=joint.name,
            maker=names[joint.made.stage] if joint.made.stage >= 0 else "input",
            reader=names[joint.wanted.stage],
            made=joint.made,
            wanted=joint.wanted,
            matched_by=joint.by,
            steps=joint.steps,
            adapter_in=names[joint.host_stage] if joint.steps else None,
            quanta_apart=checked.get(joint),
        )
        for joint in joints
    )
