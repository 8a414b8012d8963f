"""A stage and what surrounds it, as the worker's modules take them."""

import numpy as np
import pytest

from agent.worker.stage import Stage
from wire import codecs, frame
from wire.frame import Frame, Kind
from wire.messages import Assignment, Contract, Peer, Peers, Transfer
from wire.tensors import TensorSpec
from wire.topics import Site

X = TensorSpec(name="x", dtype=1, shape=("n",))


class Made:
    """Makes stages and frames."""

    X = X

    @staticmethod
    def stage(number=1, *, upstream=("d0",), downstream=("d2",), contract=None, codec="raw"):
        """Return a stage of pipeline p, generation 7, on device d1."""
        agreed = contract or Contract(receives=(X,), sends=(X,), inputs=(X,), outputs=(X,))
        assignment = Assignment(
            pipeline="p", generation=7, stage=number, segment="s", format="onnx", files=(),
            contract=agreed, runtime="identity", transfer=Transfer(codec=codec),
            peers=Peers(
                upstream=tuple(Peer(device=d, stage=number - 1) for d in upstream),
                downstream=tuple(Peer(device=d, stage=number + 1) for d in downstream),
            ),
        )  # fmt: skip
        return Stage("d1", Site(), assignment, instance=9, clock="c")

    @staticmethod
    def frame(sequence=0, *, values=(1.0,), stage=1, **fields):
        """Return a data frame of client c for that stage."""
        tensors = codecs.tensors({"x": np.array(values, np.float32)})
        meta = {"client": "c", **fields.pop("meta", {})}
        return Frame(
            fields.pop("kind", Kind.DATA), 5, sequence, generation=fields.pop("generation", 7),
            stage=stage, meta=meta, tensors=tensors, **fields,
        )  # fmt: skip

    @staticmethod
    def joined(made):
        """Return a frame's bytes as they arrive."""
        return b"".join(memoryview(b).cast("B") for b in frame.encode(made))


@pytest.fixture
def made():
    """Return what the tests make things with."""
    return Made
