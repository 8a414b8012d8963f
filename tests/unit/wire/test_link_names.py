"""Which links an assignment may name, and who speaks to the broker how."""

import pytest

from wire import link_names, plugins
from wire.errors import UnknownPluginError


def test_every_link_but_that_within_a_process_can_be_named():
    """Its file makes it so; and two names choose among them."""
    assert set(link_names.names()) == {*plugins.names("wire.links"), "auto", "direct"} - {"memory"}
    assert all(link_names.checked(name) == name for name in link_names.names())


@pytest.mark.parametrize("name", ["", "memory", "tpc", "MQTT"])
def test_what_no_assignment_can_name(name):
    """The sentence lists those there are."""
    with pytest.raises(UnknownPluginError, match="auto, direct, mqtt, paho"):
        link_names.checked(name)


def test_what_carries_frames_is_listed_without_the_choice():
    """Nobody can measure a choice, and nobody is told of it where it cannot be taken."""
    assert link_names.carriers() == link_names.names()[2:]
    with pytest.raises(UnknownPluginError, match="known: mqtt, paho"):
        link_names.checked("tpc", link_names.carriers())


@pytest.mark.parametrize(
    ("told", "spoken"),
    [("mqtt", "mqtt"), ("paho", "paho"), ("auto", "mqtt"), ("direct", "mqtt"), ("tcp", "mqtt")],
)
def test_who_has_a_direct_link_speaks_to_the_broker_as_usual(told, spoken):
    """Lanes stay there for clients, whatever carries frames between stages."""
    assert link_names.brokered(told) == spoken
