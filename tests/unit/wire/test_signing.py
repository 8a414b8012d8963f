"""Only what a trusted key signed is a desired state."""

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import messages, signing
from wire.errors import MessageError, SignatureError
from wire.manifest import File
from wire.messages import Assignment, Contract, Desired
from wire.tensors import TensorSpec

KEY = signing.private_key(signing.new_private_key(), "key.pem")
PUBLIC = signing.public_key(signing.public_pem(KEY), "key.pub")
OTHER = signing.private_key(signing.new_private_key(), "other.pem")
SPEC = TensorSpec(name="é", dtype=1, shape=("N", 3))
DESIRED = Desired(
    site="s",
    device="dev1",
    epoch=1,
    revision=2,
    assignments=(
        Assignment(
            pipeline="det",
            generation=7,
            stage=1,
            segment="01-b",
            format="onnx",
            files=(File(name="segment.onnx", sha256="0" * 64, size_bytes=10),),
            contract=Contract(receives=(SPEC,), sends=(SPEC,), inputs=(SPEC,), outputs=(SPEC,)),
            runtime="onnx_cpu",
        ),
    ),
    issued_unix_ns=3,
)
SIGNED = messages.encode("desired", signing.signed(DESIRED, KEY))


def unsigned(desired):
    """The desired state without its signature, to compare contents."""
    return msgspec.structs.replace(desired, signature="")


def verified_or_none(data, keys=(PUBLIC,)):
    """The desired state, or None when it is refused in one of the two ways it may be."""
    try:
        return signing.verified_desired(data, keys)
    except (MessageError, SignatureError):
        return None


