"""A device is known by its own files; trees of files stand for devices that are not here."""

import pytest

from paceline.device import kinds
from paceline.device.kinds import Kind

PI = {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"}
USB = "sys/bus/usb/devices/1-1.2"


def tree(folder, files):
    """Write files, by path and text."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "name", "drop_ins"),
    [
        ({}, "x86", ()),
        (PI, "raspberry-pi", ()),
        ({f"{USB}/idVendor": "1a6e\n", f"{USB}/idProduct": "089a\n"}, "coral", ("coral",)),
        ({f"{USB}/idVendor": "18d1\n", f"{USB}/idProduct": "9302\n"}, "coral", ("coral",)),
        ({f"{USB}/idVendor": "18d1\n", f"{USB}/idProduct": "4ee1\n"}, "x86", ()),
        ({**PI, "dev/apex_0": ""}, "coral", ("coral",)),
        ({"dev/nvidiactl": ""}, "x86", ("gpu",)),
        ({"dev/nvidiactl": "", "dev/apex_0": ""}, "coral", ("gpu", "coral")),
        ({"proc/device-tree/compatible": "nvidia,p3767\0nvidia,tegra234\0"}, "jetson", ("jetson",)),
        ({"etc/nv_tegra_release": "# R36", "dev/nvidiactl": ""}, "jetson", ("jetson",)),
    ],
)
def test_a_device_is_known_by_its_board_and_accelerators(tmp_path, files, name, drop_ins):
    """A stick before and after its firmware; a phone of the same maker is none."""
    found = kinds.detected(tree(tmp_path, files))

    assert (found.name, found.drop_ins) == (name, drop_ins)


def test_only_groups_that_exist_are_joined(tmp_path):
    """Without the vendor's package there is no group `apex`; naming it would stop the service."""
    tree(tmp_path, {"etc/group": "root:x:0:\nplugdev:x:46:ada\nvideo:x:44:\n"})

    assert kinds.groups(("coral",), tmp_path) == ("plugdev",)
    assert kinds.groups(("coral", "gpu"), tmp_path) == ("plugdev", "video")
    assert kinds.groups((), tmp_path) == ()


def test_an_upgrade_keeps_the_kind_and_takes_what_was_plugged_in_since():
    """Who said `--like coral` once need not say it again."""
    again = kinds.again(kinds.named("coral"), Kind("x86", ("gpu",), ""))

    assert (again.name, again.drop_ins) == ("coral", ("coral", "gpu"))
