"""Accelerator runtimes; one file each, named as assignments name them.

To add one: write ``agent/runtimes/<name>.py`` with a class that fits ``Runtime`` and ``PLUGIN =
ThatClass``. Import the vendor library inside its methods, never at the top: the file must import
on any machine. The contract tests find it by itself.

Libraries like to fall back to the processor without a word. So what was asked for and what really
runs are told apart: ``open`` raises ``AcceleratorMissingError`` rather than run elsewhere, the
worker then opens ``FALLBACK`` where the assignment allows it, and says so; and ``actual`` names
what runs the operators, as far as the library can be made to say it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from numpy.typing import NDArray

from wire.tensors import TensorSpec

Tensors = Mapping[str, NDArray[Any]]
"""Arrays by tensor name."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One accelerator that a runtime can use, as told to the fleet."""

    runtime: str
    accelerator: str
    """Such as ``cpu``, ``gpu:0``, ``usb:0``; what ``RuntimeOptions.accelerator`` may name."""
    memory_bytes: int | None
    """Memory the accelerator can give to weights; None: not limited by itself."""
    version: str | None = None
    """The vendor library's version, where there is a library."""


@dataclass(frozen=True, slots=True)
class Actual:
    """What really runs an opened segment."""

    accelerator: str
    """As in ``Capability``."""
    short_of: str = ""
    """Why that is less than was asked for, in a sentence's words; empty: it is all that was."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How a segment shall be loaded and run."""

    threads: int = 1
    """Threads of one run, at least 1; runtimes without threads ignore it."""
    optimisations: bool = True
    """Whether the runtime may rewrite the graph: faster, but no longer bit-equal."""
    weights: Literal["prepacked", "mapped"] = "prepacked"
    """``prepacked`` copies weights into the order the kernels like; ``mapped`` leaves them in
    the file, shared and evictable, and costs time in each run."""
    tensors_only: bool = False
    """Whether to leave out outputs that are no tensors of our types, instead of refusing them."""
    profile: bool = False
    """Whether to time each operator; see ``Runtime.operator_times``."""
    accelerator: str = ""
    """One of those that ``detect`` found; empty: the first."""


@dataclass(frozen=True, slots=True)
class OperatorTimes:
    """How long one operator took, as the runtime runs it."""

    place: int
    """In the model's file; beyond its operators: one that the runtime made of several, or added."""
    name: str
    """As the runtime calls it."""
    kind: str
    """Such as ``Conv``."""
    seconds: tuple[float, ...]
    """Of each run."""


class Runtime(Protocol):
    """Runs one segment. Never two calls at once; from one thread, unless it says otherwise."""

    FORMATS: ClassVar[tuple[str, ...]]
    """Formats of segments that it opens; empty: it reads none."""
    FALLBACK: ClassVar[str]
    """The runtime that opens the same segments where this one cannot; empty: there is none."""
    any_thread: ClassVar[bool]
    """Whether runs may come from one thread after the other: not where a library keeps something
    for each thread, as CUDA's provider does."""

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return what is here, the best first; nothing if library or device is missing."""
        ...

    @classmethod
    def prove(cls, accelerator: str = "") -> None:
        """Run a tiny inference with a known answer; a broken library may end the process.

        Args:
            accelerator: One of those that ``detect`` found; empty: the first.

        Raises:
            AcceleratorMissingError: It would run somewhere else.
            RuntimeOpenError: It cannot load anything.
            RuntimeFailedError: It gave no answer, or a wrong one.
        """
        ...

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:
        """Load the segment and allocate everything ``run`` will need.

        Args:
            segment: The segment's folder, or a whole model's file; already scanned.
            options: How to load it.

        Raises:
            AcceleratorMissingError: It would run somewhere else than was asked.
            RuntimeOpenError: It cannot be loaded.
            MemoryError: There is not enough for it.
        """
        ...

    @property
    def actual(self) -> Actual:
        """What runs the segment; a library may be able to tell only after the first run."""
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` takes; empty where the runtime takes anything."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` returns; empty where that depends on the inputs."""
        ...

    def run(self, inputs: Tensors) -> Tensors:
        """Run once.

        Args:
            inputs: At least the segment's inputs; others are ignored. They are only read, and
                may be read-only views.

        Returns:
            The outputs by name, in memory of their own: valid as long as the caller keeps them.

        Raises:
            AcceleratorLostError: There is no result, and the accelerator will give none any more.
            RuntimeFailedError: There is no result.
            MemoryError: There was not enough for it.
        """
        ...

    def operator_times(self) -> tuple[OperatorTimes, ...]:
        """Return how long each operator took in each run, and end the timing.

        Empty where the runtime cannot tell, or was not opened for it.
        """
        ...

    def close(self) -> None:
        """Give memory and device back; closing twice is harmless."""
        ...
