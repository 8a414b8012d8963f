"""What a client gets for each frame."""

from collections.abc import Mapping
from typing import Any

import msgspec
from numpy.typing import NDArray

from paceline.errors import FrameFailedError
from paceline.policies import DROPPED
from wire import timings as waterfall
from wire.frame import Frame
from wire.timings import StageTimes

Arrays = Mapping[str, NDArray[Any]]


def told_error(frame: Frame) -> tuple[str, str, str | None]:
    """Return the code, the sentence and the device of what an error frame says; it may be lies."""
    raw = frame.meta.get("error")
    told: dict[str, Any] = raw if isinstance(raw, dict) else {}
    device = told.get("device")
    code, message = str(told.get("code", "unknown"))[:64], str(told.get("message", ""))[:500]
    return code, message, str(device)[:48] if device else None


class Answer(msgspec.Struct, frozen=True, eq=False):
    """What became of one frame."""

    sequence: int
    tensors: Arrays
    """The outputs by name: read-only views of memory that belongs to the answer."""
    error: FrameFailedError | None
    submitted_ns: int
    """Monotonic nanoseconds of this process."""
    sent_ns: int | None
    """When credit let it go to the entry; None: it never left."""
    answered_ns: int
    meta: Mapping[str, Any] = {}
    """The result's, as it came."""
    inputs: Arrays = {}
    """What was given for the frame, the very object; empty for one that was dropped."""

    @property
    def timings(self) -> tuple[StageTimes, ...]:
        """What each stage wrote, read anew each time."""
        return waterfall.entries(self.meta)

    @property
    def latency_seconds(self) -> float:
        """From submitting the frame to having its answer."""
        return (self.answered_ns - self.submitted_ns) / 1e9

    @property
    def dropped(self) -> bool:
        """Whether the policy at the entry dropped the frame; ``error`` says so, too."""
        return self.error is not None and self.error.reason == DROPPED

    def __getitem__(self, name: str) -> NDArray[Any]:
        if self.error is not None:
            raise self.error
        return self.tensors[name]
