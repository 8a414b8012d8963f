"""A small inference with a known answer, for whatever runs ONNX.

A convolution, a product of matrices and a mean: what accelerators do with code of their own, where
a build that does not fit the device goes wrong. All numbers are exact in float16, too.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from agent.runtimes import Tensors

MODEL: Final = bytes.fromhex(
    "080812003aba020a220a01780a016b1201632204436f6e762a110a04706164734001400140014001a00107"
    "0a0c0a0163120172220452656c750a110a01720a017712016d22064d61744d756c0a300a016d120179220a"
    "5265647563654d65616e2a0b0a04617865734002a001072a0f0a086b65657064696d731800a00102120570"
    "726f6f662a570802080108030803100142016b4a480000803f00000000000080bf000000400000803f0000"
    "000000000000000080bf0000803f000000000000803f000000000000803f000000c00000803f0000000000"
    "00803f000000002a2b0804080210014201774a200000803f0000004000004040000080bf00000000000080"
    "3f000000c00000803f5a1b0a017812160a14080112100a0208010a0208010a0208040a02080462170a0179"
    "12120a100801120c0a0208010a0208020a02080242040a00100d"
)
"""An ONNX model, opset 13: y = mean over columns of relu(conv(x)) @ w; x float32 [1, 1, 4, 4]."""
EXPECTED: Final = ((13.0, 7.0), (10.25, 6.75))


def problem(run: Callable[[Tensors], Tensors]) -> str:
    """Run the model and return what is wrong with its answer; empty: nothing."""
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4) % 5
    got = run({"x": x})["y"]
    if got.shape == (1, 2, 2) and np.allclose(got[0], EXPECTED, rtol=1e-3):
        return ""
    return f"its proof gave {got.tolist()} (expected {[[list(row) for row in EXPECTED]]})"
