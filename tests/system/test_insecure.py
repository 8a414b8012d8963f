"""A device whose configuration allows anybody's broker says so wherever somebody looks."""

import json

from tests.system.place import until


def test_insecure_is_said_in_the_log_in_info_and_by_status(command, place, whole):
    """Whoever wrote it for an evening finds it again."""
    place.start("d1", insecure=True)
    info = until(lambda: place.ear.last("info", "d1"), "info")
    place.deploy(whole.folder, "d1")
    code, status = command("status", "p")

    lines = (place.folder / "d1.log").read_text().splitlines()
    assert "agent.started_insecure" in [json.loads(x)["event"] for x in lines if x[:1] == "{"]
    assert info.insecure
    assert (code, status["pipelines"][0]["stages"][0]["insecure"]) == (0, True)
