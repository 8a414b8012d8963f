"""Read the stages that were given, one after the other, each run with what the one before gave.

What a stage takes is known before it runs, what it gives only then: its shapes are those of a real
run, so an adapter is decided with all that there is to know.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet import formats, golden_files, split_folder
from fleet.compose import adapting, matching, numerics
from fleet.compose.adapting import Known
from fleet.compose.borders import Border, Face
from fleet.compose.contract import FIRST, LAST, PIPELINE, Contract
from fleet.compose.errors import StageError
from fleet.compose.joints import Joint
from fleet.edgetpu.report import COMPILED
from fleet.errors import BadRequestError
from fleet.formats import CutModel, CutRequest, Tell
from fleet.split_folder import MANIFEST_FILE
from wire import ids, plugins
from wire.manifest import Segment

BORDERS: Final = "fleet.compose.borders"
LAYOUTS: Final = (*FIRST, *LAST)
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the user says of one tensor's layout."""

    stage: int | None
    """None: whichever stage has it."""
    name: str
    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gives beside the stages."""

    request: CutRequest = CutRequest()  # noqa: RUF009 frozen
    """What to run the first stage with."""
    layouts: tuple[Layout, ...] = ()
    lossy_casts: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as it is alone."""

    number: int
    given: Path
    """A file, or a segment's folder."""
    path: Path
    """Its file."""
    name: str
    """Of its segment."""
    folder: Path
    """Where its segment is."""
    border: Border
    face: Face
    cut: CutModel
    inputs: Arrays
    """What it was run with."""
    outputs: Arrays
    """What it gave."""

    @property
    def segment(self) -> Segment:
        """Its one segment."""
        return self.cut.segments[0]

    @property
    def is_segment(self) -> bool:
        """Whether it was a segment before, and no whole model."""
        return self.given != self.path

    @property
    def label(self) -> str:
        """What it is called where it is a part of a pipeline's model."""
        return self.given.resolve().name if self.is_segment else self.cut.model.name

    @property
    def compiled(self) -> Path | None:
        """Its file for an Edge TPU, where it came with one."""
        path = self.path.with_name(COMPILED)
        return path if self.is_segment and path.is_file() else None


