"""Which limit is in force, and what is said of a worker that reached it."""

from pathlib import Path

import pytest

from agent import memory_limit
from agent.memory_limit import Mechanism, Usage

MIB = 1 << 20


@pytest.mark.parametrize(
    ("delegated", "rlimit_holds", "mechanism"),
    [
        (True, True, Mechanism.CGROUP),
        (True, False, Mechanism.CGROUP),
        (False, True, Mechanism.RLIMIT_DATA),
        (False, False, Mechanism.WATCH),
    ],
)
def test_the_strongest_that_is_there(delegated, rlimit_holds, mechanism):
    """A cgroup before a limit of the process, that before looking on."""
    assert memory_limit.chosen(delegated=delegated, rlimit_holds=rlimit_holds) is mechanism


def test_what_a_process_holds():
    """Anonymous, shared and swapped memory, not mapped files; and what RLIMIT_DATA counts."""
    status = (
        "Name:\tpython\nVmData:\t  5000 kB\nVmSwap:\t     2 kB\n"
        "RssAnon:\t  1000 kB\nRssFile:\t  9999 kB\nRssShmem:\t    20 kB\n"
    )

    assert memory_limit.usage(status) == Usage((1000 + 20 + 2) << 10, 5000 << 10)


def test_a_process_that_has_ended_holds_nothing():
    """A zombie's status has no sizes."""
    assert memory_limit.usage("Name:\tpython\nState:\tZ (zombie)\n") == Usage(0, 0)


def test_this_process_holds_something():
    """The kernel that we run on says what we look for."""
    held = memory_limit.usage(Path("/proc/self/status").read_text())

    assert held.private_bytes > 0
    assert held.data_bytes > 0


def test_the_sentence_has_limit_and_use():
    """And what to do."""
    said = memory_limit.reached(Mechanism.CGROUP, held_bytes=512 * MIB, limit_bytes=512 * MIB)

    assert "limit (cgroup): held 512 MiB of 512 MiB;" in said
    assert "limits.worker_memory_bytes" in said


@pytest.mark.parametrize(
    ("limit_bytes", "said"),
    [(0, "0 bytes"), (1, "1 bytes"), (2048, "2 KiB"), (MIB - 1, "1023 KiB"), (MIB, "1 MiB")],
)
def test_a_limit_below_a_mebibyte_is_told_as_it_is(limit_bytes, said):
    """Who wrote 512 and meant MiB sees it."""
    sentence = memory_limit.reached(Mechanism.WATCH, held_bytes=15 * MIB, limit_bytes=limit_bytes)

    assert f"held 15 MiB of {said};" in sentence


def test_a_device_that_ran_out_is_another_sentence():
    """There was no limit: the kernel took the largest."""
    said = memory_limit.reached(Mechanism.CGROUP, held_bytes=None, limit_bytes=None)

    assert "the device ran out of memory while it held an unknown amount" in said
