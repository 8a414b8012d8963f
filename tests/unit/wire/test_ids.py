"""Names that become parts of topics and paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import ids
from wire.errors import BadIdError

GOOD = ["a", "0", "device1", "pi-5_kitchen", "a" * 48, "0-0", "a--__"]
BAD = [
    "",
    "A",
    "-a",
    "_a",
    "a" * 49,
    "a/b",
    "a+",
    "#",
    "a\x00",
    "a\n",
    "\na",
    "a b",
    "..",
    "a.b",
    "é",
    "а",  # the Cyrillic letter
    "１",  # a full-width digit
    None,
    7,
    b"a",
    ["a"],
]


@pytest.mark.parametrize("text", GOOD)
def test_good_id_passes_unchanged(text):
    """What fits the pattern is an id and comes back as it is."""
    assert ids.is_id(text)
    assert ids.checked(text, "device") == text


@pytest.mark.parametrize("text", BAD)
def test_bad_id_is_refused(text):
    """Anything else, of any type, is refused and named in the sentence."""
    assert not ids.is_id(text)
    with pytest.raises(BadIdError, match=r"device: .* is no valid id"):
        ids.checked(text, "device")


@given(st.text())
def test_id_never_holds_what_a_topic_or_path_could_mean(text):
    """No id can hold a separator, a wildcard, a dot or a control character."""
    if ids.is_id(text):
        assert not set(text) & set("/+#.\\ \x00\n")


@given(st.text(max_size=100))
def test_id_from_free_text_is_an_id(text):
    """Whatever a file is called, what is made of its name is an id."""
    assert ids.is_id(ids.id_from(text, "fallback"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PP-OCRv6 det.onnx", "pp-ocrv6-det-onnx"),
        ("--x--", "x"),
        ("日本", "fallback"),
        ("", "fallback"),
        ("x" * 60, "x" * 48),
    ],
)
def test_id_from_free_text_resembles_it(text, expected):
    """Letters and digits stay; what is left of nothing is the fallback."""
    assert ids.id_from(text, "fallback") == expected


def test_long_wrong_name_is_shortened_in_the_sentence():
    """A hostile name of a megabyte makes no log line of a megabyte."""
    assert len(str(BadIdError("device", "/" * (1 << 20)))) < 250
