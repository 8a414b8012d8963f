"""What is told of attempts to connect: each trouble once, each change, and anew after success."""

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wire import broker_url
from wire.attempts import WRONG_DIALECT, Attempts
from wire.errors import AccessFileError, BrokerRefusedError, BrokerUnreachableError

AUTO = broker_url.parse("mqtt://b")
FIXED = broker_url.parse("mqtt://b?protocol=5")


def test_a_trouble_that_repeats_is_told_once():
    """A broker that is away for a night does not fill the log."""
    attempts = Attempts(AUTO)

    assert [attempts.unreachable("Connection refused") for _ in range(4)] == [True] + [False] * 3
    assert isinstance(attempts.trouble, BrokerUnreachableError)


def test_each_change_of_the_reason_is_told():
    """Away, then there and refusing, then a file that is missing, then away again."""
    attempts = Attempts(AUTO)
    missing = AccessFileError(Path("/p"), "cannot be read")
    told = [
        attempts.unreachable("Connection refused"),
        attempts.refused("Not authorized"),
        attempts.refused("Not authorized"),
        attempts.failed(missing),
        attempts.failed(AccessFileError(Path("/p"), "cannot be read")),
        attempts.unreachable("Connection refused"),
    ]

    assert told == [True, True, False, True, False, True]


def test_after_a_connection_the_same_reason_is_news():
    """And there is no trouble while it stands."""
    attempts = Attempts(AUTO)
    attempts.unreachable("Connection refused")
    attempts.recovered()
    between = attempts.trouble

    assert attempts.unreachable("Connection refused")
    assert between is None


def test_a_broker_of_one_dialect_is_no_trouble():
    """It closes without a word, or refuses the version; then the other dialect works."""
    for first in (Attempts.closed_unanswered, lambda a: a.refused(WRONG_DIALECT)):
        attempts = Attempts(AUTO)

        assert (attempts.dialect, first(attempts), attempts.dialect) == ("5", False, "3.1.1")


def test_a_broker_that_closes_on_both_dialects_is_told_once():
    """It is no MQTT broker, or it wants TLS."""
    attempts = Attempts(AUTO)

    assert [attempts.closed_unanswered() for _ in range(5)] == [False, True, False, False, False]
    assert "closed before CONNACK" in str(attempts.trouble)


def test_silence_is_told_at_once_and_the_other_dialect_is_tried():
    """It takes half a minute to notice: a second one would be long."""
    attempts = Attempts(AUTO)

    assert attempts.silent(30)
    assert (attempts.dialect, attempts.trouble.reason) == ("3.1.1", "no CONNACK within 30 s")


def test_a_dialect_that_is_asked_for_is_kept():
    """Then closing, and refusing the version, are troubles at once."""
    closed, refused = Attempts(FIXED), Attempts(FIXED)

    assert (closed.closed_unanswered(), refused.refused(WRONG_DIALECT)) == (True, True)
    assert isinstance(refused.trouble, BrokerRefusedError)
    assert (closed.dialect, refused.dialect) == ("5", "5")


@given(st.lists(st.sampled_from(["away", "refuses", "closes", "silent", "up"]), max_size=30))
def test_nothing_is_told_twice_in_a_row(outcomes):
    """Whatever happens in whatever order, what is told differs from what was told before it."""
    attempts = Attempts(AUTO)
    told = []
    for outcome in outcomes:
        match outcome:
            case "up":
                attempts.recovered()
                told.append("up")
                continue
            case "away":
                news = attempts.unreachable("Connection refused")
            case "refuses":
                news = attempts.refused("Not authorized")
            case "closes":
                news = attempts.closed_unanswered()
            case "silent":
                news = attempts.silent(30)
        if news:
            told.append(attempts.trouble.reason)

    repeated = [a for a, b in itertools.pairwise(told) if a == b != "up"]
    assert repeated == []
