"""Orders to be one end of a link."""

import asyncio

import msgspec
import pytest

from agent.supervisor.link_run import link_run
from wire.errors import CodedError
from wire.measuring import LinkOrder

GOOD = {
    "role": "sender", "link": "mqtt", "pipeline": "link-1", "peer": "d2", "token": "x" * 32,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"token": "short"},
        {"role": "both"},
        {"sizes": [1 << 40]},
        {"sizes": []},
        {"sizes": [0]},
        {"sizes": list(range(1, 20))},
        {"seconds": 1e6},
        {"seconds": 0},
    ],
)
def test_orders_that_are_none(change):
    """Refused by their types, before anything is done."""
    assert msgspec.convert(GOOD, LinkOrder)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**GOOD, **change}, LinkOrder)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"peer": "../d2"}, "id.malformed"),
        ({"pipeline": "+/#"}, "id.malformed"),
        ({"link": "auto"}, "plugin.unknown"),
        ({"link": "memory"}, "plugin.unknown"),
        ({"link": "string"}, "plugin.unknown"),
    ],
)
def test_orders_that_cannot_be_obeyed(change, code):
    """Refused before a process is started: nothing of the agent is asked for."""
    order = msgspec.convert({**GOOD, **change}, LinkOrder)
    with pytest.raises(CodedError) as caught:
        asyncio.run(link_run(order, None, None, print))

    assert caught.value.code == code
