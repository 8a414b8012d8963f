"""submitted = results + errors + drops + in_flight, at every instant."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wire.accounting import DEADLINE, Accounting

SEQUENCES = st.integers(0, 12)
"""So few that answers meet frames that ended, and frames that never were."""


class AccountMachine(RuleBasedStateMachine):
    """Everything that can happen to frames, in any order, beside a plain record of it."""

    @initialize()
    def open(self):
        """Begin an account and the record: how each frame ended, or its deadline."""
        self.account = Accounting()
        self.now = 0.0
        self.deadlines = {}
        self.ends = {}
        self.silent = set()
        self.late = 0
        self.next_sequence = 0

    @rule(deadline=st.sampled_from([0.5, 1.0, 10.0]))
    def submit(self, deadline):
        """The client submits its next frame."""
        self.account.submit(self.next_sequence, self.now + deadline)
        self.deadlines[self.next_sequence] = self.now + deadline
        self.next_sequence += 1

    @rule(sequence=SEQUENCES, how=st.sampled_from(["result", "error", "drop"]))
    def answer(self, sequence, how):
        """An answer comes, perhaps to a frame that ended or never was."""
        arguments = (sequence, "worker.lost") if how == "error" else (sequence,)
        counted = getattr(self.account, how)(*arguments)

        assert counted is (sequence in self.deadlines)
        if counted:
            del self.deadlines[sequence]
            self.ends[sequence] = how
        else:
            self.late += 1
            self.silent.discard(sequence)

    @rule(seconds=st.sampled_from([0.25, 1.0, 20.0]))
    def wait(self, seconds):
        """Time passes; what is due ends as `frame.deadline`."""
        self.now += seconds
        due = [s for s, deadline_at in self.deadlines.items() if deadline_at <= self.now]

        assert sorted(self.account.expire(self.now)) == due
        for sequence in due:
            del self.deadlines[sequence]
            self.ends[sequence] = DEADLINE
            self.silent.add(sequence)

    @invariant()
    def the_sum_holds(self):
        """The account says what the record says, and each frame ended at most once."""
        account = self.account
        ends = list(self.ends.values())
        assert account.balanced
        assert account.submitted == self.next_sequence == len(ends) + account.in_flight
        assert account.results == ends.count("result")
        assert account.drops == ends.count("drop")
        assert account.errors["worker.lost"] == ends.count("error")
        assert account.errors[DEADLINE] == ends.count(DEADLINE)
        assert account.lost == len(self.silent)
        assert account.late == self.late

    def teardown(self):
        """At the end, when every deadline has passed, nothing is in flight."""
        if hasattr(self, "account"):
            self.account.expire(self.now + 100)
            assert self.account.in_flight == 0
            assert self.account.balanced


AccountMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestAccount = AccountMachine.TestCase


def test_lost_is_taken_back_when_a_stage_explains_it():
    """A deadline is a defect only until any stage has said why."""
    account = Accounting()
    account.submit(0, 1.0)
    account.expire(1.0)
    assert account.lost == 1

    assert not account.error(0, "worker.lost")
    assert account.lost == 0
    assert account.errors == {DEADLINE: 1}


def test_number_in_flight_is_not_submitted_again():
    """Two frames of one number could never be told apart: a bug in the caller."""
    account = Accounting()
    account.submit(3, 1.0)

    with pytest.raises(ValueError, match="3 is in flight"):
        account.submit(3, 2.0)
    assert account.balanced
    assert account.submitted == 1


def test_memory_of_unexplained_frames_is_bounded():
    """A pipeline that never answers does not fill the client's memory."""
    account = Accounting()
    for sequence in range(5000):
        account.submit(sequence, 1.0)
    account.expire(1.0)

    assert account.lost == 4096
    assert account.errors[DEADLINE] == 5000
