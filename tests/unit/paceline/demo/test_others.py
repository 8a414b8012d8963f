"""What others use of this machine while the demo streams."""

import subprocess
import sys

import pytest

from paceline.demo.others import Used, others_ratio, used

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


@pytest.mark.parametrize(
    ("after", "ratio"),
    [
        (Used(10, 20, 20), 0.0),
        (Used(10, 20, 5), 0.75),
        (Used(10, 20, 21), 0.0),
        (Used(10, 30, 0), 1.0),
        (Used(0, 1, 0), 0.0),
    ],
)
def test_what_is_left_of_all_that_was_used_is_of_others(after, ratio):
    """A part of all cores, whatever clocks disagree on."""
    assert others_ratio(Used(0, 0, 0), after, cores=2) == ratio


def test_what_children_use_is_our_own():
    """Also of one that has ended; the machine counts it, too."""
    before = used()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    after = used()

    assert after.own_seconds - before.own_seconds >= 0.25  # told in hundredths
    assert after.busy_seconds - before.busy_seconds >= 0.2
