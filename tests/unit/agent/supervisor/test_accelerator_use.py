"""What the supervisor makes of what workers say of their accelerators, and of how they end."""

from msgspec.structs import replace

from agent import memory_limit
from agent.channel import Using
from agent.recovery import Recovery
from agent.supervisor.accelerator_use import AcceleratorUse
from agent.supervisor.worker_process import WorkerLostError
from wire.messages import Assignment, Contract, Reason

ASSIGNMENT = Assignment(
    pipeline="p", generation=1, stage=0, segment="s", format="tflite", files=(),
    contract=Contract(receives=(), sends=(), inputs=(), outputs=()), runtime="tflite_edgetpu",
)  # fmt: skip
LOST = Reason(code="accelerator.lost", message="USB transfer error")
CORAL = Using(runtime="tflite_edgetpu", accelerator="usb:0", at_stake=True)
CPU = Using(runtime="tflite_cpu", accelerator="cpu", degraded=LOST)
TRIES_AGAIN = replace(CPU, at_stake=True)
CRASHED = WorkerLostError("worker.lost", "was ended by SIGSEGV")


def use(*said, at=0.0):
    """An accelerator of which a worker said this, a second apart."""
    made = AcceleratorUse(ASSIGNMENT, Recovery(15.0, 60.0))
    made.worker_started()
    for number, using in enumerate(said):
        made.told(using, at + number)
    return made


def test_what_works_is_held_and_not_degraded():
    """Others of this device leave it alone."""
    made = use(CORAL)

    assert made.held == ("tflite_edgetpu", "usb:0")
    assert made.degraded is None
    assert not made.fallen_back


def test_what_is_lost_stays_lost_for_the_next_worker():
    """Which begins with the fallback, and does not count as another loss."""
    made = use(CORAL, CPU)
    made.worker_ended(CRASHED, 5.0)
    made.worker_started()

    assert made.without == made.degraded == LOST
    assert made.recovery.wait_seconds == 60.0
    made.told(CPU, 6.0)
    assert made.fallen_back
    assert made.held is None
    assert made.recovery.wait_seconds == 60.0


def test_a_process_that_ends_with_it_in_use_has_lost_it():
    """Whatever ended it; the reason tells how."""
    made = use(CORAL)
    made.worker_ended(CRASHED, 5.0)

    assert made.without.code == "accelerator.lost"
    assert "was ended by SIGSEGV while it used tflite_edgetpu" in made.without.message


def test_a_process_that_hangs_says_so_itself():
    """Those words are the reason."""
    hangs = Reason(code="accelerator.lost", message="its run does not end")
    made = use(CORAL, replace(CORAL, degraded=hangs))
    made.worker_ended(WorkerLostError("worker.hung", "a run did not end", 5.0), 5.0)

    assert made.without == hangs


def test_a_process_that_needed_too_much_memory_says_nothing_against_it():
    """Unless it was to hold both for a while: the next try waits longer."""
    short = WorkerLostError(memory_limit.CODE, "reached its limit")
    first, again = use(CORAL), use(CORAL, CPU)
    first.worker_ended(short, 5.0)
    again.ordered(100.0)
    again.told(TRIES_AGAIN, 100.0)
    again.worker_ended(short, 101.0)

    assert first.without is None
    assert again.recovery.wait_seconds == 120.0


def test_a_try_that_fails_or_crashes_makes_the_next_wait_longer():
    """And one that works ends it."""
    failed, crashed, worked = (use(CORAL, CPU) for _ in range(3))
    for made in (failed, crashed, worked):
        made.ordered(100.0)
        made.told(TRIES_AGAIN, 100.0)
    failed.told(CPU, 101.0)
    crashed.worker_ended(CRASHED, 101.0)
    worked.told(CORAL, 101.0)

    assert failed.recovery.wait_seconds == crashed.recovery.wait_seconds == 120.0
    assert "SIGSEGV" in crashed.without.message
    assert (worked.without, worked.degraded) == (None, None)
    assert worked.recovery.used_since == 101.0
