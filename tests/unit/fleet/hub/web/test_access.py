"""Who may look: tokens, cookies, and how often one may guess."""

from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.web.access import BURST_TRIES, MAX_ADDRESSES, SESSION_SECONDS, Access

TOKEN = "right-horse-battery-staple"
NOW = 1_795_000_000.0


def pair(access, now=NOW):
    """Return what a browser sends back of a cookie."""
    return access.cookie(now).partition(";")[0]


def test_only_the_token_is_the_token():
    """Neither a part of it, nor more, nor nothing; and without one nothing is."""
    access = Access(TOKEN)

    assert access.knows_token(TOKEN)
    assert not any(map(access.knows_token, ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é"]))
    assert not Access(None).knows_token("")


def test_a_cookie_holds_until_it_ends_and_not_the_token():
    """It can be read by nobody's script and goes to no other site."""
    access = Access(TOKEN)
    made = access.cookie(NOW)

    assert "HttpOnly" in made
    assert "SameSite=Strict" in made
    assert TOKEN not in made
    assert access.knows_cookie(f"a=b; {pair(access)}; c=d", NOW + SESSION_SECONDS - 1)
    assert not access.knows_cookie(pair(access), NOW + SESSION_SECONDS + 1)


def test_a_cookie_of_another_token_or_with_another_end_is_none():
    """Whoever changes the token ends every session."""
    access = Access(TOKEN)
    name, _, value = pair(access).partition("=")
    ends, _, digest = value.partition(".")

    assert not Access("another-token-of-some-length").knows_cookie(pair(access), NOW)
    assert not access.knows_cookie(f"{name}={int(ends) + 9}.{digest}", NOW)
    assert not access.knows_cookie(f"other={value}", NOW)


@given(st.text(max_size=200))
def test_any_cookie_header_is_answered(header):
    """With no, whatever it holds."""
    assert not Access(TOKEN).knows_cookie(header, NOW)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_value_of_our_cookie_is_guessed(ends, digest):
    """Odd digits and letters included."""
    assert not Access(TOKEN).knows_cookie(f"paceline_hub={ends}.{digest}", NOW)


def test_guesses_are_a_few_and_then_one_a_second():
    """Of each address for itself; one who knew it begins anew."""
    access = Access(TOKEN)

    assert [access.may_try("a", 0.0) for _ in range(BURST_TRIES + 2)].count(True) == BURST_TRIES
    assert not access.may_try("a", 0.5)
    assert access.may_try("b", 0.5)
    assert access.may_try("a", 1.6)
    assert not access.may_try("a", 1.7)
    access.forgive("a")
    assert access.may_try("a", 1.7)


def test_what_is_remembered_of_strangers_is_bounded():
    """The oldest are forgotten."""
    access = Access(TOKEN)
    for number in range(MAX_ADDRESSES + 100):
        access.may_try(str(number), 0.0)

    assert len(access._tries) == MAX_ADDRESSES
