"""A compiled segment beside its twin: is it the same one, and is it what it says?"""

import shutil
from pathlib import Path
from typing import Final

from fleet.edgetpu import model
from fleet.edgetpu.errors import NotTheTwinError
from fleet.edgetpu.model import Tensor
from fleet.edgetpu.report import COMPILED, TWIN

MOST_BYTES: Final = 1 << 30


def take(compiled: Path, segment: Path) -> bool:
    """Put a compiled file beside its twin in ``segment``, if anything in it is for the Edge TPU.

    Args:
        compiled: What the compiler wrote.
        segment: The segment's folder.

    Raises:
        NotTheTwinError: It is not of the same segment, or is no file of its own.
        ModelError: It is no TFLite model that devices open.
    """
    if compiled.is_symlink() or not compiled.is_file() or compiled.stat().st_size > MOST_BYTES:
        raise NotTheTwinError(str(compiled), "is no regular file of at most 1 GiB")
    made, twin = model.read(compiled), model.read(segment / TWIN)
    for what, got, wanted in (
        ("input", made.inputs, twin.inputs),
        ("output", made.outputs, twin.outputs),
    ):
        if len(got) != len(wanted):
            raise NotTheTwinError(str(compiled), f"has {len(got)} {what}s (not {len(wanted)})")
        for one, other in zip(got, wanted, strict=True):
            if _face(one) != _face(other):
                problem = f"its {what} is {_text(one)} (not {_text(other)})"
                raise NotTheTwinError(str(compiled), problem)
    if not made.compiled:
        return False
    shutil.copyfile(compiled, segment / COMPILED)
    return True


def _face(tensor: Tensor) -> tuple[object, ...]:
    return tensor.name, tensor.kind, tensor.shape, tensor.scales, tensor.zero_points


def _text(tensor: Tensor) -> str:
    quantised = f" by {tensor.scales[0]:g}" if tensor.scales else ""
    return f"{tensor.name!r:.80} {tensor.kind}{list(tensor.shape)}{quantised}"
