"""The C library's heap, seen from outside, in what the process has mapped."""

import os
import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import re, sys, threading
from pathlib import Path
from wire.allocator import share_one_heap

if sys.argv[1] == "one":
    assert share_one_heap()
ready, done = threading.Barrier(9), threading.Event()
def work():
    kept = [bytearray(1000) for _ in range(1000)]
    ready.wait()
    done.wait()
for _ in range(8):
    threading.Thread(target=work).start()
ready.wait()
text = Path("/proc/self/smaps").read_text()
done.set()
starts = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *$", text, re.M)
print(sum(int(start, 16) % (64 << 20) == 0 for start, _ in starts))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has several heaps")
def test_threads_get_no_heaps_of_their_own():
    """Glibc's further heaps begin at multiples of 64 MiB; with one heap there are none."""

    def heaps(how, **environment):
        command = [sys.executable, "-c", _PROGRAM, how]
        surroundings = {**os.environ, **environment}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
        return int(done.stdout)

    assert heaps("many") > 0
    assert heaps("one") == 0
    assert heaps("many", MALLOC_ARENA_MAX="1") == 0, "what an application of one's own can set"


_GIVEN_BACK = """
import re
from pathlib import Path
from wire.allocator import give_back

def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

before = held()
parts = [bytes([7]) * 50_000 for _ in range(1000)]
last = bytes([7]) * 50_000  # on top of them all: nothing below it is given back by itself
del parts
between = held()
give_back()
print(between - before, held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
def test_what_is_free_in_the_middle_of_the_heap_is_given_back():
    """It stays in the process until that is asked for."""
    command = [sys.executable, "-c", _GIVEN_BACK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())

    assert kept > 40
    assert left < 5
