"""One text for one value."""

import hashlib
import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import canonical
from wire.manifest import Tolerance

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES)
def test_text_means_the_value_and_is_the_same_again(value):
    """The text is JSON of the value, and encoding what it decodes to changes no byte."""
    text = canonical.encode(value)

    assert json.loads(text) == value
    assert canonical.encode(msgspec.json.decode(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6))
def test_order_of_keys_does_not_matter(value):
    """Two dictionaries that are equal have one text and one digest."""
    backwards = dict(reversed(value.items()))

    assert canonical.encode(backwards) == canonical.encode(value)
    assert canonical.digest(backwards) == canonical.digest(value)


def test_form_is_pinned():
    """Sorted keys, no spaces, UTF-8 as it is: other languages must reproduce it."""
    assert (
        canonical.encode({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()
    )
    assert canonical.encode(Tolerance()) == b'{"absolute":1e-05,"relative":0.0001}'


def test_digest_is_sha256_of_the_text():
    """The digest can be made by any tool from the text."""
    assert canonical.digest([1]) == hashlib.sha256(b"[1]").hexdigest()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_json_has_not_is_refused(number):
    """NaN and infinities have no JSON; they are refused wherever they stand."""
    with pytest.raises(ValueError, match="JSON"):
        canonical.encode({"a": [number]})
