"""Runs the TFLite models that come on standard input, each behind its size in four bytes.

Answers each with one byte: O (it ran) or E (LiteRT refused it); what ends this process gets none.
"""

import os
import resource
import signal
import struct
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MEMORY_BYTES = 2 << 30
ONE_MODEL_SECONDS = 20
REFUSED = (ValueError, RuntimeError, MemoryError, OverflowError, TypeError)


def main() -> None:
    """Run models until there are no more."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.dup(1)
    os.dup2(2, 1)  # libraries print
    while len(head := sys.stdin.buffer.read(4)) == 4:
        data = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
        signal.alarm(ONE_MODEL_SECONDS)
        try:
            _run(data)
            answer = b"O"
        except REFUSED:
            answer = b"E"
        signal.alarm(0)
        os.write(answers, answer)


def _run(data: bytes) -> None:
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], np.ones(given["shape"], given["dtype"]))
    interpreter.invoke()
    for made in interpreter.get_output_details():
        interpreter.get_tensor(made["index"])


if __name__ == "__main__":
    main()
