"""Which topics a subscription covers."""

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.session import _covers

LEVELS = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=5)
FILTERS = st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=5)


@given(FILTERS, st.booleans(), LEVELS)
def test_covers_what_the_standard_says(levels, rest, parts):
    """As paho, which follows MQTT 5, 4.7.1."""
    levels = [*levels, "#"] if rest else levels

    expected = paho.topic_matches_sub("/".join(levels), "/".join(parts))

    assert _covers(levels, parts) == expected


@pytest.mark.parametrize(
    ("topic_filter", "topic", "covered"),
    [("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False), ("a/#", "a", True), ("+/+", "a", False)],
)
def test_examples(topic_filter, topic, covered):
    """One level each, or the rest."""
    assert _covers(topic_filter.split("/"), topic.split("/")) is covered
