"""What it costs to make a frame and to take it apart: head, meta and table, at any payload size.

    uv run python benchmarks/frame_codec.py

`encode` gives a list of buffers, of which all but the first small one are views of the caller's
arrays; `decode` gives views into the received bytes. So the time must not grow with the payload,
and the memory that Python allocates meanwhile (by tracemalloc, which sees numpy's too) must stay a
few KB. The meta is that of a frame behind two stages, with their timings. The table is that of the
frame before, as in a stream; *new table* is a decode whose table was never seen. *views* is to ask
a received frame for each of its tensors, *tensors* and *arrays* what `wire.codecs` needs to make
tensors of numpy arrays and arrays of a received frame. Other codecs and ciphers are not in it.
"""

import argparse
import os
import statistics
import time
import tracemalloc

import numpy as np

from wire import codecs, frame, timings
from wire.frame import Frame, Kind
from wire.table import kept

SIZES = (0, 64 << 10, 600 << 10, 3 << 20, 12 << 20)
TENSORS = (1, 2, 4, 8, 16)
CALLS = 300
COLUMNS = (
    "payload", "tensors", "encode us", "decode us", "together us", "least", "new table us",
    "views us", "tensors us", "arrays us", "encode allocates", "decode allocates",
)  # fmt: skip


def example(size_bytes, count):
    """Return a frame as the second stage sends it, and its arrays."""
    shape = (size_bytes // count // 4,)
    arrays = {f"/backbone/layer{i}/Relu_output_0": np.ones(shape, np.float32) for i in range(count)}
    meta = {"client": "u0123456789-abcd", "hop": [1 << 60, 1000, 1 << 36, "pi-1"]}
    for stage in range(2):
        entry = timings.StageTimes(
            stage=stage, device="pi-1", clock="0123456789abcdef", received=10**15,
            started=10**15, run=10**15, finished=10**15, sent=10**15,
        )  # fmt: skip
        meta[timings.KEY] = timings.appended(meta, entry)
    made = Frame(
        Kind.DATA, 1 << 60, 1000, generation=7, stage=2, deadline_ms=9000, meta=meta,
        tensors=codecs.tensors(arrays),
    )  # fmt: skip
    return made, arrays


def microseconds(call, rounds):
    """Return the median and the least of so many rounds of calls, in microseconds each."""
    found = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        for _ in range(CALLS):
            call()
        found.append((time.thread_time_ns() - began) / CALLS / 1e3)
    return statistics.median(found), min(found)


def allocated_bytes(call):
    """Return the most memory that was allocated while ``call`` ran, its result included."""
    call()
    tracemalloc.start()
    try:
        kept = call()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
        return peak
    finally:
        tracemalloc.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    print(f"n = {options.rounds} rounds of {CALLS}; load before {os.getloadavg()[0]:.1f}\n")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for size_bytes in SIZES:
        for count in TENSORS:
            made, arrays = example(size_bytes, count)
            data = b"".join(frame.encode(made))
            received = frame.decode(data)
            encode, least_encode = microseconds(lambda m=made: frame.encode(m), options.rounds)
            decode, least_decode = microseconds(lambda d=data: frame.decode(d), options.rounds)
            others = [
                microseconds(call, options.rounds)[0]
                for call in (
                    lambda d=data: (kept.cache_clear(), frame.decode(d)),
                    lambda r=received: tuple(r.tensors),
                    lambda a=arrays: codecs.tensors(a),
                    lambda r=received: codecs.arrays(r),
                )
            ]
            print(
                f"| {size_bytes} | {count} | {encode:.1f} | {decode:.1f} | {encode + decode:.1f}"
                f" | {least_encode + least_decode:.1f} | {' | '.join(f'{us:.1f}' for us in others)}"
                f" | {allocated_bytes(lambda m=made: frame.encode(m))} B"
                f" | {allocated_bytes(lambda d=data: frame.decode(d))} B |",
                flush=True,
            )


if __name__ == "__main__":
    main()
