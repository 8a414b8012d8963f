"""The layout of weights.bin, and its chunks."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet import chunks, weights

TENSORS = st.lists(
    st.tuples(st.uuids().map(str), st.sampled_from([0, 1, 63, 64, 1000, 1 << 20, (1 << 20) + 5])),
    max_size=5,
    unique_by=lambda tensor: tensor[0],
)


def written(folder, tensors):
    """Write tensors of these names and bytes; return where they are, what was written, content."""
    placed = weights.place((name, len(data)) for name, data in tensors)
    data_of = dict(tensors)

    def pieces(name):
        view = memoryview(data_of[name])
        step = 100_000
        return (view[at : at + step] for at in range(0, len(view), step))

    done = weights.write(folder / "weights.bin", placed, pieces)
    return placed, done, (folder / "weights.bin").read_bytes()


@given(TENSORS)
def test_each_tensor_is_at_its_place(tmp_path_factory, tensors):
    """Large ones begin at multiples of 64 KiB, others at 64, and none overlaps another."""
    given_tensors = [(name, bytes([n]) * size) for n, (name, size) in enumerate(tensors)]
    placed, done, content = written(tmp_path_factory.mktemp("w"), given_tensors)

    data_of = dict(given_tensors)
    for tensor in placed:
        large = tensor.size_bytes >= weights.LARGE_BYTES
        assert tensor.offset_bytes % (64 << 10 if large else 64) == 0
        end = tensor.offset_bytes + tensor.size_bytes
        assert content[tensor.offset_bytes : end] == data_of[tensor.name]
    assert len(content) == max((t.offset_bytes + t.size_bytes for t in placed), default=0)
    assert done.file.sha256 == hashlib.sha256(content).hexdigest()


@given(TENSORS)
def test_chunks_are_the_file(tmp_path_factory, tensors):
    """Each chunk has the digest of its range; what lies between two is zero."""
    given_tensors = [(name, bytes([n + 1]) * size) for n, (name, size) in enumerate(tensors)]
    _, done, content = written(tmp_path_factory.mktemp("w"), given_tensors)

    rest = bytearray(content)
    for offset, size, sha256 in done.chunks:
        assert hashlib.sha256(content[offset : offset + size]).hexdigest() == sha256
        rest[offset : offset + size] = bytes(size)
    assert not any(rest)


def test_chunks_are_found_again_when_a_boundary_moves(tmp_path):
    """Tensors that go to another segment keep their chunks, but for one run at the boundary."""
    random = np.random.default_rng(0)
    sizes = [3 << 20, *[20_000] * 60, 9 << 20, *[5_000] * 200, 2 << 20]
    tensors = [(f"t{n}", random.bytes(size)) for n, size in enumerate(sizes)]
    found = []
    for boundary in (100, 140):
        parts = []
        for part in (tensors[:boundary], tensors[boundary:]):
            folder = tmp_path / f"{boundary}-{len(parts)}"
            folder.mkdir()
            parts.append(written(folder, part)[1].chunks)
        found.append(parts)

    before, after = found
    known = [chunk for part in before for chunk in part]
    wanted = [chunk for part in after for chunk in part]
    total = sum(chunk.size_bytes for chunk in wanted)
    assert chunks.found_bytes(wanted, known) > 0.9 * total
    assert max(chunk.size_bytes for chunk in wanted) <= chunks.CHUNK_BYTES


def test_a_piece_of_zeros_takes_no_room(tmp_path):
    """It becomes a hole, and reads as zeros."""
    _, done, content = written(tmp_path, [("w", bytes(8 << 20))])

    assert content == bytes(8 << 20)
    assert (tmp_path / "weights.bin").stat().st_blocks * 512 < 1 << 20
    assert done.file.size_bytes == 8 << 20


def test_no_tensors_are_an_empty_file(tmp_path):
    """A segment without large weights still has its file."""
    _, done, content = written(tmp_path, [])

    assert (content, done.chunks) == (b"", ())
