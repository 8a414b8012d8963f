from hypothesis import given
from hypothesis import strategies as st

from agent import journal
from agent.journal import Journal, Progress


def test_each_start_counts_one():
    """Session numbers of a new start are above all of those before."""
    before = Journal(start_counter=4, epoch=2)

    assert journal.started(before) == Journal(start_counter=5, epoch=2)


def test_accepted_state_is_kept_as_it_came():
    """The signed text is there again after a restart, with its numbers."""
    after = journal.accepted(
        Journal(start_counter=1), "{signed}", epoch=3, revision=9, generations={"detector": 7}
    )

    assert after == Journal(
        start_counter=1, desired="{signed}", epoch=3, revision=9, generations={"detector": 7}
    )


def test_generation_of_a_pipeline_never_goes_back():
    """A pipeline that is no longer assigned keeps its number; one that is, the highest."""
    before = Journal(generations={"gone": 5, "there": 8})

    after = journal.accepted(before, "{}", epoch=1, revision=1, generations={"there": 7, "new": 1})

    assert after.generations == {"gone": 5, "there": 8, "new": 1}


@given(st.lists(st.dictionaries(st.integers(0, 2000), st.integers(1, 9), max_size=400), max_size=4))
def test_generations_do_not_grow_without_bound(steps):
    """However many pipelines come and go, the file stays small, and the present ones are in it."""
    kept = Journal()
    for step in steps:
        generations = {f"p{name}": generation for name, generation in step.items()}
        kept = journal.accepted(kept, "{}", epoch=1, revision=1, generations=generations)

        assert set(generations) <= set(kept.generations)
        assert len(kept.generations) <= len(generations) + journal.MAX_PIPELINES


def test_restarts_count_until_the_assignment_serves():
    """An assignment that brings the agent down each time is recognised."""
    state = journal.progressed(Journal(), "a.1-0", "LOADING")
    state = journal.restarted(journal.restarted(state, "a.1-0"), "a.1-0")
    state = journal.progressed(state, "a.1-0", "WARMING")
    warming = state.assignments["a.1-0"]
    state = journal.progressed(state, "a.1-0", "SERVING", serving=True)

    assert warming == Progress(state="WARMING", restarts_without_serving=2)
    assert state.assignments["a.1-0"] == Progress(state="SERVING")


def test_assignments_that_are_gone_are_forgotten():
    """The file holds what is assigned and nothing else."""
    both = journal.progressed(journal.progressed(Journal(), "a", "SERVING"), "b", "FAILED")

    assert set(journal.keeping(both, ["b", "c"]).assignments) == {"b"}


def test_changes_make_new_journals():
    """What was saved is not changed behind the back of whoever holds it."""
    before = Journal(generations={"a": 1}, assignments={"k": Progress(state="LOADING")})
    copy = Journal(generations={"a": 1}, assignments={"k": Progress(state="LOADING")})

    journal.accepted(before, "{}", epoch=1, revision=1, generations={"a": 2})
    journal.progressed(before, "k", "SERVING")
    journal.restarted(before, "k")
    journal.keeping(before, [])

    assert before == copy
