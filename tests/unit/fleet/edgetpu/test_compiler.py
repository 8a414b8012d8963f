"""The compiler as a foreign program: called, read, ended in time; and what it left elsewhere."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from fleet.edgetpu import compiler as calling
from fleet.edgetpu.errors import CompilerFailedError


def is_running(process):
    """Whether a process is there, and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_it_is_called_and_what_it_says_is_read(twin, compiler, tmp_path):
    """Statistics from its output and its log file; the file that it wrote."""
    found = calling.compiled(compiler("maps"), twin, tmp_path, runtime=13)

    assert found.file == tmp_path / "segment_edgetpu.tflite"
    assert (found.log.version, found.log.edgetpu_operators) == ("16.0.384591198", 3)
    assert (found.log.cpu_operators, found.log.off_chip_bytes) == (0, 0)
    assert [row.kind for row in found.log.operators] == ["FULLY_CONNECTED"]


def test_a_compiler_that_fails_is_quoted(twin, compiler, tmp_path):
    """With its status and its last words."""
    with pytest.raises(CompilerFailedError, match=r"status 1 .*Internal compiler error"):
        calling.compiled(compiler("fails"), twin, tmp_path, runtime=None)


def test_a_compiler_that_hangs_goes_with_all_that_it_started(twin, compiler, tmp_path):
    """It has a child of its own, which would go on otherwise."""
    with pytest.raises(CompilerFailedError, match="did not end within 3 s"):
        calling.compiled(compiler("hangs"), twin, tmp_path, runtime=None, limit_seconds=3)

    child = int((tmp_path / "child.pid").read_text())
    for _ in range(1200):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def test_the_commands_do_what_a_call_does(twin, compiler, tmp_path, monkeypatch):
    """A shell that runs them leaves what `found` reads, also where names have spaces."""
    compiler("maps")
    into = tmp_path / "my compiled"
    lines = calling.commands(tmp_path, ["00-whole"], into, runtime=14)

    script = "\n".join(lines)
    subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL, env=os.environ)

    found = calling.found(into / "00-whole")
    assert found.file is not None
    assert found.log.edgetpu_operators == 3


def test_it_is_only_found_on_path(compiler):
    """Nowhere else is looked for it."""
    assert calling.installed() is None
    assert calling.installed() != compiler("maps") == calling.installed()
