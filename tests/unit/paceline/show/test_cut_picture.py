"""The picture: well-formed, harmless whatever names it is given, everything at its place."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.show.cut_picture import (
    LEFT,
    RIGHT,
    Cut,
    CutPicture,
    Segment,
    Shares,
    cut_picture,
)

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = CutPicture(
    title="net.onnx in 2 segments",
    subtitle="4 operators",
    crossing_bytes=(4096, 65536, 1024, 16384, 64),
    cuttable=(False, True, True, True, False),
    lines=(
        Shares(label="time before", heading="time", kind="work", values=(0, 0.25, 0.5, 0.75, 1)),
        Shares(label="weights before", heading="weights", kind="weights", values=(0, 0, 1, 1, 1)),
    ),
    cuts=(Cut(at=2, tensors=("hidden",)),),
    cuts_are="cuts",
    segments=(Segment(name="00-head", share="50 % of time"), Segment(name="01-tail", share="50 %")),
)
NAMES = st.text(st.characters(exclude_categories=[]), max_size=60)


def drawn(picture):
    """Return the root of the picture, parsed."""
    return ElementTree.fromstring(cut_picture(picture).encode())


def of_class(root, tag, kind):
    """Return the elements of a class."""
    return [e for e in root.iter(f"{SVG}{tag}") if kind in e.get("class", "").split()]


def words(root):
    """Return all texts that are seen."""
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def test_a_picture_is_one_file_that_needs_nothing_else():
    """No script, no link, no font or style from elsewhere; light and dark."""
    text = cut_picture(PLAIN)

    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"<script|href|url\(|@import|@font-face|\son\w+=", text)
    assert text.count("http") == 1


def test_cuts_stand_where_they_are_along_the_operators():
    """Behind two of four operators is the middle."""
    (line, _legend) = sorted(
        of_class(drawn(PLAIN), "line", "cut"), key=lambda e: e.get("x1") != e.get("x2")
    )

    assert float(line.get("x1")) == float(line.get("x2")) == (LEFT + RIGHT) / 2


def test_segments_are_bands_between_the_cuts():
    """Each with its name and its share; neighbours differ."""
    root = drawn(PLAIN)
    (head,), (tail,) = of_class(root, "rect", "band0"), of_class(root, "rect", "band1")

    assert (float(head.get("x")), float(head.get("width"))) == (LEFT, (RIGHT - LEFT) / 2)
    assert (float(tail.get("x")), float(tail.get("width"))) == ((LEFT + RIGHT) / 2, 432)
    assert {"00-head", "50 % of time", "01-tail"} <= set(words(root))


def test_each_cut_is_told_below():
    """Operators and shares before it, what it sends, and the names of its tensors."""
    seen = words(drawn(PLAIN))

    assert {"2", "1.0 KiB", "50 %", "100 %", "hidden"} <= set(seen)
    assert {"16 KiB", "64 KiB", "time before (right)", "cuts"} <= set(seen)


def test_the_area_goes_up_and_down_with_the_widths():
    """Zero is at the bottom; four times the bytes are twice as high."""
    (outline,) = of_class(drawn(PLAIN), "path", "rim")
    heights = [float(y) for y in re.findall(r"(?:M\S+ |V)(\S+)", outline.get("d"))]
    (area,) = of_class(drawn(PLAIN), "path", "area")
    bottom = float(re.findall(r"V(\S+)", area.get("d"))[-1])
    above = [bottom - height for height in heights]

    assert [height / above[0] for height in above] == pytest.approx([1, 4, 0.5, 2, 0.125], rel=0.02)


def test_places_that_cannot_be_cut_are_marked():
    """And only then is there a word about it in the legend."""
    blocked = replace(PLAIN, cuttable=(False, True, True, False, False))

    assert of_class(drawn(PLAIN), "rect", "blocked") == []
    assert len(of_class(drawn(blocked), "rect", "blocked")) == 2
    assert "cannot be cut" in words(drawn(blocked))


@given(NAMES, NAMES, NAMES)
def test_hostile_names_stay_text(title, tensor, segment):
    """Markup, control characters, lone surrogates: the file parses, and nothing is added."""
    hostile = replace(
        PLAIN,
        title=title,
        cuts=(Cut(at=2, tensors=(tensor, f"</text><script>{tensor}")),),
        segments=(replace(PLAIN.segments[0], name=segment), PLAIN.segments[1]),
    )
    root, plain = drawn(hostile), drawn(PLAIN)

    assert {e.tag for e in root.iter()} == {e.tag for e in plain.iter()}
    assert {k for e in root.iter() for k in e.attrib} == {k for e in plain.iter() for k in e.attrib}


def test_markup_in_a_name_can_be_read_as_it_is():
    """It is shown, not swallowed."""
    named = replace(PLAIN, cuts=(Cut(at=2, tensors=('<b>&"x',)),))

    assert '<b>&"x' in words(drawn(named))


@pytest.mark.parametrize(
    "widths", [(0,), (12,), (0, 0), (4, 8), (1 << 40, 1)], ids=lambda w: f"{len(w) - 1}-{w[0]}"
)
def test_graphs_of_nothing_or_one_operator_are_drawn(widths):
    """There is little to see, and no division by it."""
    small = CutPicture(
        title="", subtitle="", crossing_bytes=widths, cuttable=(False,) * len(widths),
        lines=(Shares(label="w", heading="w", kind="work", values=(0.0,) * len(widths)),),
        cuts=(), cuts_are="cuts",
    )  # fmt: skip
    text = cut_picture(small)

    ElementTree.fromstring(text)
    assert "nan" not in text
    assert "inf" not in text


@given(st.lists(st.integers(1, 999), unique=True, max_size=40).map(sorted), st.booleans())
def test_however_many_cuts_there_are_all_is_on_the_page(places, named):
    """Nothing is drawn outside of it, and each cut has its badge twice."""
    crowded = CutPicture(
        title="t" * 300, subtitle="s" * 300, crossing_bytes=range(1, 1002),
        cuttable=(True,) * 1001, lines=(),
        cuts=tuple(Cut(at=at, tensors=("name" * 30,) * 9) for at in places), cuts_are="cuts",
        segments=(Segment(name="n" * 48, share="1 % of time"),) * (len(places) + 1 if named else 0),
    )  # fmt: skip
    root = drawn(crowded)
    width, height = (float(root.get(side)) for side in ("width", "height"))

    assert all(0 <= float(e.get("x")) <= width for e in root.iter() if e.get("x"))
    assert all(0 <= float(e.get("y")) <= height for e in root.iter() if e.get("y"))
    assert len(of_class(root, "rect", "badge")) == 2 * len(places)
