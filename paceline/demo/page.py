"""Pages that the demo reads: a little printed sheet, drawn from its number alone.

The same number gives the same picture with the same Pillow. Only Pillow's built-in typeface is
used, so there is no font file to carry, and only characters that it has.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from paceline.demo.page_text import PageText, Row, page_text
from paceline.pictures.errors import PillowMissingError
from paceline.pictures.reading import need_pillow

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SIDE_PIXELS: Final = 640
_FINE: Final = 2
"""Everything is drawn so many times larger and then reduced: smooth edges and letters."""

Colour = tuple[int, int, int]
INK: Final[Colour] = (34, 38, 46)
GREY: Final[Colour] = (112, 118, 128)
PAPER: Final[Colour] = (252, 250, 245)
RULE: Final[Colour] = (206, 202, 192)
WHITE: Final[Colour] = (255, 255, 255)
STAMP: Final[Colour] = (190, 52, 50)
DARK: Final[Colour] = (20, 24, 30)

_LEFT: Final = 62.0
_RIGHT: Final = 578.0
_TURN_DEGREES: Final = 11.0
"""How far the stamp is turned: not every text line is level."""


class Theme(NamedTuple):
    """The colours in which pages differ."""

    desk: Colour
    accent: Colour
    tint: Colour


THEMES: Final = (
    Theme((58, 74, 92), (24, 92, 148), (233, 240, 247)),
    Theme((72, 86, 74), (36, 112, 84), (233, 243, 238)),
    Theme((98, 78, 70), (176, 84, 38), (250, 239, 230)),
    Theme((78, 70, 96), (96, 66, 152), (241, 237, 249)),
)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws in page coordinates, ``_FINE`` times larger."""

    draw: "ImageDraw"

    def text(
        self,
        at: tuple[float, float],
        words: str,
        size: float,
        colour: Colour = INK,
        *,
        anchor: str = "ls",
        bold: bool = False,
    ) -> None:
        """Write one line; ``anchor`` is Pillow's: ``ls`` is left on the base line."""
        self.draw.text(
            (at[0] * _FINE, at[1] * _FINE),
            words,
            fill=colour,
            font=_font(size),
            anchor=anchor,
            stroke_width=1 if bold else 0,  # the typeface has one weight: a stroke makes it bold
        )

    def box(
        self, box: tuple[float, float, float, float], colour: Colour, *, radius: float = 0.0
    ) -> None:
        """Fill a rectangle."""
        self.draw.rounded_rectangle(_fine(*box), radius * _FINE, fill=colour)

    def rule(self, y: float, colour: Colour = RULE, *, width: float = 1.0) -> None:
        """Draw a level line across the page."""
        self.box((_LEFT, y, _RIGHT, y + width - 1 / _FINE), colour)


def draw_page(number: int) -> "Image":
    """Return page ``number`` (0 or more): 640 x 640, RGB.

    Raises:
        PillowMissingError: Pillow is not installed.
    """
    need_pillow()
    from PIL import Image, ImageDraw  # noqa: PLC0415 an extra

    words, theme = page_text(number), THEMES[number % len(THEMES)]
    sheet = _desk(theme)
    pen = _Pen(ImageDraw.Draw(sheet))
    _masthead(pen, words, theme)
    _story(pen, words)
    _sign(pen, words, theme)
    _invoice(pen, words, theme)
    pen.text((320, 597), words.footer, 10.5, GREY, anchor="ms")
    _stamp(sheet)
    return sheet.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)


