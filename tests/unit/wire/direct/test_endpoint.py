"""What is offered, and what of an offer is believed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.direct import endpoint
from wire.direct.endpoint import Tcp, Uds, Way

LANE = "paceline/v1/default/d/b/in/p/7-1"
HERE, THERE = "0123", "4567"
OFFERS = (
    Tcp(addresses=("192.168.1.20", "127.0.0.1", "fd00::20"), port=4000, host=HERE),
    Uds(folder="/var/lib/paceline/direct", host=HERE),
)
SOCKET = f"/var/lib/paceline/direct/{endpoint.socket_name(LANE)}"


def tried(offers=OFFERS, *, link="auto", host=HERE, has_certificates=True):
    """Return what a sender tries."""
    return endpoint.ways(offers, LANE, link=link, host=host, has_certificates=has_certificates)


def test_offers_survive_the_wire():
    """What one side offers is what the other reads."""
    meta = msgspec.msgpack.decode(msgspec.msgpack.encode(endpoint.to_meta(OFFERS)))

    assert endpoint.from_meta(meta) == OFFERS


def test_on_one_host_the_socket_comes_first_and_loopback_second():
    """The cheapest is tried first."""
    assert [str(way) for way in tried()] == [
        f"uds:{SOCKET}",
        "tcp:127.0.0.1:4000",
        "tcp:192.168.1.20:4000",
        "tcp:fd00::20:4000",
    ]


def test_another_host_is_reached_over_its_network_alone():
    """Neither its socket nor its loopback is ours."""
    assert tried(host=THERE) == (
        Way("tcp", "192.168.1.20", 4000, True),
        Way("tcp", "fd00::20", 4000, True),
    )


def test_without_certificates_nothing_leaves_the_host():
    """A link that would not be encrypted is not tried."""
    assert tried(host=THERE, has_certificates=False) == ()
    assert not any(way.encrypted for way in tried(has_certificates=False))


@pytest.mark.parametrize(
    ("offers", "host", "certified", "reason"),
    [
        ((), HERE, False, "offers no direct"),
        (OFFERS, THERE, False, "another host"),
        (OFFERS[1:], THERE, True, "can be used from here"),
        (OFFERS[1:], HERE, False, "can be used from here"),
    ],
)
def test_why_there_is_nothing_to_try(offers, host, certified, reason):
    """So that who reads it knows what to change: certificates are named only where none is."""
    assert reason in endpoint.why_none(offers, host=host, has_certificates=certified)


@pytest.mark.parametrize("link", ["uds", "tcp"])
def test_one_link_may_be_wanted(link):
    """`--link tcp` never uses a socket, and the other way round."""
    assert {way.link for way in tried(link=link)} == {link}


@pytest.mark.parametrize(
    "address",
    [
        "localhost",
        "example.com",
        "",
        "0.0.0.0",
        "224.0.0.1",
        "::",
        "1.2.3",
        "fe80::1%eth0; x",
        "1" * 64,
    ],
)
def test_only_literal_addresses_of_one_host_are_tried(address):
    """An offer cannot make us resolve a name or talk to a group."""
    assert tried((Tcp(addresses=(address,), port=4000, host=THERE),)) == ()


def test_an_offer_does_not_name_the_socket():
    """It names a folder; the socket in it is named by the lane."""
    (way,) = tried((Uds(folder="/run/docker.sock", host=HERE),))

    assert way.target == f"/run/docker.sock/{endpoint.socket_name(LANE)}"


@pytest.mark.parametrize(
    "meta",
    [
        None,
        "offers",
        [None, 7, {}, [[]]],
        [{"link": "rdma", "host": HERE}],
        [{"link": "tcp", "host": HERE, "port": 0, "addresses": ["10.0.0.1"]}],
        [{"link": "tcp", "host": HERE, "port": 1, "addresses": ["10.0.0.1"] * 9}],
        [{"link": "uds", "host": HERE, "folder": "relative"}],
        [{"link": "uds", "host": HERE, "folder": "/a\0b"}],
        [{"link": "uds", "host": HERE, "folder": "/" * 1025}],
        [{"link": "uds", "host": "h" * 65, "folder": "/"}],
    ],
)
def test_what_is_malformed_or_unknown_is_left_out(meta):
    """It is no reason to refuse the rest."""
    assert endpoint.from_meta(meta) == ()
    if isinstance(meta, list):
        assert endpoint.from_meta([*meta, *endpoint.to_meta(OFFERS)]) == OFFERS


def test_only_so_many_offers_are_looked_at():
    """A long list is cut."""
    many = endpoint.to_meta(OFFERS[:1]) * 100

    assert len(endpoint.from_meta(many)) == endpoint.MAX_OFFERS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
)


@given(JSON)
def test_no_offer_confuses_us(meta):
    """Whatever comes, there is an answer."""
    assert isinstance(tried(endpoint.from_meta(meta)), tuple)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("192.168.1.1", False), ("localhost", False), ("", False)],
)  # fmt: skip
def test_loopback_is_known_in_every_form(address, expected):
    """What is not literally loopback has to be encrypted."""
    assert endpoint.is_loopback(address) is expected
