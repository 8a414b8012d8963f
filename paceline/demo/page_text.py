"""What stands on the demo's pages: chosen by the page's number alone. Pure."""

import random
from dataclasses import dataclass
from typing import Final

HEADLINES: Final = (
    "Seven riders, one wheel",
    "The last mile is downhill",
    "Small motors, long roads",
    "Who takes the next turn?",
    "A tailwind out of the valley",
    "Night train to the harbour",
)
SENTENCES: Final = (
    "In a paceline each rider takes the wind for a while, then drifts back to rest.",
    "Nobody in the row is the fastest; together they are faster than any one of them.",
    "The pace is set by the slowest wheel, and that is why it holds all day.",
    "A gap of one bicycle length costs a third of the shelter.",
    "Whoever leads says little: a hand to the left, a hand to the right, a nod.",
    "When a rider drops out, the row closes and the road goes on as before.",
    "At the ferry they count the wheels, and every one of them has arrived.",
    "The old bridge carries one row at a time, so they wait and share the bread.",
    "Rain is only weather. A flat tyre is an event, and the row has a plan for it.",
    "By noon the mountains are behind them and the talk comes back.",
)
PLACES: Final = ("Harbour", "Old Mill", "North Gate", "Lakeside", "Summit", "Market")
GOODS: Final = (
    ("Inner tube 28 x 622", 640),
    ("Chain oil, 100 ml", 890),
    ("Brake pads, pair", 1450),
    ("Handlebar tape", 1275),
    ("Bottle cage", 1120),
    ("Spoke key", 780),
    ("Front lamp, 60 lux", 4990),
    ("Rain cape, yellow", 3650),
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = ("March", "April", "May", "June", "July", "August", "September")
ROWS: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the invoice; money in cents."""

    item: str
    quantity: int
    price: int

    @property
    def total(self) -> int:
        """What the line costs."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class PageText:
    """Every word of one page."""

    issue: str
    date: str
    headline: str
    paragraph: str
    sign: tuple[str, str, str]
    """Platform, destination, time."""
    invoice: str
    rows: tuple[Row, ...]
    footer: str

    @property
    def total(self) -> int:
        """The invoice's sum in cents."""
        return sum(row.total for row in self.rows)


def page_text(number: int) -> PageText:
    """Return the words of page ``number`` (0 or more); no two pages have the same."""
    # a string as seed is hashed by its bytes: the same on every machine and in every Python
    chance = random.Random(f"page {number}")  # noqa: S311 words on a page are no secret
    return PageText(
        issue=f"No. {number + 1}",
        date=f"{chance.choice(DAYS)}, {chance.randint(1, 30)} {chance.choice(MONTHS)}",
        headline=HEADLINES[number % len(HEADLINES)],
        paragraph=" ".join(chance.sample(SENTENCES, 5)),
        sign=(
            f"Platform {chance.randint(1, 12)}",
            chance.choice(PLACES),
            f"{chance.randint(5, 22):02d}:{chance.randrange(0, 60):02d}",
        ),
        invoice=f"Invoice 2026-{number + 1:04d}",
        rows=tuple(
            Row(item, chance.randint(1, 6), cents) for item, cents in chance.sample(GOODS, ROWS)
        ),
        footer=f"Thank you for riding with us.   Page {number + 1}",
    )
