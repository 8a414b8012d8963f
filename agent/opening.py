"""What must be true of a model's files before a runtime is imported to open them.

A runtime follows what a file points to: links of either kind lead it outside the folder, and
references lead it anywhere. So the files are ordinary ones with one name each, and the scan of
their format has found nothing in them that we do not allow.
"""

from pathlib import Path

from agent.default_runtime import TFLITE
from wire import segment_files
from wire.model.errors import ModelError
from wire.model.files import scan_segment, scan_source


def checked_segment(folder: Path) -> Path:
    """Return ``folder`` when the segment in it is safe to open.

    Raises:
        ModelError: A file is missing, or is not an ordinary file with one link, or the scan
            refuses it (``model.*``); or the folder holds models of two formats.
    """
    if folder.is_symlink():
        raise ModelError(str(folder), "", "is a symbolic link")
    tflite = [
        name for name in (segment_files.TFLITE, segment_files.EDGETPU) if _is_named(folder / name)
    ]
    if tflite and _is_named(folder / segment_files.ONNX):
        raise ModelError(
            str(folder), "", f"holds {segment_files.ONNX} and {tflite[0]} (expected one)"
        )
    if not tflite:
        scan_segment(folder / segment_files.ONNX)
    else:
        from wire.model.tflite_files import scan_tflite_segment  # noqa: PLC0415 see there

        for name in dict.fromkeys((segment_files.TFLITE, *tflite)):
            scan_tflite_segment(folder / name)
    return folder


def checked_model(path: Path) -> Path:
    """Return ``path``, a segment's folder or a whole model's file, when it is safe to open.

    The user names a whole model's file, so that file itself may be a link.

    Raises:
        ModelError: A file is missing or not an ordinary file, or the scan refuses it.
    """
    if path.is_dir():
        return checked_segment(path)
    if path.suffix.lower() == TFLITE:
        from wire.model.tflite_files import scan_tflite_source  # noqa: PLC0415 see there

        scan_tflite_source(path)
    else:
        scan_source(path)
    return path


def _is_named(path: Path) -> bool:
    """Whether something of that name is there, even a link that leads nowhere."""
    return path.is_symlink() or path.exists()
