"""What a service's log comes to."""

import json

from paceline.device import log


def line(event, level="info", **facts):
    """Return a line as the agent logs it."""
    return json.dumps({"event": event, "level": level, **facts})


def test_a_log_without_trouble_says_whether_there_is_a_broker():
    """Lines of systemd's own are no lines of the agent's."""
    lines = ["Started paceline-agent.service.", line("agent.started"), line("broker.connected")]
    said = log.read(lines)

    assert (said.connected, said.problem) == (True, None)
    assert log.read([]) == log.Said()


def test_what_was_healed_is_no_problem_any_more():
    """A broker that is back, an accelerator; not the worker that died meanwhile."""
    away = line("broker.not_connected", "warning", reason="refused")
    back = line("broker.connected")
    died = line("worker.lost", "error", assignment="p/1/0", signal=9)

    assert log.read([away]) == log.Said(
        connected=False, problem=log.Problem(event="broker.not_connected", detail="refused")
    )
    assert log.read([away, back]) == log.Said(connected=True)
    lost = line("accelerator.lost", "warning", assignment="p/1/0", reason="USB transfer error")
    looked = line("accelerator.looked_at", works=True)
    assert log.read([lost, looked]).problem == log.Problem(
        event="accelerator.lost", detail="USB transfer error"
    )
    assert log.read([lost, looked, line("accelerator.used_again")]).problem is None
    assert log.read([died, back]).problem == log.Problem(
        event="worker.lost", detail="assignment=p/1/0 signal=9"
    )


def test_the_sentence_of_an_agent_that_does_not_start_is_the_problem():
    """It is the whole log then."""
    said = log.read([line("broker.connected"), "error: agent.yaml:3: site: expected an id"])

    assert said.connected is None
    assert said.problem.detail == "agent.yaml:3: site: expected an id"
