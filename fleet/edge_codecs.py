"""Which codec each edge of a pipeline uses, as people write it. Pure.

``int8_channel`` is for every edge between stages; ``entry=fp16`` is how clients write entering
frames, ``0=int8_channel`` what stage 0 sends to stage 1. ``fp16,1=raw`` is fp16 but for what
stage 1 sends. Results to clients are raw.
"""

from collections.abc import Sequence
from typing import Final

from fleet.errors import CodecChoiceError
from wire import codec_names
from wire.codec_names import DEFAULT

ENTRY: Final = "entry"


def parsed(text: str, stages: int) -> tuple[str, ...]:
    """Return one codec for each edge that enters a stage, by stage: the first is the entry's.

    Raises:
        CodecChoiceError: It cannot be understood, or names an edge that is not there.
        UnknownPluginError: It names a codec that there is not.
    """
    known = [ENTRY, *(str(stage) for stage in range(stages - 1))]
    chosen: dict[str, str] = {}
    for part in text.split(","):
        edge, equals, name = (piece.strip() for piece in part.rpartition("="))
        if equals and edge not in known:
            raise CodecChoiceError(text, f"there is no edge {edge!r} (known: {', '.join(known)})")
        if edge in chosen:
            which = f"edge {edge} has" if equals else "all edges have"
            raise CodecChoiceError(text, f"{which} two codecs")
        chosen[edge] = codec_names.checked(name)
    between = chosen.get("", DEFAULT)
    return (chosen.get(ENTRY, DEFAULT), *(chosen.get(edge, between) for edge in known[1:]))


def edge_name(place: int) -> str:
    """Return what an edge is called: ``entry``, or the stage that sends on it."""
    return ENTRY if place == 0 else str(place - 1)


def text(codecs: Sequence[str]) -> str:
    """Return the shortest way to write it."""
    entry, between = codecs[0], codecs[1:]
    if entry == DEFAULT and between and len(set(between)) == 1:
        return between[0]
    coded = [f"{edge_name(n)}={name}" for n, name in enumerate(codecs) if name != DEFAULT]
    return ",".join(coded) or DEFAULT
