"""Which runtime and accelerator runs each segment on each device. Pure.

``auto`` is for every stage; ``onnx_cpu,1=onnx_cuda,coral7=tflite_edgetpu@usb:1`` is onnx_cuda for
stage 1 wherever it runs, the second stick of device coral7 for whatever it runs, and onnx_cpu for
all else. What names a device goes before what names a stage.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from fleet.errors import RuntimeChoiceError
from fleet.formats import RUNTIMES
from wire import segment_files
from wire.ids import is_id
from wire.manifest import Segment
from wire.messages import Info, Reported, RuntimeInfo

AUTO: Final = "auto"
"""The best that a device has proved for a segment's format."""
NONE: Final = "none"
"""The accelerator of a runtime that found none."""
EDGETPU: Final = "tflite_edgetpu"
PREFERRED: Final = (EDGETPU, "onnx_cuda", "onnx_openvino", *RUNTIMES.values())
"""Chosen without being asked for, the best first. TensorRT is not among them: it builds an engine
for minutes, and for one set of sizes."""
_SLOWER: Final = "ov:CPU"
"""OpenVINO on a processor: about as fast as that's own runtime (docs/runtimes.md), which rounds as
the splitter saw it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What runs one segment on one device."""

    runtime: str
    accelerator: str = ""
    """As `RuntimeInfo.accelerator`; empty: the first."""
    required: bool = False
    """Whether to fail rather than to fall back."""

    @classmethod
    def parsed(cls, text: str, asked: str) -> "Chosen":
        """Return what ``runtime@accelerator`` says; ``asked`` is what it is a part of.

        Raises:
            RuntimeChoiceError: It says neither.
        """
        runtime, at, accelerator = text.strip().partition("@")
        if not is_id(runtime) or (at and not accelerator):
            raise RuntimeChoiceError(asked, f"{text!r:.40} names no runtime")
        return cls(runtime, accelerator)


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    required: bool = False
    """Whether devices shall fail rather than fall back."""
    usual: Chosen = Chosen(AUTO)
    by_stage: Mapping[int, Chosen] = field(default_factory=dict)
    by_device: Mapping[str, Chosen] = field(default_factory=dict)

    def of(self, stage: int, device: str) -> Chosen:
        """Return what was asked for one stage on one device."""
        return self.by_device.get(device) or self.by_stage.get(stage) or self.usual


AS_USUAL: Final = Wish()


def parsed(text: str, placement: Sequence[Sequence[str]], *, required: bool = False) -> Wish:
    """Return the wish that ``text`` says.

    Args:
        text: See above.
        placement: The devices of each stage.
        required: See `Wish`.

    Raises:
        RuntimeChoiceError: It cannot be understood, or names a stage or device that is not there.
    """
    usual: Chosen | None = None
    by_stage: dict[int, Chosen] = {}
    by_device: dict[str, Chosen] = {}
    devices = {device for replicas in placement for device in replicas}
    stages = {str(number): number for number in range(len(placement))}
    for part in text.split(","):
        where, equals, what = (piece.strip() for piece in part.rpartition("="))
        chosen = Chosen.parsed(what, text)
        twice = RuntimeChoiceError(text, f"{where or 'all'} has two runtimes")
        if not equals:
            if usual is not None:
                raise twice
            usual = chosen
        elif where in devices:
            if by_device.setdefault(where, chosen) is not chosen:
                raise twice
        elif where in stages:
            if by_stage.setdefault(stages[where], chosen) is not chosen:
                raise twice
        else:
            there = f"stages are 0 to {len(placement) - 1}, devices {', '.join(sorted(devices))}"
            raise RuntimeChoiceError(text, f"{where!r:.48} is no stage and no device ({there})")
    return Wish(required, usual or Chosen(AUTO), by_stage, by_device)


