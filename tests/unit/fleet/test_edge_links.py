"""How people write which link each stage sends by."""

import pytest

from fleet import edge_links
from fleet.errors import LinkChoiceError
from wire.errors import UnknownPluginError


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("mqtt", ("mqtt", "mqtt", "mqtt", "mqtt")),
        ("paho", ("paho", "paho", "paho", "paho")),
        ("0=tcp", ("mqtt", "tcp", "mqtt", "mqtt")),
        ("0=tcp,1=uds", ("mqtt", "tcp", "uds", "mqtt")),
        (" auto , 1 = mqtt ", ("auto", "auto", "mqtt", "auto")),
        ("auto,entry=mqtt", ("mqtt", "auto", "auto", "auto")),
        ("entry=uds", ("uds", "mqtt", "mqtt", "mqtt")),
    ],
)
def test_what_is_written_is_understood(text, links):
    """A name alone is for every edge; one of its own wins over that."""
    assert edge_links.parsed(text, 3) == links


@pytest.mark.parametrize(
    ("text", "stages", "said"),
    [
        ("2=tcp", 3, r"no stage '2' sends to another \(some do: 0, 1\)"),
        ("0=tcp", 1, r"some do: none"),
        ("tcp,uds", 3, "all has two links"),
        ("0=tcp,0=uds", 3, "stage 0 has two links"),
        ("entry=tcp,entry=uds", 1, "the entry has two links"),
    ],
)
def test_stages_that_send_to_none_are_refused(text, stages, said):
    """The sentence tells those that do, and how to write it."""
    with pytest.raises(LinkChoiceError, match=f"--link .*{said}.*0=tcp,1=mqtt"):
        edge_links.parsed(text, stages)


@pytest.mark.parametrize("text", ["", "pigeon", "0=", "0=tcp,", "memory"])
def test_links_that_are_not_there_are_refused(text):
    """With those that there are."""
    with pytest.raises(UnknownPluginError, match="known: auto"):
        edge_links.parsed(text, 3)


@pytest.mark.parametrize(
    ("links", "text"),
    [
        (("tcp", "tcp", "tcp", "tcp"), "tcp"),
        (("mqtt", "mqtt", "mqtt", "mqtt"), "mqtt"),
        (("mqtt", "tcp", "mqtt", "mqtt"), "0=tcp"),
        (("mqtt", "mqtt", "uds", "mqtt"), "1=uds"),
        (("auto", "mqtt", "auto", "auto"), "auto,0=mqtt"),
        (("uds", "auto", "auto", "auto"), "auto,entry=uds"),
        (("auto", "mqtt", "uds", "mqtt"), "entry=auto,1=uds"),
    ],
)
def test_a_choice_is_written_as_it_is_read(links, text):
    """What a report names can be given to a deploy."""
    assert edge_links.text(links) == text
    assert edge_links.parsed(text, 3) == links
