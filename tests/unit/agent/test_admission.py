"""Which signed requests are obeyed."""

import msgspec
import pytest

from agent.admission import (
    MAX_SEEN,
    Admission,
    CommandExpiredError,
    CommandReplayedError,
    OtherInstanceError,
)
from wire import messages, signing
from wire.errors import MessageError, SignatureError
from wire.messages import Command

KEY = signing.private_key(signing.new_private_key(), "test")
NOW = 1_000


def payload(**changes):
    """Return a signed request's bytes."""
    made = Command(id="1", command="profile", reply_to="r", expires_unix_ns=NOW, instance="this")
    return messages.encode("cmd", signing.signed(msgspec.structs.replace(made, **changes), KEY))


@pytest.fixture
def admission():
    """That of an agent that trusts the key."""
    return Admission((KEY.public_key(),), "this")


def admit(admission, data, *, unix_ns=NOW, clock_believed=True):
    """Ask whether a request is obeyed."""
    return admission.admit(data, unix_ns=unix_ns, clock_believed=clock_believed)


def test_a_request_is_obeyed_once(admission):
    """And never again, whatever else comes in between."""
    assert admit(admission, payload()).id == "1"
    admit(admission, payload(id="2"))

    with pytest.raises(CommandReplayedError):
        admit(admission, payload())


def test_what_was_made_for_another_start_is_refused(admission):
    """So what somebody recorded is of no use after the agent was started anew."""
    with pytest.raises(OtherInstanceError, match="ask again"):
        admit(admission, payload(instance="that"))


def test_what_comes_late_is_refused_by_a_clock_that_is_believed(admission):
    """A device whose clock nobody keeps obeys it."""
    with pytest.raises(CommandExpiredError, match="2 s after"):
        admit(admission, payload(), unix_ns=NOW + 2_000_000_000)

    assert admit(admission, payload(), unix_ns=NOW + 2_000_000_000, clock_believed=False)


@pytest.mark.parametrize(
    ("before", "after"), [(b"ed25519:", b""), (b'"profile"', b'"cancel"'), (b'"r"', b'"s"')]
)
def test_what_is_not_signed_as_it_is_is_refused(admission, before, after):
    """Each field is covered."""
    with pytest.raises(SignatureError):
        admit(admission, payload().replace(before, after))


def test_a_refused_request_is_not_remembered(admission):
    """Nobody without a key can fill what is remembered, or use up an id."""
    with pytest.raises(SignatureError):
        admit(admission, payload().replace(b'"r"', b'"s"'))

    assert admit(admission, payload()).id == "1"


def test_no_key_is_no_permission():
    """An agent that trusts nobody measures for nobody."""
    with pytest.raises(SignatureError, match=r"trust\.keys"):
        admit(Admission((), "this"), payload())


def test_what_is_no_command_is_refused(admission):
    """With what is wrong with it."""
    with pytest.raises(MessageError):
        admit(admission, b"{}")


def test_memory_of_ids_is_bounded(admission):
    """The oldest are forgotten."""
    for number in range(MAX_SEEN + 5):
        admission._seen[str(number)] = None
    admit(admission, payload(id="new"))

    assert len(admission._seen) == MAX_SEEN
    assert "new" in admission._seen
