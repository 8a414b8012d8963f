import pytest

from agent.probes.wear import WearProbe
from tests.fixtures.devices import JETSON_ORIN, RASPBERRY_PI_4


def test_emmc_tells_the_worse_of_its_two_lives(told):
    """Tenths, the upper end of each; spare blocks by the standard's steps."""
    assert told(WearProbe, JETSON_ORIN) == {
        ("disk_life_used_ratio", "mmcblk0"): 1.0,
        ("disk_spare_used_ratio", "mmcblk0"): 0.8,
    }


def test_sd_card_tells_only_what_was_written(told):
    """It has no such registers; the file system has counted."""
    assert told(WearProbe, RASPBERRY_PI_4) == {
        ("disk_lifetime_written_bytes", "mmcblk0p2"): 5605225 * 1024
    }


@pytest.mark.parametrize(("life", "spare"), [("0x00 0x00", "0x00"), ("", "")])
def test_card_that_does_not_tell_is_silence(told, life, spare):
    """Zero means: not defined."""
    folder = "sys/block/mmcblk0/device"

    assert told(WearProbe, {f"{folder}/life_time": life, f"{folder}/pre_eol_info": spare}) == {}
