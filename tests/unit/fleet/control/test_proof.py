"""Which orders of a device count: those of the broker, or its own, and only if they are signed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fleet.control import proof
from fleet.control.device_state import DeviceState
from wire import messages, signing
from wire.messages import Desired, Reason, Reported, Response, Status

SITE = "default"
KEY = Ed25519PrivateKey.generate()
OURS = (KEY.public_key(),)
ONLINE = Status(state="online", session=1, boot="b")
OFFLINE = Status(state="offline", session=1, boot="b")


def signed(numbers, *, key=KEY, site=SITE, device="a"):
    """Return a signed desired state's bytes."""
    epoch, revision = numbers
    made = Desired(
        site=site, device=device, epoch=epoch, revision=revision, assignments=(), issued_unix_ns=1
    )
    return messages.encode("desired", signing.signed(made, key))


def state(observed, desired=None, **more):
    """Return a device that has accepted these numbers."""
    told = Reported(device="a", session=1, observed=observed, applied=observed)
    return DeviceState("a", ONLINE, reported=told, desired=desired, **more)


@pytest.mark.parametrize(
    ("observed", "on_broker", "expected"),
    [
        ((0, 0), None, False),
        ((5, 2), None, True),
        ((5, 2), (5, 2), False),
        ((5, 2), (5, 3), False),
        ((5, 2), (6, 1), False),
        ((5, 2), (5, 1), True),
        ((5, 2), (4, 9), True),
    ],
)
def test_orders_are_lost_when_the_device_knows_newer_ones(observed, on_broker, expected):
    """Also the numbers of a stranger's order count: it stands there, and is refused elsewhere."""
    for key in (KEY, Ed25519PrivateKey.generate()):
        desired = signed(on_broker, key=key) if on_broker else None

        assert proof.is_lost(state(observed, desired)) is expected


def test_a_device_that_says_nothing_has_lost_nothing():
    """There is nobody who could give it back."""
    assert not proof.is_lost(DeviceState("a", ONLINE))
    assert proof.proved(DeviceState("a", ONLINE), SITE, OURS) == proof.Proof()


def test_what_cannot_be_understood_is_as_good_as_lost():
    """No device could obey it."""
    assert proof.is_lost(state((1, 1), b"{"))


def test_the_devices_own_orders_count_when_the_brokers_are_lost():
    """Byte by byte, so that they can be written back."""
    held = signed((5, 2))
    found = proof.proved(state((5, 2), signed((5, 1)), held=held), SITE, OURS)

    assert (found.payload, found.desired.revision, found.lost) == (held, 2, True)


def test_what_the_broker_holds_comes_first():
    """A device that was asked needlessly changes nothing."""
    there = signed((5, 3))
    found = proof.proved(state((5, 2), there, held=signed((5, 2))), SITE, OURS)

    assert (found.payload, found.lost) == (there, False)


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (signed((5, 2), key=Ed25519PrivateKey.generate()), "not given by us"),
        (signed((5, 2), device="b"), "are for default/b"),
        (signed((5, 2), site="mars"), "are for mars/a"),
        (signed((5, 1)), "not those that it reports"),
        (signed((6, 1)), "not those that it reports"),
        (b"noise", "cannot be understood"),
    ],
)
def test_only_what_is_signed_and_fits_the_report_is_proved(held, problem):
    """Whoever can write to the broker can also answer for a device."""
    found = proof.proved(state((5, 2), held=held), SITE, OURS)

    assert (found.desired, found.payload, found.lost, found.shown) == (None, None, True, True)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("device", "answer", "problem"),
    [
        (ONLINE, None, "it does not answer"),
        (OFFLINE, None, "it is offline"),
        (None, None, "it is unknown"),
        (ONLINE, Response(id="1", ok=False), "no reason"),
        (
            ONLINE,
            Response(id="1", ok=False, reason=Reason(code="command.unknown", message="'desired'")),
            "command.unknown: 'desired'",
        ),
        (ONLINE, Response(id="1", ok=True), "its answer holds none"),
        (ONLINE, Response(id="1", ok=True, result={"desired": 7}), "its answer holds none"),
    ],
)
def test_a_device_that_gives_nothing_says_why(device, answer, problem):
    """Gone, silent, or of a version that does not know the question."""
    asked = proof.with_answer(DeviceState("a", device, reported=state((5, 2)).reported), answer)
    found = proof.proved(asked, SITE, OURS)

    assert (found.desired, found.lost, found.shown) == (None, True, False)
    assert found.problem.endswith(f"it does not give them ({problem})")


def test_an_answer_is_what_the_device_holds():
    """Its text is the message's bytes."""
    held = signed((5, 2))
    answer = Response(id="1", ok=True, result={"desired": held.decode()})
    asked = proof.with_answer(state((5, 2)), answer)

    assert (asked.held, proof.proved(asked, SITE, OURS).payload) == (held, held)
