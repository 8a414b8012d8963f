"""A segment's folder, and a stand-in for the Edge TPU's compiler."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.fixtures import edgetpu_compiler
from tests.fixtures.int8_tflite import dense_chain

_ARGUMENTS = ' "$@"'


@pytest.fixture
def twin(tmp_path):
    """Return a segment's folder with an int8 ``segment.tflite``."""
    folder = tmp_path / "segments" / "00-whole"
    folder.mkdir(parents=True)
    (folder / "segment.tflite").write_bytes(dense_chain())
    return folder


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Return what puts a stand-in for `edgetpu_compiler` on PATH; without a mode none is there."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def put(mode):
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        call = shlex.join([sys.executable, str(Path(edgetpu_compiler.__file__)), mode])
        program = place / "edgetpu_compiler"
        hanging = 'sleep 600 & echo $! > "$3/child.pid"; wait'
        program.write_text(f"#!/bin/sh\n{hanging if mode == 'hangs' else call + _ARGUMENTS}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
        return str(program)

    return put
