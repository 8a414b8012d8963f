"""Frames that take longer on their way than a neighbour may be silent."""

import contextlib

import pytest

from tests.system.chains import Chain
from tests.system.place import until
from tests.system.proxy import Proxy

BYTES_PER_SECOND = 1.2e6
SECONDS = 120.0


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A quick model in two segments whose frames are of 8 MB."""
    return Chain(tmp_path_factory.mktemp("large"), 2, rows=2048, width=1024, layers=2, dense=False)


def test_a_large_frame_on_a_slow_link_is_sent_once(place, large):
    """Seven seconds under way, and seven more in the queue: nobody is taken for gone."""
    port = int(place.broker.url.rpartition(":")[2])
    with contextlib.closing(Proxy("127.0.0.2", port, BYTES_PER_SECOND)):
        place.start("d1")
        place.start("d2", broker={"url": f"mqtt://127.0.0.2:{port}", "max_packet_bytes": 8 << 20})
        place.deploy(large.folder, "d1", "d2")
        frames = [large.inputs(number) for number in range(3)]
        stream = place.site.pipeline("p").stream(frames, deadline_seconds=SECONDS)
        answers = list(stream)
        until(lambda: place.counts("d2").received == len(frames), "the counts")

    assert [answer.error for answer in answers] == [None] * len(frames)
    assert all(large.right(answer.sequence, answer.tensors) for answer in answers)
    assert place.counts("d1").sent_again == 0
    assert place.counts("d2").refused == {}