@dataclass(slots=True)
class Reading:
    """What is read so far."""

    given: Given
    folder: Path
    """Where segments are written."""
    scratch: Path
    stages: list[Stage] = field(default_factory=list)
    joints: list[Joint] = field(default_factory=list)
    used: set[Layout] = field(default_factory=set)

    def read(self, path: Path, tell: Tell) -> None:
        """Read one more stage.

        Raises:
            CodedError: It is none, does not run, or does not fit to those before it.
        """
        number = len(self.stages)
        model = located(path)
        border = border_of(model)
        face = self._said(border.read(model, number))
        joints = self._joined(face) if number else []
        request = self.given.request
        if number:
            request = CutRequest(example=self._example(number, joints))
        tell(f"reading stage {number}: {model.name}")
        plugin = formats.for_model(model)
        place = self.scratch / f"stage-{number}" / "segments"
        place.mkdir(parents=True)
        cut = plugin.cut(model, request, place, tell)
        name = ids.id_from(f"{number:02d}-{_stem(path, model)}", "stage")
        folder = (place / cut.segments[0].name).rename(self.folder / name)
        inputs, outputs = golden_files.read(folder)
        face = self._said(_known(border.read(folder / border.MODEL_FILE, number), cut.segments[0]))
        taken = {contract.name: contract for contract in face.inputs}
        self.joints += [
            replace(joint, wanted=taken[joint.wanted.name])
            for joint in joints
            if joint.wanted.name in taken  # the rest is read by no operator
        ]
        self.stages.append(
            Stage(
                number=number,
                given=path,
                path=model,
                name=name,
                folder=folder,
                border=border,
                face=face,
                cut=cut,
                inputs=inputs,
                outputs=outputs,
            )
        )

    def check_layouts(self) -> None:
        """Check that each layout that was said is of some tensor.

        Raises:
            BadRequestError: One is not.
        """
        for said in self.given.layouts:
            if said not in self.used:
                where = "" if said.stage is None else f"{said.stage}:"
                option = f"--layout {where}{said.name}={said.layout}"
                names = sorted(
                    {c.name for s in self.stages for c in (*s.face.inputs, *s.face.outputs)}
                )
                raise BadRequestError(option, f"no stage takes or gives that (known: {names})")

    def _joined(self, face: Face) -> list[Joint]:
        before = self.stages[-1]
        inputs = [c for s in self.stages[:1] for c in s.face.inputs]
        earlier = [c for s in self.stages[:-1] for c in s.face.outputs]
        earlier += [_of_pipeline(contract) for contract in inputs]
        return [
            self._joint(pair) for pair in matching.pairs(face.inputs, before.face.outputs, earlier)
        ]

    def _joint(self, pair: matching.Pair) -> Joint:
        made, wanted = pair.made, pair.wanted
        facts = Known(value(self.stages, made).shape, self.given.lossy_casts)
        steps = adapting.steps(made, wanted, facts)
        host = adapting.host(made, wanted, steps)
        return Joint(made=made, wanted=wanted, by=pair.by, steps=steps, host=host)

    def _example(self, number: int, joints: Sequence[Joint]) -> Path:
        """Write what the stages before give as an example for the next one."""
        path = self.scratch / f"example-{number}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for joint in joints:
                array = numerics.applied(joint.steps, value(self.stages, joint.made))
                with archive.open(f"{joint.wanted.name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        return path

    def _said(self, face: Face) -> Face:
        """Return the face with the layouts that the user says."""
        sides = [tuple(self._laid_out(one) for one in side) for side in face[:2]]
        return Face(sides[0], sides[1], face.names)

    def _laid_out(self, contract: Contract) -> Contract:
        for said in self.given.layouts:
            if said.name == contract.name and said.stage in {None, contract.stage}:
                rank = len(contract.shape)
                if len(said.layout) != rank:
                    option = f"--layout {said.name}={said.layout}"
                    raise BadRequestError(option, f"that tensor has {rank} dimensions")
                self.used.add(said)
                return contract.laid_out(said.layout)
        return contract


def value(stages: Sequence[Stage], contract: Contract) -> NDArray[Any]:
    """Return a tensor as its stage gave it, or as the pipeline took it."""
    if contract.stage < 0:
        return stages[0].inputs[contract.name]
    return stages[contract.stage].outputs[contract.name]


def located(path: Path) -> Path:
    """Return the model's file of a stage: a file itself, or the one in a segment's folder.

    Raises:
        StageError: It is neither.
        DamagedSplitError: It is a segment whose files are not those that were written.
    """
    if not path.is_dir():
        return path
    for format_ in plugins.names(BORDERS):
        border: Border = plugins.load(BORDERS, format_)()
        if (path / border.MODEL_FILE).is_file():
            split = path.absolute().parent.parent
            if (split / MANIFEST_FILE).is_file():
                split_folder.read(split)
            return path / border.MODEL_FILE
    raise StageError(
        str(path), "is no model, and holds no segment", "name a file, or a folder in segments/"
    )


def border_of(model: Path) -> Border:
    """Return what reads the borders of a model's file.

    Raises:
        UnknownFormatError: Nothing reads files of that suffix.
    """
    border: Border = plugins.load(BORDERS, formats.suffix_of(model))()
    return border


def _stem(path: Path, model: Path) -> str:
    """Return what a stage is called: as its file, or as the segment that it was."""
    return path.resolve().name.lstrip("0123456789-") if path.is_dir() else model.stem


def _of_pipeline(contract: Contract) -> Contract:
    return contract.at(PIPELINE)


def _known(face: Face, segment: Segment) -> Face:
    """Return the face with the shapes that runs showed."""
    shapes = {spec.name: spec.shape for spec in (*segment.inputs, *segment.outputs)}
    types = {spec.name: spec.dtype for spec in (*segment.inputs, *segment.outputs)}
    sides = [
        tuple(one.seen(types[one.name], shapes[one.name]) for one in side if one.name in shapes)
        for side in face[:2]
    ]
    return Face(sides[0], sides[1], face.names)
