"""What a device answers of what it measured."""

import pytest

from agent.profiling import NAME_BYTES, _shortened
from agent.supervisor import measurements
from tests.unit.fleet.profiles.records import operator, report
from wire import messages
from wire.measuring import MAX_ROWS
from wire.messages import Command

COMMAND = Command(id="7" * 32, command="profile", reply_to="r", expires_unix_ns=1)


@pytest.mark.parametrize(
    "name", ['"' * 400, "\\" * 400, "é" * 400, "😀" * 400, "\x00\n" * 400, "a"]
)
def test_every_answer_fits_its_topic(name):
    """Whatever a model's operators are called."""
    short = _shortened(name)
    rows = [operator(MAX_ROWS * 100 + n, 1 / 3 * 1e-5, kind=short, name=short) for n in range(900)]
    answers = list(measurements._profile_answers(COMMAND, report(operators=rows, kernels=rows)))

    assert len(short.encode()) <= NAME_BYTES
    assert [messages.encode("rsp", answer) for answer in answers]
    assert [answer.final for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert sum(len(a.result["rows"]) for a in answers[:-1]) == 1800


def test_what_is_left_out_is_counted():
    """Of a model with more operators than are told."""
    rows = [operator(n, 1e-5) for n in range(MAX_ROWS + 3)]
    answers = list(measurements._profile_answers(COMMAND, report(operators=rows)))

    assert answers[-1].result["told"] == {"operators": MAX_ROWS, "kernels": 0, "left_out": 3}
