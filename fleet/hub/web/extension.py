"""Something more on the page, brought by whoever starts the hub: the demo's picture and buttons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that changes, beside the pipeline."""

    title: str
    caption: str
    path: str
    """Where it is got; asked for again whenever ``version`` is another."""
    version: int
    width: int
    height: int
    """In pixels, so that nothing moves while it loads."""
    alternative: str
    """What it shows, in words."""


@dataclass(frozen=True, slots=True)
class Action:
    """A button beside a device."""

    label: str
    path: str
    """Posted to."""
    enabled: bool = True
    note: str = ""
    """Said beside it, such as how long something will last."""


class Extension(Protocol):
    """What the page shows more. Called from the hub's event loop; must not block."""

    def picture(self) -> Picture | None:
        """Return the picture as it is now; None: there is none yet."""
        ...

    def actions(self, device: str) -> Sequence[Action]:
        """Return the buttons beside a device."""
        ...

    def handlers(self) -> Sequence[Any]:
        """Return the Litestar route handlers that serve the picture and the buttons."""
        ...