def signed_tree(tree, key=KEY):
    """The JSON of any tree of data, signed by an independent reading of the rule."""
    covered = {name: value for name, value in tree.items() if name != "signature"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    signature = "ed25519:" + base64.b64encode(key.sign(text.encode())).decode()
    return json.dumps(covered | {"signature": signature}).encode()


def test_signed_state_is_verified():
    """What was signed comes back, whichever of several trusted keys it was."""
    assert unsigned(signing.verified_desired(SIGNED, [PUBLIC])) == DESIRED
    assert unsigned(signing.verified_desired(SIGNED, [OTHER.public_key(), PUBLIC])) == DESIRED


def test_signing_again_replaces_the_signature():
    """A signature never covers another one."""
    twice = signing.signed(signing.signed(DESIRED, OTHER), KEY)

    assert twice == signing.signed(DESIRED, KEY)


def test_rule_can_be_followed_by_others():
    """Canonical JSON without `signature`, Ed25519, base64: another program signs the same."""
    tree = msgspec.to_builtins(DESIRED)

    assert unsigned(signing.verified_desired(signed_tree(tree), [PUBLIC])) == DESIRED


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_edit_of_any_byte_is_refused(flip):
    """No byte can be changed so that anything else is believed.

    The few edits that change the spelling and not the content (such as `E` for `e` in a number)
    still give exactly what was signed.
    """
    text = bytearray(SIGNED)
    passed = 0
    for at in range(len(text)):
        text[at] ^= flip
        found = verified_or_none(bytes(text))
        if found is not None:
            passed += 1
            assert unsigned(found) == DESIRED
        text[at] ^= flip

    assert passed <= 4


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_removed_or_added_bytes_change_nothing_that_is_believed(data):
    """Cutting a piece out or putting one in is refused, or was only space."""
    start = data.draw(st.integers(0, len(SIGNED)))
    end = data.draw(st.integers(start, min(len(SIGNED), start + 5)))
    piece = data.draw(st.binary(max_size=3))
    found = verified_or_none(SIGNED[:start] + piece + SIGNED[end:])

    assert found is None or unsigned(found) == DESIRED


@pytest.mark.parametrize(
    "changes",
    [
        {"site": "t"},
        {"device": "dev2"},
        {"epoch": 2},
        {"revision": 3},
        {"issued_unix_ns": 4},
        {"assignments": []},
        {"later": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_field_is_covered(changes):
    """No field can be changed, and none added that a newer version would understand."""
    tree = json.loads(SIGNED) | changes

    with pytest.raises(SignatureError, match="not signed by a trusted key"):
        signing.verified_desired(json.dumps(tree).encode(), [PUBLIC])


def test_unknown_fields_are_covered_as_received():
    """A field of a newer signer verifies here, and cannot be changed or taken away here."""
    tree = msgspec.to_builtins(DESIRED) | {"later": {"b": 1, "a": [2.5, "é"]}}
    data = signed_tree(tree)

    assert unsigned(signing.verified_desired(data, [PUBLIC])) == DESIRED
    for later in ({"b": 2, "a": [2.5, "é"]}, {"b": 1}, None):
        changed = json.dumps(json.loads(data) | {"later": later}).encode()
        assert verified_or_none(changed) is None
    without = {name: value for name, value in json.loads(data).items() if name != "later"}
    assert verified_or_none(json.dumps(without).encode()) is None


def test_order_of_keys_and_spaces_do_not_matter():
    """A broker or bridge that writes the JSON anew does not break the signature."""
    tree = json.loads(SIGNED)
    backwards = json.dumps(dict(reversed(tree.items())), indent=2).encode()

    assert unsigned(signing.verified_desired(backwards, [PUBLIC])) == DESIRED


def test_key_written_twice_is_not_read_two_ways():
    """What is verified is what is believed, also when a name stands twice."""
    twice = SIGNED[:-1] + b',"device":"dev2"}'
    first = b'{"device":"dev2",' + SIGNED[1:]

    assert verified_or_none(twice) is None
    assert unsigned(signing.verified_desired(first, [PUBLIC])) == DESIRED


def test_key_that_is_not_trusted_is_refused():
    """The sentence names the trusted keys by their fingerprints."""
    with pytest.raises(SignatureError, match=signing.fingerprint(OTHER.public_key())):
        signing.verified_desired(SIGNED, [OTHER.public_key()])


def test_without_a_trusted_key_nothing_is_believed():
    """An agent that trusts nobody obeys nobody."""
    with pytest.raises(SignatureError, match=r"list one in trust\.keys"):
        signing.verified_desired(SIGNED, [])


@pytest.mark.parametrize(
    ("signature", "problem"),
    [
        ("", "is not signed"),
        ("rsa:AAAA", "is not signed"),
        ("ed25519", "is not signed"),
        ("ed25519:", "trusted key"),
        ("ed25519:AAAA", "trusted key"),
        ("ed25519:" + "A" * 88, "trusted key"),
        ("ed25519:" + "A" * 86 + "==", "trusted key"),
        ("ed25519:" + "A" * 85, "no base64"),
        ("ed25519:!!", "no base64"),
        ("ed25519:é", "no base64"),
    ],
)
def test_signature_that_is_none_is_refused(signature, problem):
    """Empty, of another kind, too short, all zero, not base64."""
    tree = json.loads(SIGNED) | {"signature": signature}

    with pytest.raises(SignatureError, match=problem):
        signing.verified_desired(json.dumps(tree).encode(), [PUBLIC])


@pytest.mark.parametrize(
    "junk",
    [b'"\xff"', b"1e999", b"1" * 5000, b"[" * 990 + b"]" * 990, b'"\\ud800"'],
    ids=["utf8", "float", "integer", "deep", "surrogate"],
)
def test_junk_in_an_unknown_field_is_a_message_error(junk):
    """What the typed decoder skips unread must not break the check of the signature."""
    with pytest.raises((MessageError, SignatureError)):
        signing.verified_desired(SIGNED[:-1] + b',"later":' + junk + b"}", [PUBLIC])


def test_what_is_no_desired_state_is_a_message_error():
    """The type is checked before the signature."""
    with pytest.raises(MessageError):
        signing.verified_desired(b"{}", [PUBLIC])


def test_keys_survive_their_files():
    """Private and public keys come back from PEM as they were."""
    again = signing.private_key(signing.new_private_key(), "key.pem")
    public = signing.public_key(signing.public_pem(again), "key.pub")

    assert signing.fingerprint(public) == signing.fingerprint(again.public_key())
    assert len(signing.fingerprint(public)) == 16
    assert signing.fingerprint(public) != signing.fingerprint(PUBLIC)


def foreign_keys():
    """An elliptic curve key and an encrypted key, as PEM."""
    curve = generate_private_key(SECP256R1())
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return (
        curve.private_bytes(*private, serialization.NoEncryption()),
        KEY.private_bytes(*private, serialization.BestAvailableEncryption(b"secret")),
        curve.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


def test_file_that_holds_no_key_of_ours_is_refused_by_its_name():
    """Junk, the other half, another algorithm and an encrypted key, each named by its file."""
    curve, encrypted, curve_public = foreign_keys()
    for pem in (b"", b"junk", signing.public_pem(KEY), encrypted, curve):
        with pytest.raises(SignatureError, match=r"^a\.pem: holds"):
            signing.private_key(pem, "a.pem")
    for pem in (b"", b"junk", signing.new_private_key(), curve_public):
        with pytest.raises(SignatureError, match=r"^b\.pem: holds"):
            signing.public_key(pem, "b.pem")
