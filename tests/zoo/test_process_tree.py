"""Measuring a command together with all that it starts."""

import sys

GRANDCHILD = "b = bytearray(60 << 20); import time; time.sleep(0.5)"
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

    assert (ran.status, ran.stdout, ran.timed_out) == (0, "done\n", False)
    assert 120 << 20 < ran.peak_bytes < 240 << 20


def test_what_does_not_end_is_killed_with_its_descendants():
    """After the limit nothing of the tree is left, and the result says so."""
    from process_tree import measured

    ran = measured([sys.executable, "-c", PARENT.replace("0.5", "60")], limit_seconds=1.0)

    assert ran.timed_out
    assert ran.status == -9
    assert ran.seconds < 30
