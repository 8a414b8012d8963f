"""How it went: judged by signs, beside the life of the assignment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outcome import JUDGEMENTS, Outcome, Sign, judge


def judged(*signs):
    """Return the outcome after these signs."""
    outcome = Outcome.PENDING
    for sign in signs:
        outcome = judge(outcome, sign)
    return outcome


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([], Outcome.PENDING),
        ([Sign.SERVED], Outcome.HEALTHY),
        ([Sign.SERVED, Sign.LOST], Outcome.FAILING),
        ([Sign.SERVED, Sign.LOST, Sign.SERVED], Outcome.FAILING),
        ([Sign.SERVED, Sign.LOST, Sign.SERVED, Sign.STEADY], Outcome.HEALTHY),
        ([Sign.LOST], Outcome.FAILING),
        ([Sign.GAVE_UP], Outcome.FAILING),
        ([Sign.GAVE_UP, Sign.REVOKED], Outcome.ROLLED_BACK),
        ([Sign.SERVED, Sign.REVOKED], Outcome.HEALTHY),
        ([Sign.REVOKED], Outcome.PENDING),
        ([Sign.DAMAGED], Outcome.INCONSISTENT),
        ([Sign.SERVED, Sign.DAMAGED, Sign.SERVED], Outcome.FAILING),
    ],
)
def test_histories(signs, expected):
    """A worker that came back is healthy again only after it has been steady."""
    assert judged(*signs) is expected


@given(st.lists(st.sampled_from(Sign)))
def test_a_failure_is_never_forgotten_by_serving_alone(signs):
    """Between a loss and healthy there is always a steady minute."""
    assert judged(*signs, Sign.GAVE_UP, Sign.SERVED) is not Outcome.HEALTHY


@given(st.sampled_from(Outcome), st.sampled_from(Sign))
def test_every_sign_is_understood_everywhere(outcome, sign):
    """A sign that says nothing new changes nothing."""
    assert judge(outcome, sign) is JUDGEMENTS.get((outcome, sign), outcome)
