"""Desired state: what is refused, what conflicts, and what is started and revoked."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.lifecycle import State
from agent.reconcile import (
    MAX_ASSIGNMENTS,
    MAX_LIMIT,
    ConflictError,
    Known,
    RefusedDesiredError,
    check,
    plan,
    remembered,
)
from wire.manifest import File, Tolerance
from wire.messages import Assignment, Batching, Contract, Desired, Limits, Peer, Peers
from wire.tensors import MAX_RANK, TensorSpec
from wire.topics import MAX_GENERATION, MAX_STAGE

X = TensorSpec(name="x", dtype=1, shape=("N", 3))
Y = TensorSpec(name="y", dtype=1, shape=("N", 3))
FILES = (File(name="segment.onnx", sha256=hashlib.sha256(b"").hexdigest(), size_bytes=0),)
CONTRACT = Contract(receives=(X,), sends=(Y, X), inputs=(X,), outputs=(Y,))
RUNTIMES = ("identity", "onnx_cpu")


def assignment(generation=1, stage=0, pipeline="p", **fields):
    """Return an assignment that nothing is wrong with."""
    good = Assignment(
        pipeline=pipeline, generation=generation, stage=stage, segment="s", format="onnx",
        files=FILES, contract=CONTRACT, runtime="identity",
    )  # fmt: skip
    return replace(good, **fields)


def desired(*assignments, epoch=1, revision=1, **fields):
    """Return a desired state for device d1."""
    good = Desired(
        site="s", device="d1", epoch=epoch, revision=revision, assignments=assignments,
        issued_unix_ns=0,
    )  # fmt: skip
    return replace(good, **fields)


def checked(message, known=None):
    """Check as device d1 of site s would."""
    check(message, "s", "d1", known or Known(), RUNTIMES)


def after(*messages):
    """Return what is known after these were accepted, one after the other."""
    known = Known()
    for message in messages:
        checked(message, known)
        known = remembered(message, known)
    return known


@pytest.mark.parametrize(("site", "device"), [("s", "d2"), ("t", "d1")])
def test_what_is_for_others_is_refused(site, device):
    """Another device's or site's desired state, replayed on our topic, is not obeyed."""
    with pytest.raises(RefusedDesiredError, match=rf"is for {site}/{device} \(expected s/d1\)"):
        checked(desired(site=site, device=device))


@pytest.mark.parametrize(("epoch", "revision"), [(1, 5), (2, 4), (0, 99)])
def test_older_numbers_are_a_conflict(epoch, revision):
    """A lower (epoch, revision) than what was accepted is refused, whatever it lists."""
    known = after(desired(epoch=2, revision=5))

    with pytest.raises(ConflictError, match="is older than 2, 5"):
        checked(desired(epoch=epoch, revision=revision), known)


@pytest.mark.parametrize(("epoch", "revision"), [(2, 5), (2, 6), (3, 0)])
def test_the_same_and_newer_numbers_are_taken(epoch, revision):
    """A retained message that comes again is no conflict; a new writer's epoch wins."""
    known = after(desired(assignment(), epoch=2, revision=5))

    checked(desired(assignment(), epoch=epoch, revision=revision), known)


def test_the_same_numbers_with_other_content_are_a_conflict():
    """Two writers with one epoch and revision cannot both be right."""
    known = after(desired(assignment(), epoch=2, revision=5))

    with pytest.raises(ConflictError, match="says something else"):
        checked(desired(epoch=2, revision=5), known)


def test_after_a_lost_journal_the_same_numbers_are_taken():
    """Where only the numbers are known, the retained message may say what belonged to them."""
    checked(desired(assignment(), epoch=2, revision=5), Known(2, 5, {"p": 1}))


def test_negative_numbers_are_refused():
    """Nothing counts below zero."""
    with pytest.raises(RefusedDesiredError):
        checked(desired(epoch=0, revision=-1), Known(-1, 0))


def test_a_lower_generation_is_a_conflict():
    """A rollback is a new, higher generation; an old one that comes back is refused."""
    known = after(desired(assignment(7)), desired(revision=2))

    with pytest.raises(ConflictError, match="generation 6 of p is older than 7"):
        checked(desired(assignment(6), revision=3), known)


def test_the_generation_before_may_stay_beside_its_successor():
    """Make before break: both are listed, and later the old one is not."""
    known = after(
        desired(assignment(7)),
        desired(assignment(7), assignment(8), revision=2),
        desired(assignment(8), revision=3),
    )

    assert known.generations == {"p": 8}
    assert list(known.assignments) == ["p.8-0"]


def test_generations_of_pipelines_do_not_mix():
    """Each pipeline counts for itself."""
    known = after(desired(assignment(9, pipeline="a")))

    checked(desired(assignment(9, pipeline="a"), assignment(1, pipeline="b"), revision=2), known)


