"""The layout of weights.bin."""

from hypothesis import given
from hypothesis import strategies as st

from fleet import weights

TENSORS = st.lists(
    st.tuples(st.uuids().map(str), st.sampled_from([0, 1, 63, 64, 1000, 1 << 20, (1 << 20) + 5])),
    max_size=5,
    unique_by=lambda tensor: tensor[0],
)


@given(TENSORS)
def test_each_tensor_is_at_its_place(tensors):
    """Large ones begin at multiples of 64 KiB, others at 64, and none overlaps another."""
    given_tensors = [(name, bytes([n + 1]) * size) for n, (name, size) in enumerate(tensors)]
    placed = weights.place(given_tensors)
    content = b"".join(weights.pieces(placed))

    assert {tensor.name: tensor.data for tensor in placed} == dict(given_tensors)
    for tensor in placed:
        large = len(tensor.data) >= weights.LARGE_BYTES
        assert tensor.offset_bytes % (64 << 10 if large else 64) == 0
        end = tensor.offset_bytes + len(tensor.data)
        assert content[tensor.offset_bytes : end] == tensor.data
    assert len(content) == max((t.offset_bytes + len(t.data) for t in placed), default=0)


def test_no_tensors_are_an_empty_file():
    """A segment without large weights still has its file."""
    assert b"".join(weights.pieces(weights.place([]))) == b""
