"""A segment's folder, and a stand-in for the Edge TPU's compiler."""

import pytest

from tests.fixtures import edgetpu_compiler
from tests.fixtures.int8_tflite import dense_chain


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
        program = edgetpu_compiler.install(tmp_path / "bin", mode)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return str(program)

    return put
