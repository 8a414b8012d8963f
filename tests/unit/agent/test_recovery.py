"""When an accelerator that was lost is looked at, and used again."""

from hypothesis import given
from hypothesis import strategies as st

from agent.recovery import LONGEST_WAIT_SECONDS, Recovery, proved_anew, without_lost
from wire.messages import RuntimeInfo

NEVER_LOST = Recovery(look_seconds=15.0, stable_seconds=60.0)


def looked_until_ripe(recovery, now, *, every=1.0, patience=20_000):
    """Look whenever it may be looked, always with success; returns it and when it is ripe."""
    looks = 0
    for _ in range(patience):
        if recovery.wants_look(now, listed=None):
            recovery, looks = recovery.looked(now, works=True), looks + 1
        if recovery.ripe():
            return recovery, now, looks
        now += every
    raise AssertionError("it is never ripe")


def test_what_works_for_a_minute_is_used_again():
    """Four looks apart, and one at the start."""
    _, ripe_at, looks = looked_until_ripe(NEVER_LOST.lost(100.0), 100.0)

    assert (ripe_at, looks) == (160.0, 5)


def test_a_break_begins_the_minute_anew():
    """Whether a look shows it, or the kernel's list."""
    recovery = NEVER_LOST.lost(0.0)
    for now in (0.0, 15.0, 30.0, 45.0):
        recovery = recovery.looked(now, works=True)

    assert not recovery.looked(60.0, works=False).looked(90.0, works=True).ripe()
    assert not recovery.unlisted().looked(60.0, works=True).ripe()
    assert recovery.looked(60.0, works=True).ripe()


def test_what_is_not_there_is_looked_for_less_and_less():
    """Each look starts a process: after an hour in vain there were some twenty."""
    recovery, looks = NEVER_LOST.lost(0.0), 0
    for now in range(3600):
        if recovery.wants_look(float(now), listed=None):
            recovery, looks = recovery.looked(float(now), works=False), looks + 1

    assert 15 <= looks <= 25
    assert not recovery.wants_look(1e9, listed=False)
    assert recovery.wants_look(recovery.looked_at + 15.0, listed=True)


def test_each_time_it_does_not_last_the_wait_is_longer():
    """Tried and failed, or used and lost soon; up to an hour."""
    recovery, now, waits = NEVER_LOST.lost(0.0), 0.0, []
    for turn in range(9):
        began = now
        recovery, now, _ = looked_until_ripe(recovery, now, every=15.0)
        waits.append(now - began)
        recovery = recovery.ordered(now)
        assert not recovery.wants_look(now + 1000, listed=True)
        now += 1
        recovery = (recovery.used(now) if turn % 2 else recovery).lost(now + 5)
        now += 5

    assert sorted(waits) == waits
    assert waits[0] == 60.0
    assert waits[1] == 120.0
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_what_lasted_is_trusted_again():
    """Lost ten minutes after it was used again, it waits a minute as the first time."""
    recovery = NEVER_LOST.lost(0.0).lost(1.0).ordered(200.0).used(201.0).lost(900.0)

    assert recovery.wait_seconds == 60.0


@given(st.lists(st.tuples(st.floats(0.1, 100.0), st.booleans()), max_size=200))
def test_it_is_never_used_before_it_worked_for_the_whole_wait(looks):
    """Whatever the looks show, and when."""
    recovery, now, works_since = NEVER_LOST.lost(0.0), 0.0, None
    for after, works in looks:
        now += after
        if not recovery.wants_look(now, listed=None):
            continue
        recovery = recovery.looked(now, works=works)
        works_since = (now if works_since is None else works_since) if works else None

        assert recovery.ripe() == (works_since is not None and now - works_since >= 60.0)


def info(runtime, accelerator, reason=None):
    """A runtime as it is told."""
    return RuntimeInfo(
        runtime=runtime, accelerator=accelerator, proved=reason is None, reason=reason,
        formats=("tflite",),
    )  # fmt: skip


def test_planners_are_told_what_was_lost():
    """That accelerator alone; without a name, all of the runtime."""
    runtimes = [info("a", "usb:0"), info("a", "usb:1"), info("b", "cpu")]

    one = without_lost(runtimes, {("a", "usb:1"): "gone"})
    every = without_lost(runtimes, {("a", ""): "gone"})

    assert [found.proved for found in one] == [True, False, True]
    assert one[1].reason == "gone"
    assert [found.proved for found in every] == [False, False, True]


def test_newer_proofs_replace_older_ones():
    """Of one accelerator, or of a runtime that had found none."""
    before = [info("a", "usb:0"), info("a", "usb:1"), info("b", "none", "missing")]
    crashed = RuntimeInfo(runtime="a", accelerator="usb:1", reason="it crashed")

    after = proved_anew(before, [crashed])

    assert [(found.runtime, found.accelerator) for found in after] == [
        ("a", "usb:0"),
        ("b", "none"),
        ("a", "usb:1"),
    ]
    assert (after[-1].reason, after[-1].formats) == ("it crashed", ("tflite",))
    assert [info("a", "usb:0"), info("a", "usb:1"), info("b", "gpu:0")] == list(
        proved_anew(before, [info("b", "gpu:0")])
    )
