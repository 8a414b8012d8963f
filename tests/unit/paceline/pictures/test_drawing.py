"""What was found is painted on a copy of the picture, and saved whole or not at all."""

import numpy as np
import pytest
from PIL import Image

from paceline.pictures import drawing
from paceline.pictures.errors import PictureNotWrittenError
from paceline.pictures.labels import Label, Meaning
from paceline.pictures.text_boxes import TextBox


def white(width=200, height=120):
    """Return an empty picture."""
    return Image.new("RGB", (width, height), "white")


def box(left, top, right, bottom, score=0.9):
    """Return an upright box."""
    return TextBox(
        corners=((left, top), (right, top), (right, bottom), (left, bottom)), score=score
    )


def test_a_box_is_painted_where_it_is_and_not_elsewhere():
    """Its line and its inside change; pixels far from it do not, nor does the given picture."""
    picture = white()

    drawn = np.asarray(drawing.draw_text_boxes(picture, [box(50, 40, 150, 80)]))

    assert (drawn[40, 100] != 255).any()
    assert (drawn[60, 100] != 255).any()
    assert (drawn[:30] == 255).all()
    assert (drawn[100:] == 255).all()
    assert picture.getextrema() == ((255, 255),) * 3


def test_an_unsure_box_has_another_colour():
    """Green is sure, orange is not."""
    sure = drawing.draw_text_boxes(white(), [box(50, 40, 150, 80, score=0.9)]).getpixel((100, 40))
    unsure = drawing.draw_text_boxes(white(), [box(50, 40, 150, 80, score=0.6)]).getpixel((100, 40))

    assert sure[1] > sure[0]
    assert unsure[0] > unsure[1]


@pytest.mark.parametrize("size", [(1, 1), (20, 2000), (5000, 4000)])
def test_any_picture_can_be_drawn_on(size):
    """Tiny, thin, and too large to be drawn finer."""
    drawn = drawing.draw_text_boxes(white(*size), [box(0.0, 0.0, *map(float, size))])

    assert drawn.size == size


def test_labels_stand_in_a_panel_with_bars():
    """The better label has the longer bar."""
    labels = [
        Label(index=0, name="cat", score=0.9, meaning=Meaning.PROBABILITY),
        Label(index=1, name="dog", score=0.1, meaning=Meaning.PROBABILITY),
    ]

    drawn = np.asarray(drawing.draw_labels(white(640, 640), labels)).astype(int)

    greener = drawn[..., 1] - drawn[..., 0] > 40
    rows = greener.sum(axis=1)
    assert rows[568:598].max() > 5 * rows[598:628].max() > 0


def test_no_labels_leave_the_picture_alone():
    """No empty panel."""
    assert drawing.draw_labels(white(), []).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "PNG"), (".JPG", "JPEG"), (".jpeg", "JPEG")])
def test_the_suffix_says_the_format(tmp_path, suffix, kind):
    """And nothing but the file is left in the folder."""
    path = tmp_path / f"picture{suffix}"

    drawing.save(white(), path)

    with Image.open(path) as saved:
        assert (saved.format, saved.size) == (kind, (200, 120))
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_suffix_is_refused(tmp_path):
    """Before anything is written."""
    with pytest.raises(PictureNotWrittenError, match=r"suffix '\.txt' is unknown") as caught:
        drawing.save(white(), tmp_path / "picture.txt")

    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """No file appears elsewhere instead."""
    path = tmp_path / "gone" / "picture.png"

    with pytest.raises(PictureNotWrittenError, match="No such file") as caught:
        drawing.save(white(), path)

    assert caught.value.path == str(path)
