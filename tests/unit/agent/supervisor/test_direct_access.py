"""The device's certificate and its folder of sockets: kept over restarts, made anew when broken."""

import stat

import msgspec
import pytest

from agent import config
from agent.supervisor import direct_access
from wire.direct import pinned


def opened(folder, **direct):
    """Return what a device with this state folder gives its workers."""
    loaded = config.load(None, {"PACELINE_STATE_FOLDER": str(folder), "PACELINE_DEVICE": "pi-1"})
    changed = msgspec.structs.replace(loaded.config, direct=config.Direct(**direct))
    return direct_access.opened(changed, folder)


def test_the_certificate_is_made_once(tmp_path):
    """It survives restarts, and only its owner can read its key."""
    first, second = opened(tmp_path), opened(tmp_path)
    file = first.access.certificate_file

    assert first.certificate == second.certificate
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pinned.sending(file, pinned.der(first.certificate))


def test_no_two_devices_have_the_same(tmp_path):
    """Each draws its own key."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert opened(tmp_path / "a").certificate != opened(tmp_path / "b").certificate


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "key of another"])
def test_one_that_cannot_be_used_is_made_anew(tmp_path, damage):
    """A torn file is no reason to stay without."""
    first = opened(tmp_path)
    file = first.access.certificate_file
    whole = file.read_bytes()
    at = whole.index(b"-----BEGIN PRIVATE")
    (tmp_path / "other").mkdir()
    other = opened(tmp_path / "other").access.certificate_file.read_bytes()
    file.write_bytes(
        {
            "empty": b"",
            "half": whole[: at // 2],
            "noise": b"\xff" * 300,
            "key of another": whole[:at] + other[other.index(b"-----BEGIN PRIVATE") :],
        }[damage]
    )
    second = opened(tmp_path)

    assert second.certificate not in {"", first.certificate}
    assert second.certificate == opened(tmp_path).certificate


def test_where_nothing_can_be_kept_there_is_none(tmp_path):
    """Then no direct link leaves this host, and the agent runs."""
    (tmp_path / direct_access.CERTIFICATE_FILE).mkdir()
    made = opened(tmp_path)

    assert made.certificate == ""
    assert made.access.certificate_file is None


def test_what_killed_workers_left_is_removed(tmp_path):
    """Their sockets are nobody's."""
    folder = tmp_path / direct_access.SOCKET_FOLDER
    folder.mkdir()
    (folder / "a.sock").touch()
    made = opened(tmp_path)

    assert list(made.access.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("none", (None, 0, 0)),
        ("0.0.0.0:0", ("0.0.0.0", 0, 0)),
        ("192.168.1.5:4000-4010", ("192.168.1.5", 4000, 4010)),
        ("[::]:4000", ("::", 4000, 4000)),
    ],
)
def test_workers_are_told_where_to_listen(tmp_path, listen, expected):
    """As the configuration says."""
    access = opened(tmp_path, listen=listen, addresses=("10.0.0.1",)).access

    assert (access.host, access.first_port, access.last_port) == expected
    assert access.addresses == ("10.0.0.1",)
