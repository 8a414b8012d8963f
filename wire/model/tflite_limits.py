"""How much one TFLite model may ask for."""

from dataclasses import dataclass
from typing import Final

from wire.tflite.structure import MAX_PARTS


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model may ask for; the defaults are far above real models."""

    max_parts: int = MAX_PARTS
    """Tables, fields and numbers in the whole file; bounds the scan's time and memory."""
    max_tensor_bytes: int = (1 << 31) - 1
    """One tensor, and all those together that are alive at once. Runtimes count elements of one in
    32 bits."""


DEFAULT_LIMITS: Final = Limits()
