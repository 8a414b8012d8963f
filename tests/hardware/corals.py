"""Corals of this machine, taken off their bus and put back by the kernel, as by a hand. As root.

Source: Linux, Documentation/ABI/testing/sysfs-bus-usb (a port's ``disable``) and
sysfs-bus-pci (``remove``, ``rescan``).
"""

from pathlib import Path

from agent.coral import USB_IDS

SYSFS = Path("/sys")


class Corals:
    """All of them: a test that pulls only one would be served by another."""

    def __init__(self):
        """Look where they are, while they are there."""
        self._ports = [
            stick / "port" / "disable"
            for stick in (SYSFS / "bus/usb/devices").glob("*-*")
            if _ids(stick) in USB_IDS
        ]
        self._cards = [
            (apex / "device").resolve() for apex in (SYSFS / "class/apex").glob("apex_*")
        ]

    def pull(self):
        """Take them off."""
        for port in self._ports:
            port.write_text("1")
        for card in self._cards:
            (card / "remove").write_text("1")

    def put_back(self):
        """Let the kernel find them again."""
        for port in self._ports:
            port.write_text("0")
        if self._cards:
            (SYSFS / "bus/pci/rescan").write_text("1")


def _ids(stick):
    try:
        return (stick / "idVendor").read_text().strip(), (stick / "idProduct").read_text().strip()
    except OSError:
        return None
