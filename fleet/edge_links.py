"""Which link frames take on each edge, as people write it. Pure.

``tcp`` is for every edge; ``0=tcp,1=mqtt`` is tcp for what stage 0 sends to stage 1, and the
broker for all else. ``auto,0=mqtt`` is auto but for what stage 0 sends, ``auto,entry=mqtt`` auto
but for what clients send. How the last stage speaks to the broker, to send answers, is what is said
for all.
"""

from collections.abc import Sequence
from typing import Final

from fleet.errors import LinkChoiceError
from wire import link_names
from wire.link_names import DEFAULT

ENTRY: Final = "entry"
"""The edge from clients to the first stage."""


def parsed(text: str, stages: int) -> tuple[str, ...]:
    """Return the link of what enters, and of what each stage sends.

    Raises:
        LinkChoiceError: It cannot be understood, or names a stage that sends to none.
        UnknownPluginError: It names a link that there is not.
    """
    sending = [str(stage) for stage in range(stages - 1)]
    known = [ENTRY, *sending]
    chosen: dict[str, str] = {}
    for part in text.split(","):
        edge, equals, name = (piece.strip() for piece in part.rpartition("="))
        if equals and edge not in known:
            listed = ", ".join(sending) or "none"
            raise LinkChoiceError(
                text, f"no stage {edge!r:.20} sends to another (some do: {listed})"
            )
        if edge in chosen:
            whose = f"{'the' if edge == ENTRY else 'stage'} {edge}" if equals else "all"
            raise LinkChoiceError(text, f"{whose} has two links")
        chosen[edge] = link_names.checked(name)
    usual = chosen.get("", DEFAULT)
    return (*(chosen.get(edge, usual) for edge in known), usual)


def text(links: Sequence[str]) -> str:
    """Return how to write what `parsed` returns."""
    *edges, usual = links
    names = [ENTRY, *map(str, range(len(edges) - 1))]
    own = [f"{edge}={link}" for edge, link in zip(names, edges, strict=True) if link != usual]
    return ",".join(own if own and usual == DEFAULT else [usual, *own])
