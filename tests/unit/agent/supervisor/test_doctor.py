"""An examination by a child of the supervisor."""

import asyncio

import psutil
import pytest

from agent.supervisor.doctor import Doctor
from wire.messages import Reason
from wire.reports import DoctorReport


async def outcome_of(doctor):
    """Begin an examination and return what it came to."""
    ended = asyncio.get_running_loop().create_future()
    assert doctor.begin(ended.set_result)
    return await ended


def test_a_child_examines_and_only_one_does():
    """A second one is not begun while the first runs; after it, it is."""

    async def twice():
        doctor = Doctor(["--broker", "mqtt://127.0.0.1:9", "--device", "d7"])
        ended = asyncio.get_running_loop().create_future()
        first, second = doctor.begin(ended.set_result), doctor.begin(lambda _: None)
        report = await ended
        await asyncio.sleep(0)
        third = doctor.begin(lambda _: None)
        await doctor.stop()
        return first, second, third, report

    first, second, third, report = asyncio.run(twice())

    assert (first, second, third) == (True, False, True)
    assert isinstance(report, DoctorReport)
    assert report.device == "d7"


@pytest.mark.parametrize(
    ("arguments", "limit_seconds", "says"),
    [(["--nonsense"], 60.0, "ended with status 2"), ([], 0.01, "took over 0.01 s")],
)
def test_a_child_without_a_report_is_told(arguments, limit_seconds, says):
    """It ended otherwise, or was too slow and was killed."""

    async def once():
        doctor = Doctor(arguments)
        doctor.limit_seconds = limit_seconds
        return await outcome_of(doctor)

    assert says in asyncio.run(once())


def test_what_serves_on_less_than_was_asked_for_is_found():
    """The child cannot know it: a stick may pass its proof and fail all the same."""
    lost = Reason(code="accelerator.lost", message="p.1-0: usb:0 is lost")

    async def once():
        return await outcome_of(Doctor(["--broker", "mqtt://127.0.0.1:9"], lambda: (lost,)))

    (finding,) = asyncio.run(once()).examinations[-1].findings

    assert (finding.id, finding.severity) == ("runtimes.degraded", "warning")
    assert finding.evidence == "p.1-0: usb:0 is lost (accelerator.lost)"
    assert "used again by itself" in finding.fix


def test_stopping_kills_the_child_and_answers_nobody():
    """An agent that ends waits for no examination."""

    async def stopped():
        doctor, answers = Doctor(), []
        doctor.begin(answers.append)
        while not (children := psutil.Process().children()):  # noqa: ASYNC110 of the system
            await asyncio.sleep(0.01)
        children[0].suspend()  # it does not end by itself
        await doctor.stop()
        return answers

    assert asyncio.run(stopped()) == []
