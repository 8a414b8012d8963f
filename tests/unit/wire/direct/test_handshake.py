"""The handshake, as bytes in and bytes out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.direct.errors import HandshakeError
from wire.direct.handshake import MAX_ADDRESS_BYTES, Receiver, Sender, client_token

TOKEN = "8f" * 32
OTHER_TOKEN = "8e" * 32
LANE = "paceline/v1/default/d/b/in/p/7-1"


def sides(*, token=TOKEN, address=LANE, sender="a", senders=("a", "c")):
    """Return a sender, made as the arguments say, and the receiver of LANE."""
    return (
        Sender(token, address, sender, b"s" * 32),
        Receiver(LANE, _tokens(senders), b"r" * 32),
    )


def _tokens(senders, token=TOKEN):
    return lambda sender: token if sender in senders else ""


def said(sender, receiver, change=lambda index, data: data):
    """Carry each message over, as ``change`` makes it; return them all.

    What a side gets beyond what it asked for, or too little of it, ends the connection.
    """
    messages, index = [], 0
    waiting = [(receiver, sender.hello)]
    while waiting:
        to, data = waiting.pop(0)
        messages.append(data)
        data = change(index, data)
        index += 1
        answer = b""
        while data:
            piece, data = data[: to.needed], data[to.needed :]
            answer += to.feed(piece)
        if answer:
            waiting.append((sender if to is receiver else receiver, answer))
    return messages


def test_two_that_know_the_token_are_done():
    """Both sides finish, and the receiver knows who it is."""
    sender, receiver = sides()

    messages = said(sender, receiver)

    assert sender.done
    assert receiver.done
    assert receiver.sender == "a"
    assert len(messages) == 4


def test_the_token_never_travels():
    """No message holds it, in hex or as its bytes."""
    everything = b"".join(said(*sides()))

    assert TOKEN.encode() not in everything
    assert bytes.fromhex(TOKEN) not in everything


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": OTHER_TOKEN},
        {"address": LANE.replace("7-1", "8-1")},
        {"address": "x" * (MAX_ADDRESS_BYTES + 1)},
        {"sender": "b"},
        {"sender": "A strange name"},
        {"senders": ()},
    ],
)
def test_strangers_are_refused(wrong):
    """Another token, lane or name ends it, and neither side is done."""
    sender, receiver = sides(**wrong)

    with pytest.raises(HandshakeError):
        said(sender, receiver)
    assert not sender.done
    assert not receiver.done


@pytest.mark.parametrize("token", ["", "short"])
def test_without_a_token_there_is_no_handshake(token):
    """An assignment of an older deployer has none: an empty key would prove nothing."""
    with pytest.raises(HandshakeError):
        Sender(token, LANE, "a", b"s" * 32)
    sender, _ = sides()
    receiver = Receiver(LANE, _tokens(("a",), token), b"r" * 32)
    with pytest.raises(HandshakeError):
        said(sender, receiver)
    assert client_token(token, LANE, "a") == ""


MESSAGES = [len(message) for message in said(*sides())]
PLACES = [(i, at) for i, size in enumerate(MESSAGES) for at in range(size)]


@pytest.mark.parametrize(("index", "at"), PLACES)
def test_every_flipped_bit_is_noticed(index, at):
    """Whichever byte of whichever message is changed, somebody refuses or waits for more."""

    def change(number, data):
        if number != index:
            return data
        return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]

    sender, receiver = sides()
    with contextlib.suppress(HandshakeError):
        said(sender, receiver, change)
    assert not (sender.done and receiver.done)


@pytest.mark.parametrize(("index", "at"), PLACES)
def test_every_truncation_leaves_it_unfinished(index, at):
    """What ends early opens nothing."""
    sender, receiver = sides()
    with contextlib.suppress(HandshakeError):
        said(sender, receiver, lambda number, data: data[:at] if number == index else data)

    assert not (sender.done and receiver.done)


@given(st.binary(max_size=300))
def test_no_bytes_confuse_a_receiver(data):
    """Whatever comes, it is refused or waited for."""
    _, receiver = sides()
    try:
        while data and receiver.needed:
            piece, data = data[: receiver.needed], data[receiver.needed :]
            receiver.feed(piece)
    except HandshakeError:
        pass

    assert not receiver.done


def test_a_recorded_handshake_opens_nothing_again():
    """The receiver's next nonce is another one: what was proved then proves nothing now."""
    hello, _, proof, _ = said(*sides())
    receiver = Receiver(LANE, _tokens(("a",)), b"R" * 32)
    receiver.feed(hello[:40])
    receiver.feed(hello[40:])

    with pytest.raises(HandshakeError):
        receiver.feed(proof)


def test_a_recorded_receiver_convinces_no_sender():
    """The sender's next nonce is another one, too."""
    _, answer, _, _ = said(*sides())
    sender = Sender(TOKEN, LANE, "a", b"S" * 32)

    with pytest.raises(HandshakeError):
        sender.feed(answer)


def test_a_proof_sent_back_proves_nothing():
    """Who proves stands in the proof: a mirror is no receiver."""
    sender, receiver = sides()
    receiver.feed(sender.hello[:40])
    challenge = receiver.feed(sender.hello[40:])

    with pytest.raises(HandshakeError):
        receiver.feed(challenge[32:])
