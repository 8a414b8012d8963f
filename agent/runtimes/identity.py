"""A runtime that returns its inputs: for tests, dry runs and measuring transport."""

from pathlib import Path
from typing import ClassVar, Self

from agent.runtimes import Actual, Capability, OperatorTimes, RuntimeOptions, Tensors
from wire.tensors import TensorSpec


class IdentityRuntime:
    """Outputs are the inputs, unchanged."""

    FORMATS: ClassVar[tuple[str, ...]] = ()
    FALLBACK: ClassVar[str] = ""
    any_thread: ClassVar[bool] = True

    actual = Actual("none")
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return a capability; identity runs anywhere."""
        return (Capability("identity", "none", memory_bytes=None),)

    @classmethod
    def prove(cls, accelerator: str = "") -> None:
        """Do nothing: there is nothing that could be broken."""

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:  # noqa: ARG003 the port's shape
        """Return a runtime; the segment is not read."""
        return cls()

    def run(self, inputs: Tensors) -> Tensors:
        """Return ``inputs`` themselves."""
        return inputs

    def operator_times(self) -> tuple[OperatorTimes, ...]:
        """Return nothing: there are no operators."""
        return ()

    def close(self) -> None:
        """Do nothing."""


PLUGIN = IdentityRuntime
