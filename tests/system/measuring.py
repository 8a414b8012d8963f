"""Signed requests to measure, as whoever is trusted sends them."""

import os
import time

import msgspec

from tests.system.place import until
from wire import messages, signing
from wire.messages import Command


def asked(place, device, *, key=None, **changes):
    """Return a signed request that the device would obey, with changes, as bytes."""
    made = Command(
        id=os.urandom(8).hex(),
        command="profile",
        reply_to=place.topics.device("rsp", device),
        expires_unix_ns=time.time_ns() + 60_000_000_000,
        arguments={"segment": "00-whole", "files": [], "runtime": "onnx_cpu"},
        instance=place.status(device).instance,
    )
    made = msgspec.structs.replace(made, **changes)
    return made.id, messages.encode("cmd", signing.signed(made, key or place.key))


def send(place, device, payload):
    """Publish a request."""
    place.ear.say(place.topics.device("cmd", device), payload, qos=1)


def answer(place, device, asked_id):
    """Return the final answer to a request."""

    def final():
        heard = (heard.message for heard in place.ear.all("rsp", device))
        return [message for message in heard if message.id == asked_id and message.final]

    return until(final, f"answer of {device}")[0]
