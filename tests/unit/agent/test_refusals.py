"""What was refused is counted, and logged without filling a disk."""

from structlog.testing import capture_logs

from agent.refusals import MAX_REASONS, QUIET_SECONDS, Refusals


class Clock:
    """A clock that stands where it is put."""

    now = 0.0

    def __call__(self):
        """Return the time."""
        return self.now


def test_a_flood_is_one_line_a_minute_with_its_count():
    """The first at once; the next line says how many there were since."""
    clock = Clock()
    refusals = Refusals(clock)
    with capture_logs() as lines:
        for _ in range(1000):
            refusals.count("message.malformed", "not JSON")
        clock.now = QUIET_SECONDS
        refusals.count("message.malformed", "not JSON")

    assert [line["count"] for line in lines] == [1, 1000]
    assert refusals.totals() == {"message.malformed": 1001}


def test_each_reason_is_told_by_itself():
    """One that floods does not hide another."""
    refusals = Refusals(Clock())
    with capture_logs() as lines:
        for code in ("a.b", "a.b", "c.d"):
            refusals.count(code, "x" * 10_000)

    assert [line["code"] for line in lines] == ["a.b", "c.d"]
    assert max(len(line["error"]) for line in lines) < 1000


def test_reasons_are_bounded():
    """Whatever is refused, there are only so many series."""
    refusals = Refusals(Clock())
    for number in range(100):
        refusals.count(f"reason.{number}", "")

    told = {reading.labels: reading.value for reading in refusals.readings()}
    assert len(told) == MAX_REASONS + 1
    assert told[(("reason", "other"),)] == 100 - MAX_REASONS
    assert {reading.name for reading in refusals.readings()} == {"control_refused_total"}
