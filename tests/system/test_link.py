"""``paceline link``: two agents measure what is between them."""

import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.system.place import until


@pytest.fixture(autouse=True)
def cached(monkeypatch, tmp_path):
    """A user's cache of its own."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))


def children(place, device):
    """Return the processes on a device that are ends of a link."""
    found = []
    for one in psutil.Process(place.agents[device].pid).children():
        try:
            if one.cmdline()[-1:] == ["link"]:
                found.append(one)
        except psutil.Error:
            continue
    return found


def test_every_pair_by_every_link(place, command):
    """Both ways, with what frames of each size take; a way that there is not is no failure.

    Asked again, what is kept is shown. When an end dies it is told, the other one is free again,
    and other ways are measured.
    """
    place.start("d1")
    place.start("d2", direct={"listen": "none"})
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    asked = "link", "d1", "d2", "--seconds", "0.2", "--sizes", "64kB,600kB"
    code, found = command(*asked)
    ways = {(one["from"], one["to"], one["link"]): one for one in found["links"]}
    absent = [(one["from"], one["to"], one["link"]) for one in found["absent"]]
    pairs = [("d1", "d2"), ("d2", "d1")]

    assert (code, found["failures"], absent) == (0, [], [("d1", "d2", "tcp")])
    assert {*ways, *absent} == {(*pair, link) for pair in pairs for link in ("mqtt", "tcp", "uds")}
    for one in ways.values():
        assert [size["bytes"] for size in one["report"]["sizes"]] == [64_000, 600_000]
        assert one["latency_seconds"] > 0
        assert one["bytes_per_second"] > 0
        for size in one["report"]["sizes"]:
            assert min(size["sender_cpu_seconds"], size["receiver_cpu_seconds"]) > 0
    assert ways["d1", "d2", "uds"]["report"]["way"].startswith("uds:")
    until(lambda: not children(place, "d1") + children(place, "d2"), "the end of both ends")
    until(lambda: not (place.folder / "d2" / "measuring").exists(), "an end of its scratch")

    code, again = command(*asked, "--link", "mqtt,uds")
    assert (code, again["reused"]) == (0, 4)
    assert again["links"] == [one for one in found["links"] if one["link"] != "tcp"]

    with ThreadPoolExecutor() as beside:
        longer = *asked[:3], "--seconds", "2", *asked[5:]
        going = beside.submit(command, *longer, "--link", "uds", "--again")
        (sender,) = until(lambda: children(place, "d1"), "an end that sends")
        sender.send_signal(signal.SIGKILL)
        code, found = going.result()
    assert (code, found["failures"][0]["code"]) == (6, "child.failed")
    assert [(one["from"], one["to"]) for one in found["links"]] == [("d2", "d1")]
    until(lambda: not children(place, "d1") + children(place, "d2"), "the end of both ends")


def test_what_is_no_link(place, command):
    """Refused before anybody is asked."""
    codes = [
        command("link", "d1")[0],
        command("link", "d1", "D2")[0],
        command("link", "d1", "d2", "--link", "auto")[0],
        command("link", "d1", "d2", "--link", "string")[0],
        command("link", "d1", "d2", "--sizes", "0")[0],
        command("link", "d1", "d2", "--sizes", "1TB")[0],
        command("link", "d1", "d2", "--sizes", "9" * 5000)[0],
    ]

    assert codes == [2, 3, 2, 3, 2, 2, 2]
