"""A worker's RLIMIT_DATA, each time in a process of its own."""

import subprocess
import sys

import pytest

PROLOGUE = "import resource; from agent.worker import data_limit as d; M = 1 << 20;"


def said(code):
    """Run a few statements in a new process; returns what they print."""
    ended = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_it_holds():
    """More than the limit is refused, with both figures in the sentence."""
    text = said(
        "d.hold(256 * M)\n"
        "try: bytearray(300 * M)\n"
        "except MemoryError as error: print(d.reached(error))"
    )

    assert text.startswith("reached its memory limit (rlimit_data): held ")
    assert " of 256 MiB;" in text


def test_for_a_while():
    """While the segment is scanned; what the runtime's library takes then is not refused."""
    code = "\nwith d.held({}):\n try: bytearray(300 * M)\n except MemoryError: print('refused')\n"

    assert said(code.format("256 * M") + "bytearray(300 * M)") == "refused"
    assert said(code.format("None")) == ""


def test_what_the_process_holds_already_is_too_much():
    """The runtime alone takes more than the limit."""
    code = "\ntry: d.hold(1 * M)\nexcept MemoryError as error: print(error)"

    assert said(code) == "the runtime alone takes more"


@pytest.mark.parametrize(("room", "near"), [(8, True), (64, False)])
def test_a_thread_that_gets_no_stack_is_near_the_limit(room, near):
    """What fails with so little left may fail for that."""
    assert said(f"d.hold(d._held_bytes() + {room} * M); print(d.is_near())") == str(near)


def test_without_a_limit_nothing_is_near():
    """And a refused allocation is told with what is held."""
    text = said("d.hold(None); print(d.is_near(), d.reached(MemoryError('no')))")

    assert text.startswith("False an allocation was refused (no); held ")
