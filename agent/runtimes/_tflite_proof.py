"""A tiny TFLite model with a known answer."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from agent.errors import RuntimeFailedError
from agent.runtimes import RuntimeOptions
from agent.runtimes._tflite import Interpreter

_PROOF: Final = bytes.fromhex(
    "1800000054464c3300000e00140010000c000800000004000e00000010000000400000004c0100000300"
    "0000020000002c0000000c00000000000600080004000600000004000000100000000000803f00004040"
    "0000004000008040a8ffffff01000000100000000c00140010000c00080004000c000000100000005800"
    "00005c00000060000000010000001400000000000e001400000010000c000b0004000e00000014000000"
    "00000008100000001400000004000400040000000100000002000000030000000000000001000000ffff"
    "ffff0100000002000000010000000000000003000000680000003400000004000000b0ffffff08000000"
    "0c00000001000000790000000200000001000000020000000c0010000c000000080004000c0000000c00"
    "0000010000000c00000001000000770000000200000002000000020000000c000c000800000000000400"
    "0c000000080000000c000000010000007800000002000000010000000200000001000000100000000c00"
    "0c000b000000000004000c0000000900000000000009"
)
"""A TFLite model: y = FULLY_CONNECTED(x, [[1, 3], [2, 4]]) with x and y float32 [1, 2]."""


def prove_interpreter(runtime: str, delegates: Sequence[Any] = (), module: Any = None) -> None:
    """Multiply two small matrices and compare.

    Raises:
        RuntimeOpenError: It cannot load anything.
        RuntimeFailedError: It gave no answer, or a wrong one.
    """
    interpreter = Interpreter(runtime, _PROOF, RuntimeOptions(), delegates, module)
    got = interpreter.run({"x": np.ones((1, 2), np.float32)})["y"].tolist()
    interpreter.close()
    if got != [[4.0, 6.0]]:
        raise RuntimeFailedError(runtime, f"its proof gave {got} (expected [[4.0, 6.0]])")
