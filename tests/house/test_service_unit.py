"""The unit and its drop-ins: systemd finds no fault with them, and little that they may do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = "paceline-agent.service"
DROP_INS = sorted(file.stem for file in (FOLDER / f"{UNIT}.d").glob("*.conf"))
BASE_EXPOSURE = 1.5
BASE_THRESHOLD = 15
"""The same as ``--threshold=`` counts."""
DROP_IN_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def installed(folder, *drop_ins):
    """Return the unit as it would be installed, its program replaced by one that is here."""
    text = (FOLDER / UNIT).read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
    assert program == "/var/lib/paceline/slots/current/bin/python"
    unit = folder / UNIT
    unit.write_text(text.replace(program, shutil.which("true")))
    (folder / f"{UNIT}.d").mkdir()
    for name in drop_ins:
        shutil.copy(FOLDER / f"{UNIT}.d" / f"{name}.conf", folder / f"{UNIT}.d")
    return unit


def analyze(*arguments):
    """Return how ``systemd-analyze`` ended, and everything that it said."""
    ended = subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("drop_in", [None, *DROP_INS])
def test_systemd_finds_no_fault(tmp_path, drop_in):
    """`systemd-analyze verify` has nothing to say."""
    unit = installed(tmp_path, *filter(None, [drop_in]))

    assert analyze("verify", unit) == (0, "")


@pytest.mark.parametrize("drop_in", [None, *DROP_INS])
def test_little_is_exposed(tmp_path, drop_in):
    """At most 1.5 of 10 by itself, 2.0 with a drop-in."""
    unit = installed(tmp_path, *filter(None, [drop_in]))
    allowed = DROP_IN_EXPOSURE if drop_in else BASE_EXPOSURE

    status, said = analyze("security", "--offline=true", f"--threshold={round(allowed * 10)}", unit)

    assert status == 0, said
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]) <= allowed


def test_all_drop_ins_together_expose_no_more_than_the_unit_may(tmp_path):
    """Beside the unit in this repository, `systemd-analyze` reads all of them."""
    unit = installed(tmp_path, *DROP_INS)

    status, said = analyze("security", "--offline=true", f"--threshold={BASE_THRESHOLD}", unit)

    assert status == 0, said


def test_the_devices_that_are_looked_for():
    """A drop-in for each kind of accelerator that we have a file for."""
    assert {"coral", "gpu", "jetson"} <= set(DROP_INS)
