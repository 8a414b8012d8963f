"""What a distribution asks of another."""

import pytest

from agent.examination import requirement


@pytest.mark.parametrize(
    ("text", "version", "takes"),
    [
        ("numpy>=1.26", "1.26", True),
        ("numpy>=1.26", "1.9.9", False),
        ("paho-mqtt<3,>=2.1", "2.10.0", True),
        ("paho-mqtt<3,>=2.1", "3.0", False),
        ("x==2", "2.0.0", True),
        ("x!=2.1", "2.1.0", False),
        ("onnxruntime-gpu>=1.23; extra == 'gpu'", "1.23.0+cu12", True),
        ("x[y]>=1", "1.0.post1", True),
        ("x", "0", True),
    ],
)
def test_a_version_is_in_the_range_or_not(text, version, takes):
    """Numbers count as numbers, and missing parts as zero."""
    assert requirement.parsed(text).takes(version) is takes


def test_names_and_extras_are_told_apart():
    """Names in their normal form; a marker that is no extra asks always."""
    extra = requirement.parsed('Typing_Extensions>=4; extra == "dev"')
    always = requirement.parsed("a.b; python_version < '3.12'")

    assert (extra.name, extra.extra) == ("typing-extensions", "dev")
    assert (always.name, always.extra) == ("a-b", None)
