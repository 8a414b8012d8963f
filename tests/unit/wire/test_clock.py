"""The name of a machine's monotonic clock."""

import re

from wire.clock import clock_id


def test_every_process_of_one_boot_names_the_same_clock():
    """So times of two processes of one machine can be compared directly."""
    assert clock_id() == clock_id()


def test_a_system_that_names_no_boot_gets_a_clock_of_its_own(tmp_path):
    """Rather none to compare with than a wrong one."""
    ids = {clock_id(tmp_path / "none") for _ in range(2)}

    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", drawn) for drawn in ids)
