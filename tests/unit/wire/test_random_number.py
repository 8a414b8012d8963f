"""Numbers that nobody else draws."""

from wire.random_number import random_number


def test_no_two_are_alike():
    """And each fits into 63 bits, as a frame's meta and an assignment have them."""
    drawn = {random_number() for _ in range(1000)}

    assert len(drawn) == 1000
    assert max(drawn) < 2**63