def chosen(
    segments: Sequence[Segment],
    placement: Sequence[Sequence[str]],
    infos: Mapping[str, Info | None],
    wish: Wish,
    used: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> tuple[Chosen, ...]:
    """Return what runs each segment on each of its devices, by stage and in their order.

    Segments on one device get an accelerator each, as long as it has so many: an Edge TPU is one
    process's alone, so what comes after the last one is left to the processor. Where accelerators
    are required, what is compiled for an Edge TPU runs on one, proved or not.

    Args:
        segments: Of all stages.
        placement: The devices of each stage.
        infos: What devices have proved.
        wish: What was asked for.
        used: Of each device, what is held now (see `in_use`): taken last, for it may stay so.
    """
    busy = {device: Counter[str]() for replicas in placement for device in replicas}
    found = []
    for stage, (segment, devices) in enumerate(zip(segments, placement, strict=True)):
        for device in devices:
            info = infos.get(device)
            proved = [one for one in info.runtimes if one.proved] if info else []
            asked = wish.of(stage, device)
            runtime = asked.runtime
            if runtime == AUTO:
                told = info.runtimes if info else ()
                free = [
                    one for one in told if one.runtime != EDGETPU or not busy[device][_name(one)]
                ]
                runtime = _best(segment, free, required=wish.required)
            there = [one for one in proved if one.runtime == runtime]
            now = used.get(device, {})
            ranked = {one: (busy[device][_name(one)], now.get(_name(one), 0)) for one in there}
            least = min(ranked, key=ranked.__getitem__, default=None)
            taken = asked.accelerator or (least.accelerator if least else "")
            busy[device][f"{runtime}@{taken}"] += 1
            accelerator = taken if len(there) > 1 else asked.accelerator
            found.append(Chosen(runtime, accelerator, wish.required))
    return tuple(found)


def _best(segment: Segment, runtimes: Sequence[RuntimeInfo], *, required: bool) -> str:
    """Return the best runtime for a segment.

    Where an accelerator is required and none was proved, it is one that is here and does not
    work, or that the segment is compiled for: the device is then refused with the reason.
    """
    compiled = is_compiled(segment)
    found = best(segment.format, runtimes, compiled=compiled)
    if not required or found != RUNTIMES.get(segment.format):
        return found
    if compiled:
        return EDGETPU
    here = {
        one.runtime for one in runtimes if one.accelerator != NONE and segment.format in one.formats
    }
    return best_of(segment.format, here)


def in_use(reported: Reported | None, pipeline: str) -> Mapping[str, int]:
    """Return which Edge TPUs are held, each as ``runtime@accelerator``.

    With 2 by another pipeline, with 1 by this one, whose older generation will let it go.
    """
    return {
        f"{EDGETPU}@{one.accelerator_actual}": 1 if one.pipeline == pipeline else 2
        for one in (reported.assignments if reported else ())
        if one.runtime_actual == EDGETPU
    }


def best(kind: str, runtimes: Iterable[RuntimeInfo], *, compiled: bool = False) -> str:
    """Return the best runtime for segments of a format; the processor's where none was proved.

    Args:
        kind: The format.
        runtimes: What a device has.
        compiled: Whether the segments are compiled for an Edge TPU.
    """
    proved = {
        one.runtime
        for one in runtimes
        if one.proved and kind in one.formats and one.accelerator != _SLOWER
    }
    return best_of(kind, proved, compiled=compiled)


def best_of(kind: str, names: Collection[str], *, compiled: bool = False) -> str:
    """Return the best of these runtimes, which read the format; see `best`."""
    for runtime in PREFERRED:
        if runtime in names and (compiled or runtime != EDGETPU):
            return runtime
    # nobody says better; a format that only its runtime knows is named like it
    return RUNTIMES.get(kind, kind)


def is_compiled(segment: Segment) -> bool:
    """Whether a segment is compiled for an Edge TPU."""
    return any(file.name == segment_files.EDGETPU for file in segment.files)


def _name(found: RuntimeInfo) -> str:
    return f"{found.runtime}@{found.accelerator}"
