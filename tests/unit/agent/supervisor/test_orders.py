"""An order counts when it survives a power cut; else it is given up and asked for again."""

import asyncio
import json
import time

import pytest

from agent import journal_file
from agent.config import Config, Trust
from agent.refusals import Refusals
from agent.supervisor import orders as rules
from agent.supervisor import state_folder
from agent.supervisor.orders import Orders
from wire import messages, signing
from wire.messages import Desired


class Device:
    """A device's orders, and what they led to."""

    def __init__(self, folder):
        self.key = signing.private_key(signing.new_private_key(), "test")
        public = folder / "key.pub"
        public.write_bytes(signing.public_pem(self.key))
        config = Config(device="d", state_folder=folder / "s", trust=Trust(keys=(public,)))
        self.state = state_folder.opened(config.state_folder)
        self.obeyed, self.asked, self.refusals = [], [], Refusals()
        self.orders = Orders(
            config, self.state, obey=self.obeyed.append, changed=lambda: None,
            ask_again=lambda: self.asked.append(1), refusals=self.refusals,
        )  # fmt: skip

    def order(self, revision):
        """Return an empty order's bytes."""
        made = Desired(
            site="default", device="d", epoch=1, revision=revision, assignments=(),
            issued_unix_ns=0,
        )  # fmt: skip
        return messages.encode("desired", signing.signed(made, self.key))

    def kept(self):
        """Return what the journal on disk obeys."""
        return journal_file.load(self.state.path).journal.desired


@pytest.fixture
def during(tmp_path):
    """A function that runs steps with a device."""

    def run(steps):
        async def all_of_it():
            device = Device(tmp_path)
            try:
                await steps(device)
            finally:
                device.orders.stop()
                device.state.release()
            return device

        return asyncio.run(all_of_it())

    return run


async def until(claim):
    """Wait until ``claim()`` is true."""
    ends = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


def test_an_order_is_on_disk_before_it_is_obeyed(during):
    """Until then nothing happens; a device asked for it gives the one before."""

    async def steps(device):
        device.orders.take(device.order(1))
        assert (device.obeyed, device.orders.obeyed) == ([], None)
        await until(lambda: device.obeyed)
        assert device.kept().encode() == device.order(1)
        device.orders.take(device.order(2))
        assert device.orders.obeyed.encode() == device.order(1)
        await until(lambda: len(device.obeyed) == 2)
        assert device.orders.known.revision == 2

    during(steps)


def test_an_order_that_the_disk_refuses_is_given_up_and_asked_for_again(during):
    """Who gave it may take it back: the one before counts, and may be given again."""

    async def steps(device):
        device.orders.take(device.order(1))
        await until(lambda: device.obeyed)
        blocking = device.state.path / "journal.json.new"
        blocking.mkdir()

        device.orders.take(device.order(2))
        await until(lambda: device.orders.refused is not None)
        assert device.orders.refused.code == "journal.unwritable"
        assert (device.orders.known.revision, len(device.obeyed)) == (1, 1)
        device.orders.take(device.order(1))
        assert device.asked == []
        blocking.rmdir()
        await until(lambda: device.asked)

        assert device.orders.refused is None
        assert device.kept().encode() == device.order(1)
        device.orders.take(device.order(2))
        await until(lambda: device.orders.known.revision == 2)

    during(steps)


def test_a_flood_of_bad_orders_is_asked_about_once(during, monkeypatch):
    """What the broker keeps is asked for a while after the first, and not for each."""
    monkeypatch.setattr(rules, "ASK_AGAIN_SECONDS", 0.3)

    async def steps(device):
        for number in range(500):
            device.orders.take(json.dumps({"no": number}).encode())
        await until(lambda: device.asked)
        device.orders.take(json.dumps({"no": 499}).encode())
        await asyncio.sleep(0.6)

    device = during(steps)

    assert len(device.asked) == 1
    assert device.refusals.totals() == {"message.malformed": 501}
