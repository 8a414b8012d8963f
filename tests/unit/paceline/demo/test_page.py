"""The pages that the demo draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.demo.page import SIDE_PIXELS, draw_page
from paceline.demo.page_text import GOODS, ROWS, page_text

NUMBERS = st.integers(0, 10_000)


def test_a_page_is_the_same_each_time():
    """References are computed once for each number."""
    assert draw_page(3).tobytes() == draw_page(3).tobytes()


def test_pages_differ():
    """Each number is another picture, also where the colours repeat."""
    pages = {draw_page(number).tobytes() for number in (0, 1, 4, 12)}

    assert len(pages) == 4


@pytest.mark.parametrize("number", [0, 999])
def test_a_page_is_a_square_of_paper_with_ink(number):
    """RGB, mostly bright, with dark letters."""
    page = draw_page(number)
    values = np.asarray(page)

    assert (page.mode, page.size) == ("RGB", (SIDE_PIXELS, SIDE_PIXELS))
    assert (values.min(axis=2) > 200).mean() > 0.5
    assert (values.max(axis=2) < 100).mean() > 0.01


@given(NUMBERS, NUMBERS)
def test_words_are_chosen_by_the_number_alone(one, other):
    """The same words for the same number; never the same for two."""
    assert (page_text(one) == page_text(other)) == (one == other)


@given(NUMBERS)
def test_the_invoice_adds_up(number):
    """Someone will check."""
    words = page_text(number)

    assert len({row.item for row in words.rows}) == ROWS
    assert words.total == sum(row.quantity * dict(GOODS)[row.item] for row in words.rows)


def test_page_seven_reads_as_ever():
    """The seed is independent of machine, process and Python's version."""
    words = page_text(7)

    assert (words.date, words.sign) == (
        "Thursday, 26 September",
        ("Platform 3", "North Gate", "22:16"),
    )
