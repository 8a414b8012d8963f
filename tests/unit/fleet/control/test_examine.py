"""What a device answers when it shall be examined."""

import msgspec
import pytest

from fleet.control import examine
from fleet.control.examine import AgentTooOldError, NotExaminedError
from wire.messages import Reason, Response
from wire.reports import DoctorReport, Examination

REPORT = DoctorReport(host="pi", examinations=(Examination(group="g", title="G", findings=()),))


def refused(code):
    """Return an answer that refuses."""
    return Response(id="1", ok=False, reason=Reason(code=code, message="because"))


def test_a_report_comes_back_as_it_was():
    """Through the answer's plain data."""
    answer = Response(id="1", ok=True, result={"report": msgspec.to_builtins(REPORT)})

    assert examine.read("d1", answer) == REPORT


def test_an_agent_that_does_not_know_the_command_is_too_old():
    """That is what to say, not that a command is unknown."""
    with pytest.raises(AgentTooOldError, match="d1: this agent is too old for doctor; update"):
        examine.read("d1", refused("command.unknown"))


@pytest.mark.parametrize(
    "answer",
    [
        refused("command.busy"),
        Response(id="1", ok=True),
        Response(id="1", ok=True, result={"report": 1}),
    ],
)
def test_no_report_is_an_error_that_says_why(answer):
    """Busy, none, or one that is another thing."""
    with pytest.raises(NotExaminedError, match="device d1: it was not examined"):
        examine.read("d1", answer)
