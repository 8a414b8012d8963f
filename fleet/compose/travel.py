"""What enters and leaves each stage of a pipeline, under which names and sizes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleet.compose import joints as joining
from fleet.compose.borders import Change, Face
from fleet.compose.contract import Contract, Dequantize, Quantize
from fleet.compose.joints import Joint, Sizes
from wire.manifest import INPUT, OUTPUT, Edge
from wire.tensors import TensorSpec


@dataclass(frozen=True, slots=True)
class Travel:
    """The tensors of one pipeline."""

    faces: tuple[Face, ...]
    """Of the stages as they are alone."""
    joints: tuple[Joint, ...]
    """With names."""
    outputs: dict[str, str]
    """The last stage's outputs, and what the pipeline calls them."""
    sizes: Sizes

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What the pipeline takes."""
        return tuple(self._sized(one).spec for one in self.faces[0].inputs)

    @property
    def ends(self) -> tuple[Sequence[Contract], Sequence[Contract]]:
        """Contracts of the pipeline's inputs and outputs."""
        last = self.leaving(len(self.faces) - 1)
        return self.faces[0].inputs, [change.outside for change in last]

    def entering(self, stage: int) -> tuple[Change, ...]:
        """Return what becomes of a stage's inputs, in its own order."""
        own = self.faces[stage].inputs
        if not stage:
            return tuple(Change(one.name, self._sized(one)) for one in own)
        found = {joint.wanted.name: joint for joint in self.joints if joint.wanted.stage == stage}
        joints = [(one.name, found[one.name]) for one in own]
        return tuple(
            Change(name, self._sized(joint.outside), joint.reader_steps) for name, joint in joints
        )

    def leaving(self, stage: int) -> tuple[Change, ...]:
        """Return what becomes of a stage's outputs; what nobody reads is left out."""
        found: dict[str, Change] = {}
        for own in self.faces[stage].outputs:
            if stage + 1 == len(self.faces):
                outside = self._sized(own.named(self.outputs[own.name]))
                found[outside.name] = Change(own.name, outside)
            for joint in self.readers(own):
                outside = self._sized(joint.outside)
                found[joint.name] = Change(own.name, outside, joint.maker_steps)
        return tuple(found.values())

    def readers(self, made: Contract) -> list[Joint]:
        """Return who takes an output, those first that take it as it is."""
        where = (made.stage, made.name)
        found = [joint for joint in self.joints if (joint.made.stage, joint.made.name) == where]
        return sorted(found, key=lambda joint: len(joint.maker_steps))

    def edges(self, segments: Sequence[str]) -> tuple[Edge, ...]:
        """Return what travels from each segment to the next, tensors that pass one included."""
        places = [INPUT, *segments, OUTPUT]
        return tuple(
            Edge(source=source, target=target, tensors=self._crossing(number))
            for number, (source, target) in enumerate(pairwise(places))
        )

    def rounds(self, stage: int) -> bool:
        """Whether adapters up to this stage quantise: then a step more or less is no mistake."""
        return any(
            isinstance(step, Quantize | Dequantize)
            for joint in self.joints
            if joint.host_stage <= stage
            for step in joint.steps
        )

    def _crossing(self, number: int) -> tuple[TensorSpec, ...]:
        if number == 0:
            return self.inputs
        if number == len(self.faces):
            return tuple(contract.spec for contract in self.ends[1])
        crossing = {
            joint.name: self._sized(joint.outside).spec
            for joint in sorted(self.joints, key=lambda one: one.made.stage)
            if joint.made.stage < number <= joint.wanted.stage
        }
        return tuple(crossing.values())

    def _sized(self, contract: Contract) -> Contract:
        shape = joining.sized(contract, max(0, contract.stage), self.sizes)
        return contract.seen(contract.dtype, shape)


def travel(faces: Sequence[Face], joints: Sequence[Joint]) -> Travel:
    """Return what travels in a pipeline of stages with these faces."""
    inputs = {one.name for one in faces[0].inputs}
    outputs = {one.name: joining.free_name(one.name, inputs) for one in faces[-1].outputs}
    named = joining.named(joints, {*inputs, *outputs.values()}, [face.names for face in faces])
    contracts = [one for face in faces for one in (*face.inputs, *face.outputs)]
    return Travel(tuple(faces), named, outputs, joining.unified(named, contracts))
