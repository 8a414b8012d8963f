"""A worker's place: its addresses and its neighbours'."""

import pytest


def test_addresses_of_a_middle_stage(made):
    """It listens on its own lane and credit topic, and sends to its neighbours'."""
    stage = made.stage()

    assert stage.inbox_address() == "paceline/v1/default/d/d1/in/p/7-1"
    assert stage.credit_address() == "paceline/v1/default/d/d1/cr/p/7-1"
    assert stage.next_address(stage.downstream[0]) == "paceline/v1/default/d/d2/in/p/7-2"
    assert stage.grant_address("d0") == "paceline/v1/default/d/d0/cr/p/7-0"
    assert stage.client_address("c") == "paceline/v1/default/p/p/out/c"
    assert stage.upstream == {"d0"}


def test_the_ends_of_a_pipeline_talk_to_clients(made):
    """Without neighbours, frames come from clients and results go to them."""
    stage = made.stage(0, upstream=(), downstream=())

    assert (stage.upstream, stage.downstream) == (frozenset(), ())
    assert stage.grant_address("c") == "paceline/v1/default/p/p/cr/c"


def test_a_stranger_has_no_grant_address(made):
    """Grants go to neighbours alone."""
    with pytest.raises(KeyError):
        made.stage().grant_address("d7")
