"""Measuring a command together with all that it starts."""

import sys

import pytest

GRANDCHILD = "b = bytearray(60 << 20); import time; time.sleep(3.5)"
PARENT = f"""
import subprocess, sys
held = bytearray(60 << 20)
subprocess.run([sys.executable, "-c", {GRANDCHILD!r}])
print("done")
"""


def test_memory_of_descendants_counts():
    """Two processes of 60 MiB at the same time are 120 MiB, not 60."""
    from process_tree import measured

    ran = measured([sys.executable, "-c", PARENT])

    assert (ran.status, ran.stdout, ran.stopped) == (0, "done\n", None)
    assert 120 << 20 < ran.peak_bytes < 240 << 20


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"limit_seconds": 1.0}, "no end in time"), ({"limit_bytes": 100e6}, "more than 0.1 GB")],
)
def test_what_takes_too_much_is_killed_with_its_descendants(limits, reason):
    """Nothing of the tree is left, and the result says which limit it was."""
    from process_tree import measured

    ran = measured([sys.executable, "-c", PARENT.replace("3.5", "600")], **limits)

    assert (ran.status, ran.stopped) == (-9, reason)
    assert ran.seconds < 600