def _desk(theme: Theme) -> "Image":
    """A sheet of paper on a desk, with its shadow."""
    from PIL import Image, ImageDraw, ImageFilter  # noqa: PLC0415 an extra

    size = (SIDE_PIXELS, SIDE_PIXELS)
    light = Image.linear_gradient("L").resize(size).point([value // 3 for value in range(256)])
    desk = Image.composite(Image.new("RGB", size, DARK), Image.new("RGB", size, theme.desk), light)
    shadow = Image.new("L", size, 0)
    ImageDraw.Draw(shadow).rectangle((34, 30, 608, 622), fill=150)
    desk.paste((0, 0, 0), mask=shadow.filter(ImageFilter.BoxBlur(9)))
    desk = desk.resize((SIDE_PIXELS * _FINE, SIDE_PIXELS * _FINE))
    _Pen(ImageDraw.Draw(desk)).box((32, 22, 608, 616), PAPER, radius=3)
    return desk


def _masthead(pen: _Pen, words: PageText, theme: Theme) -> None:
    pen.text((_LEFT, 74), "THE PACELINE", 33, bold=True)
    pen.text((_RIGHT, 74), "COURIER", 33, theme.accent, anchor="rs", bold=True)
    pen.rule(86, INK, width=2)
    pen.text((_LEFT, 103), words.issue, 11.5, GREY)
    pen.text((320, 103), words.date, 11.5, GREY, anchor="ms")
    pen.text((_RIGHT, 103), "Two cents", 11.5, GREY, anchor="rs")
    pen.rule(110)


def _story(pen: _Pen, words: PageText) -> None:
    pen.text((_LEFT, 150), words.headline, 25, bold=True)
    for line, text in enumerate(_wrapped(words.paragraph, 13.5, 310)[:9]):
        pen.text((_LEFT, 180 + 20 * line), text, 13.5)


def _sign(pen: _Pen, words: PageText, theme: Theme) -> None:
    platform, place, time = words.sign
    pen.box((398, 166, _RIGHT, 344), theme.accent, radius=14)
    pen.box((404, 172, _RIGHT - 6, 338), WHITE, radius=10)
    pen.box((407, 175, _RIGHT - 9, 335), theme.accent, radius=8)
    middle = (398 + _RIGHT) / 2
    pen.text((middle, 216), platform, 25, WHITE, anchor="ms", bold=True)
    pen.text((middle, 251), f"to {place}", 18, WHITE, anchor="ms")
    pen.box((428, 270, _RIGHT - 30, 318), WHITE, radius=6)
    pen.text((middle, 306), time, 33, INK, anchor="ms", bold=True)


def _invoice(pen: _Pen, words: PageText, theme: Theme) -> None:
    pen.text((_LEFT, 392), words.invoice, 19, bold=True)
    pen.text((_RIGHT, 392), "due in 14 days", 12, GREY, anchor="rs")
    top, high = 404.0, 27.0
    pen.box((_LEFT, top, _RIGHT, top + high), theme.accent, radius=3)
    _cells(pen, top + 18, ("Item", "Qty", "Price", "Total"), WHITE, bold=True)
    for index, row in enumerate(words.rows):
        top += high
        if index % 2:
            pen.box((_LEFT, top, _RIGHT, top + high), theme.tint)
        _cells(pen, top + 18, _written(row), INK)
    pen.rule(top + high, INK, width=1.5)
    pen.text((430, top + high + 25), "Sum", 15, anchor="rs", bold=True)
    pen.text((_RIGHT - 10, top + high + 25), _money(words.total), 17, anchor="rs", bold=True)


def _cells(
    pen: _Pen, y: float, cells: tuple[str, str, str, str], colour: Colour, *, bold: bool = False
) -> None:
    item, *numbers = cells
    pen.text((_LEFT + 10, y), item, 13, colour, bold=bold)
    for x, number in zip((348.0, 458.0, _RIGHT - 10), numbers, strict=True):
        pen.text((x, y), number, 13, colour, anchor="rs", bold=bold)


def _stamp(sheet: "Image") -> None:
    """A turned stamp, as on paper: its ink lets the paper through."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 an extra

    width, height = 116 * _FINE, 44 * _FINE
    ink = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(ink)
    draw.rounded_rectangle((2, 2, width - 3, height - 3), 16, outline=205, width=3 * _FINE)
    draw.text((width / 2, height / 2), "PAID", 205, _font(29), anchor="mm", stroke_width=1)
    ink = ink.rotate(_TURN_DEGREES, Image.Resampling.BICUBIC, expand=True)
    sheet.paste(STAMP, (94 * _FINE, 539 * _FINE), ink)


def _written(row: Row) -> tuple[str, str, str, str]:
    return row.item, str(row.quantity), _money(row.price), _money(row.total)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _wrapped(text: str, size: float, width: float) -> list[str]:
    """Return the lines of ``text`` that fit into ``width``."""
    font, lines = _font(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width * _FINE:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache
def _font(size: float) -> "FreeTypeFont":
    from PIL import ImageFont  # noqa: PLC0415 an extra

    font = ImageFont.load_default(size * _FINE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise PillowMissingError("it was built without FreeType")
    return font


def _fine(*numbers: float) -> list[float]:
    return [number * _FINE for number in numbers]
