"""Steps in the root of an image; what leads out of it is refused."""

import os
from pathlib import Path

import pytest

from paceline.device import places
from paceline.device.errors import StepFailedError
from paceline.device.perform import check_inside, perform
from paceline.device.steps import (
    Link,
    MakeFolder,
    MakeUser,
    Remove,
    RemoveEmpty,
    RemoveUser,
    Switch,
    Write,
)

STEPS = {
    "write": (Write(places.UNIT_FILE, b"new", ""), "etc/systemd/system"),
    "write deep": (Write(places.DROP_INS / "x.conf", b"new", ""), "etc/systemd"),
    "link": (Link(places.WANTED_BY, places.UNIT_FILE), "etc/systemd/system"),
    "remove": (Remove(places.UNIT_FILE), "etc/systemd/system"),
    "remove empty": (RemoveEmpty(places.DROP_INS), "etc/systemd/system"),
    "folder": (MakeFolder(places.CONFIG, 0o755), "etc/paceline"),
    "state": (Remove(places.STATE), "var/lib"),
    "switch": (Switch("new"), "var/lib/paceline"),
    "user": (MakeUser(), "etc/passwd"),
    "no user": (RemoveUser(), "etc"),
}


def linked(tmp_path, name, target):
    """Return a root in which that name is a link, and the host's folder beside it."""
    root, host = tmp_path / "root", tmp_path / "host"
    host.mkdir()
    (host / places.UNIT_FILE.name).write_text("the host's")
    (host / places.DROP_INS.name).mkdir()
    link = root / name
    link.parent.mkdir(parents=True)
    link.symlink_to(target(link, host))
    return root, host


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    "target",
    [lambda _, host: host, lambda link, host: os.path.relpath(host, link.parent)],
    ids=["absolute", "relative"],
)
def test_a_link_that_leads_out_of_an_image_is_refused_before_anything_is_done(
    tmp_path, name, target
):
    """The host's own service is not touched, and the image is not half done."""
    step, link = STEPS[name]
    root, host = linked(tmp_path, link, target)
    before = sorted(host.rglob("*"))
    first = Write(Path("/first"), b"", "")

    with pytest.raises(StepFailedError, match=r"leads out of it, to .*host"):
        perform([first, step], root, str)
    assert sorted(host.rglob("*")) == before
    assert (host / places.UNIT_FILE.name).read_text() == "the host's"
    assert not (root / "first").exists()


def test_a_link_within_an_image_is_followed(tmp_path):
    """As some images have them."""
    root = tmp_path / "root"
    (root / "usr/units").mkdir(parents=True)
    (root / "etc/systemd").mkdir(parents=True)
    (root / "etc/systemd/system").symlink_to("../../usr/units")
    perform([Write(places.UNIT_FILE, b"new", "")], root, str)

    assert (root / "usr/units" / places.UNIT_FILE.name).read_bytes() == b"new"


def test_on_a_system_that_runs_links_lead_where_they_like(tmp_path):
    """There is nothing outside of it."""
    (tmp_path / "link").symlink_to("/usr")

    check_inside([Write(tmp_path / "link" / "file", b"", "")], Path("/"))
