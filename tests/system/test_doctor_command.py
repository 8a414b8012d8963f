"""``paceline doctor``: this machine, and a device by its agent."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psutil
import yaml

from paceline import cli
from tests.system.place import until


def ids(report, *severities):
    """Return the ids of findings of these severities (of all, without any)."""
    found = [f for e in report["examinations"] for f in e["findings"]]
    return {f["id"] for f in found if not severities or f["severity"] in severities}


def examining(place, device):
    """Return the process that examines a device, or None."""
    for one in psutil.Process(place.agents[device].pid).children():
        with contextlib.suppress(psutil.Error):
            if "doctor" in one.cmdline():
                return one
    return None


def test_a_device_examines_itself(place, command):
    """With the agent's own configuration, one at a time; the agent goes on meanwhile."""
    place.start("d1")
    until(lambda: place.status("d1"))
    with ThreadPoolExecutor() as beside:
        first = beside.submit(command, "doctor", "--device", "d1")
        child = until(lambda: examining(place, "d1"), "an examination")
        child.suspend()
        second, ping = place.ask("d1", "doctor"), place.ask("d1", "ping")
        child.resume()
        code, report = first.result()

    assert (code, report["device"], report["problems"]) == (0, "d1", 0)
    assert len(place.log("d1", "doctor.called")) == 1
    assert report["config"] == str(place.folder / "d1.yaml")
    wells = {"config.valid", "config.trust", "broker.retained", "broker.will", "runtimes.proof"}
    assert ids(report, "ok") >= wells
    assert (ping.ok, second.ok, second.reason.code) == (True, False, "command.busy")
    assert place.status("d1").state == "online"


def test_a_device_that_is_not_there_is_told(place, command):
    """With what to do instead."""
    code, said = command("doctor", "--device", "nobody", "--timeout", "0.3")

    assert (code, said["error"]["code"]) == (6, "device.silent")
    assert "sudo paceline doctor" in said["error"]["message"]


def test_a_problem_exits_with_7_and_stands_first(place, command, tmp_path, capsys):
    """For people, with the line that repairs it; the agent's configuration is read."""
    config = tmp_path / "agent.yaml"
    broker = {"url": place.broker.url}
    config.write_text(yaml.safe_dump({"device": "d7", "broker": broker, "state_folder": "state"}))
    code = cli.run(["doctor", "--config", str(config)])
    printed = capsys.readouterr().out
    places = [printed.index(f"\n{title}\n") for title in ("Problems", "Notes", "Well")]

    assert code == 7
    assert places == sorted(places)
    assert f"agent d7 ({config})" in printed
    assert "paceline key show > trusted.pub" in printed


def test_this_machine_without_an_agent(place, command):
    """The settings' broker is looked at, and nothing of a device."""
    code, report = command("doctor")

    assert (code, report["device"]) == (0, None)
    assert {"config.agent", "broker.retained", "packages.versions"} <= ids(report)
    assert not [name for name in ids(report) if name.startswith(("service.", "disk."))]
