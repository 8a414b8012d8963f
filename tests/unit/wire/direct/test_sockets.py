"""Sockets for direct links."""

import resource

import pytest

from wire.direct import sockets
from wire.direct.endpoint import Way
from wire.direct.errors import EndpointError


@pytest.mark.parametrize("link", ["uds", "tcp"])
def test_without_a_descriptor_a_way_is_unreachable(link, tmp_path):
    """It is told as any other way that leads nowhere, so whoever tries goes on."""
    way = Way(link, str(tmp_path / "s") if link == "uds" else "127.0.0.1", 1, encrypted=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(EndpointError, match="Too many open files"):
            sockets.connect(way, 1.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
