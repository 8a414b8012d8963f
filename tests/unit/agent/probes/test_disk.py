import os
import shutil

from agent.probes import Reading
from agent.probes.disk import DiskProbe


def test_disk_of_the_state_folder_is_read(tmp_path):
    """Its size is the one the system says, and no more is free than there is."""
    total, free = DiskProbe(tmp_path, tmp_path).read()

    assert total == Reading("disk_total_bytes", shutil.disk_usage(tmp_path).total)
    assert free.name == "disk_free_bytes"
    assert 0 <= free.value <= total.value


def test_written_bytes_are_those_of_its_block_device(told, tmp_path):
    """The seventh value, in sectors of 512 bytes."""
    device = tmp_path.stat().st_dev
    path = f"sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"

    found = told(DiskProbe, {path: "9 9 9 9 9 9 2000 9 9 9 9\n"}, state_folder=tmp_path)

    assert found["disk_written_bytes",] == 1024000


def test_folder_that_is_gone_is_silence(tmp_path):
    """A disk that was pulled is the store's to report."""
    assert list(DiskProbe(tmp_path / "gone").read()) == []
