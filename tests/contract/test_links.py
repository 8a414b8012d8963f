"""Every link, found by itself, behaves the same before and after it is connected."""

import pytest

from wire import plugins
from wire.broker_url import BrokerUrl
from wire.errors import LinkDownError
from wire.links import ALIGNMENT, LinkOptions, allocate, open_link

NAMES = plugins.names("wire.links")
NOWHERE = LinkOptions(BrokerUrl("mqtt", "127.0.0.1", 9), "contract-test")


@pytest.mark.parametrize("name", NAMES)
def test_a_link_that_was_not_started_is_down(name):
    """It takes listeners, sends nothing, and can be closed twice."""
    link = open_link(name, NOWHERE)
    link.listen("a", lambda *_: None)

    assert not link.up
    with pytest.raises(LinkDownError):
        link.send("a", [b"x"])
    link.close()
    link.close()


@pytest.mark.parametrize("size_bytes", [0, 1, 63, 64, 1000])
def test_memory_for_a_frame_is_aligned_and_its_own(size_bytes):
    """Received payloads begin at multiples of 64 and can be written."""
    import numpy as np

    memory = memoryview(allocate(size_bytes))
    array = np.frombuffer(memory, np.uint8)

    assert memory.nbytes == size_bytes
    assert size_bytes == 0 or array.ctypes.data % ALIGNMENT == 0
    assert not memory.readonly
