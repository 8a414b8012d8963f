"""A connection that is kept is waited for only as long as somebody wants it."""

from wire.broker_url import parse
from wire.keeper import Keeper

NEVER_SECONDS = 100.0


def test_nobody_waits_for_a_connection_that_is_given_up():
    """Its user may close it while another thread waits for it to be up."""

    def connect(number):
        keeper.stopping.set()

    keeper = Keeper(parse("mqtt://127.0.0.1:1"), "keeper", connect, lambda trouble: None)

    keeper.start()
    keeper.wait_up(NEVER_SECONDS)
    keeper.join(NEVER_SECONDS)

    assert not keeper.up.is_set()
