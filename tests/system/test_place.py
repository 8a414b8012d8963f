"""What other tests lean on."""

import socket

import pytest

from tests.system.place import kept_port


def test_a_port_that_is_kept_is_its_servers():
    """Who asks for no sharing has no share of it, nobody listens there, and a server comes back."""
    with kept_port() as kept:
        address = kept.getsockname()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        for _ in range(2):
            with socket.create_server(address), socket.create_connection(address) as client:
                assert client.getpeername() == address
