"""What must be true of a model's files before a runtime is imported to open them.

A runtime follows what a file points to: links of either kind lead it outside the folder, and
external references lead it anywhere. So the files are ordinary ones with one name each, and the
scan has found nothing in them that we do not allow.
"""

from pathlib import Path
from typing import Final

from wire.model.errors import ModelError
from wire.model.files import scan_segment, scan_source

MODEL_FILE: Final = "segment.onnx"


def checked_segment(folder: Path) -> Path:
    """Return ``folder`` when the segment in it is safe to open.

    Raises:
        ModelError: A file is missing, or is not an ordinary file with one link, or the scan
            refuses it (``model.*``).
    """
    if folder.is_symlink():
        raise ModelError(str(folder), "", "is a symbolic link")
    scan_segment(folder / MODEL_FILE)
    return folder


def checked_model(path: Path) -> Path:
    """Return ``path``, a segment's folder or a whole model's file, when it is safe to open.

    The user names a whole model's file, so that file itself may be a link.

    Raises:
        ModelError: A file is missing or not an ordinary file, or the scan refuses it.
    """
    if path.is_dir():
        return checked_segment(path)
    scan_source(path)
    return path
