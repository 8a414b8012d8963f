"""The name of a machine's monotonic clock."""

import re

from wire.clock import BOOT_ID, VARIABLE, clock_id


def test_every_process_of_one_boot_names_the_same_clock():
    """So times of two processes of one machine can be compared directly."""
    assert clock_id() == clock_id()


def test_who_sees_another_proc_is_told_the_boot_id(tmp_path, monkeypatch):
    """As systemd writes it: the name is that of the processes around."""
    told = BOOT_ID.read_text().replace("-", "").strip()
    monkeypatch.setenv(VARIABLE, told)
    (tmp_path / "another").write_text("8aa11564-e1d3-41a0-b0ef-6a83839a41ad\n")
    inside = clock_id(tmp_path / "another")
    monkeypatch.delenv(VARIABLE)

    assert clock_id() == inside


def test_a_system_that_names_no_boot_gets_a_clock_of_its_own(tmp_path):
    """Rather none to compare with than a wrong one."""
    ids = {clock_id(tmp_path / "none") for _ in range(2)}

    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", drawn) for drawn in ids)
