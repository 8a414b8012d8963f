import contextlib
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.store import compression, dictionary
from fleet.hub.store.errors import StoreDamagedError
from tests.fixtures import telemetry


@given(st.binary(max_size=4000))
def test_any_payload_comes_back_and_grows_by_one_byte_at_most(payload):
    """Also one that is no telemetry."""
    kept = compression.pack(payload)

    assert compression.unpack(kept) == payload
    assert len(kept) <= len(payload) + 1


def test_a_health_message_takes_a_sixth():
    """The words that every message repeats are known beforehand."""
    payload = telemetry.health("cam-8", 1795000000000000000, random.Random(1))

    assert len(payload) > 2500
    assert len(compression.pack(payload)) * 6 < len(payload)


def test_the_dictionary_stays_as_it_is():
    """What was kept with it could not be read again."""
    digest = hashlib.sha256(dictionary.FIRST).hexdigest()

    assert digest == "b56abd3861071a5a3df4edf4b39a19839610068dd5ac17a8887fdfec1a5c5146"


@given(st.binary(max_size=200))
def test_what_was_never_packed_is_a_value_or_a_named_error(kept):
    """A damaged row ends no hub with a traceback."""
    with contextlib.suppress(StoreDamagedError):
        assert isinstance(compression.unpack(kept), bytes)


@pytest.mark.parametrize("cut", [1, 2, 50])
def test_a_payload_that_is_cut_off_is_refused(cut):
    """It does not pass as a shorter one."""
    kept = compression.pack(telemetry.latency("d", 1, random.Random(2)))

    with pytest.raises(StoreDamagedError):
        compression.unpack(kept[:-cut])


def test_a_bomb_is_refused():
    """What was kept is never larger than a message may be."""
    bomb = compression.pack(bytes(compression.MAX_PAYLOAD_BYTES))
    larger = bytes(compression.MAX_PAYLOAD_BYTES + 1)

    assert len(bomb) < 5000
    assert compression.unpack(compression.pack(larger)) == larger
    with pytest.raises(StoreDamagedError):
        compression.unpack(bomb[:-2] + bomb[1:])
