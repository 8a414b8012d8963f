"""Where a deploy serves from, when nobody says it."""

import pytest

from paceline.serving import listen_address
from wire.broker_url import is_loopback


@pytest.mark.parametrize(
    ("broker", "address"),
    [
        ("mqtt://localhost:1883", "127.0.0.1:8788"),
        ("mqtt://127.0.0.1:1883", "127.0.0.1:8788"),
        ("mqtt://[::1]:1883", "127.0.0.1:8788"),
        ("mqtts://broker.example:8883", "0.0.0.0:8788"),
        ("mqtt://192.168.1.10:1883", "0.0.0.0:8788"),
    ],
)
def test_a_broker_on_this_machine_keeps_the_segments_on_it(broker, address):
    """Devices elsewhere need an address that they can reach."""
    assert listen_address(broker) == address


@pytest.mark.parametrize("host", ["localhost.example", "128.0.0.1", "loopback", ""])
def test_what_only_looks_like_loopback_is_not(host):
    """A name is looked at, never looked up."""
    assert not is_loopback(host)
