"""What devices say while they measure, put together."""

import msgspec
import pytest

from fleet.profiles.pages import Pages
from tests.unit.fleet.profiles.records import operator, report
from wire.measuring import Page, Progress, Told

ROWS = [operator(place, 0.001) for place in range(5)]


def plain(said):
    """Return a message as it comes."""
    return msgspec.json.decode(msgspec.json.encode(said))


def final(operators=5, kernels=0):
    """Return the final answer's result."""
    return {"report": plain(report()), "told": plain(Told(operators=operators, kernels=kernels))}


@pytest.fixture
def told():
    """What was told of progress."""
    return []


@pytest.fixture
def pages(told):
    """Those of two devices."""
    return Pages(["d1", "d2"], told.append)


def page(first, rows, table="operators"):
    """Return a page as it comes."""
    return plain(Page(table=table, first=first, rows=tuple(rows)))


def test_pages_make_tables_in_any_order(pages):
    """Also where one comes twice; the other device's are its own."""
    for first, rows in ((3, ROWS[3:]), (0, ROWS[:3]), (3, ROWS[3:])):
        assert not pages.heard("d1", page(first, rows))
    pages.heard("d2", page(0, ROWS[:1]))

    assert pages.heard("d1", final())
    assert pages.report("d1").operators == tuple(ROWS)
    assert pages.report("d1").run == report().run


def test_what_lost_a_page_is_not_whole(pages):
    """With a connection that broke; all of it comes again."""
    pages.heard("d1", page(3, ROWS[3:]))
    assert not pages.heard("d1", final())
    pages.heard("d1", page(0, ROWS[:3]))
    pages.heard("d1", page(3, ROWS[3:]))

    assert pages.heard("d1", final())


def test_progress_is_told_of_all_devices(pages, told):
    """In one line."""
    pages.heard("d1", plain(Progress(step="measuring")))
    pages.heard("d2", plain(Progress(step="fetching", done_bytes=1, total_bytes=4)))

    assert told == ["d1 measuring, d2 asked", "d1 measuring, d2 fetching 25 %"]


@pytest.mark.parametrize(
    "said",
    [
        {"report": {}},
        {"report": 5, "told": {}},
        {"type": "page", "table": "others", "first": 0, "rows": []},
        {"type": "nothing"},
        {},
    ],
)
def test_what_cannot_be_understood(pages, said):
    """Is refused by its types."""
    with pytest.raises(msgspec.ValidationError):
        pages.heard("d1", said)


def test_rows_beyond_all_bounds_are_left_out(pages):
    """A device cannot fill our memory."""
    pages.heard("d1", page(1 << 40, ROWS))

    assert pages.heard("d1", final(operators=0))
    assert pages.report("d1").operators == ()