def test_one_generation_means_one_thing():
    """The same pipeline, generation and stage with other content is a conflict."""
    known = after(desired(assignment()))

    with pytest.raises(ConflictError, match=r"p\.1-0 means something else"):
        checked(desired(assignment(segment="other"), revision=2), known)


BAD = {
    "pipeline": {"pipeline": "../p"},
    "segment": {"segment": "a/b"},
    "generation 0": {"generation": 0},
    "generation negative": {"generation": -1},
    "generation too high": {"generation": MAX_GENERATION + 1},
    "stage negative": {"stage": -1},
    "stage too high": {"stage": MAX_STAGE + 1},
    "runtime": {"runtime": "tpu9"},
    "runtime path": {"runtime": "../x"},
    "no files": {"files": ()},
    "file name": {"files": (replace(FILES[0], name="../../etc/passwd"),)},
    "file twice": {"files": FILES * 2},
    "digest": {"files": (replace(FILES[0], sha256="A" * 64),)},
    "size": {"files": (replace(FILES[0], size_bytes=-1),)},
    "peer": {"peers": Peers(upstream=(Peer(device="a+b", stage=0),))},
    "peer's stage": {"peers": Peers(downstream=(Peer(device="d", stage=MAX_STAGE + 1),))},
    "two next": {"peers": Peers(downstream=(Peer(device="a", stage=1), Peer(device="b", stage=2)))},
    "one next twice": {"peers": Peers(downstream=2 * (Peer(device="a", stage=1),))},
    "many replicas": {
        "peers": Peers(downstream=tuple(Peer(device=f"d{n}", stage=1) for n in range(65)))
    },
    "no batch": {"batching": Batching(max_frames=0)},
    "endless batch": {"batching": Batching(max_frames=257)},
    "endless wait": {"batching": Batching(max_frames=2, max_wait_seconds=1.5)},
    "waits backwards": {"batching": Batching(max_frames=2, max_wait_seconds=-0.1)},
    "one device twice": {
        "peers": Peers(upstream=(Peer(device="a", stage=1), Peer(device="a", stage=2)))
    },
    "limit 0": {"limits": Limits(inbox_frames=0)},
    "limit negative": {"limits": Limits(threads=-4)},
    "limit too high": {"limits": Limits(memory_bytes=MAX_LIMIT + 1)},
    "dtype": {"contract": replace(CONTRACT, inputs=(replace(X, dtype=8),))},
    "rank": {"contract": replace(CONTRACT, receives=(replace(X, shape=(1,) * (MAX_RANK + 1)),))},
    "size of a dimension": {"contract": replace(CONTRACT, outputs=(replace(Y, shape=(-1,)),))},
    "one name twice": {"contract": replace(CONTRACT, receives=(X, X))},
    "input from nowhere": {"contract": replace(CONTRACT, inputs=(Y,))},
    "output from nowhere": {"contract": replace(CONTRACT, outputs=())},
    "tolerance": {"contract": replace(CONTRACT, tolerance=Tolerance(absolute=-1.0))},
    "steps": {"contract": replace(CONTRACT, quanta=33)},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_an_assignment_that_cannot_be_is_refused(fields):
    """Ids, ranges, files, tensors and limits are checked before anything is started."""
    checked(desired(assignment()))

    with pytest.raises(RefusedDesiredError, match="what ran goes on running"):
        checked(desired(assignment(**fields)))


def test_one_bad_assignment_refuses_all():
    """A desired state is the whole truth or none; which of them is bad is told."""
    with pytest.raises(RefusedDesiredError, match=r"p 1-1: runtime 'none' is not known here"):
        checked(desired(assignment(), assignment(stage=1, runtime="none")))


def test_too_many_and_twice_the_same_are_refused():
    """A device runs so many at most, and each once."""
    many = [assignment(stage=stage) for stage in range(MAX_ASSIGNMENTS + 1)]
    checked(desired(*many[1:]))

    with pytest.raises(RefusedDesiredError, match="65 assignments"):
        checked(desired(*many))
    with pytest.raises(RefusedDesiredError, match="two assignments"):
        checked(desired(assignment(), assignment()))


@given(
    st.sets(st.sampled_from("abcdefgh")),
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(State)),
)
def test_the_plan_makes_what_is_there_what_is_wanted(wanted, present):
    """Everything wanted and missing starts, everything else is revoked once, nothing else moves."""
    made = plan({key: assignment(pipeline=key) for key in wanted}, present)

    assert {a.pipeline for a in made.start} == wanted - set(present)
    going = {State.DRAINING, State.RELEASED}
    assert set(made.revoke) == {k for k in set(present) - wanted if present[k] not in going}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=6, unique=True))
def test_what_is_remembered_of_generations_never_falls(listed):
    """After any sequence of accepted states the highest generation of each pipeline is kept."""
    known = Known(0, 0, {"a": 5})
    message = desired(*(assignment(generation, pipeline=name) for name, generation in listed))

    got = remembered(message, known).generations

    assert got["a"] >= 5
    assert all(got[name] >= generation for name, generation in listed)
