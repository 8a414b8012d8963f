"""Which link each stage sends by, as people write it. Pure.

``tcp`` is for every stage; ``0=tcp,1=mqtt`` is tcp for what stage 0 sends to stage 1, and the
broker for what stage 1 sends. ``auto,0=mqtt`` is auto but for what stage 0 sends. How the last
stage speaks to the broker, to send answers, is what is said for all.
"""

from collections.abc import Sequence

from fleet.errors import LinkChoiceError
from wire import link_names
from wire.link_names import DEFAULT


def parsed(text: str, stages: int) -> tuple[str, ...]:
    """Return one link for each stage.

    Raises:
        LinkChoiceError: It cannot be understood, or names a stage that sends to none.
        UnknownPluginError: It names a link that there is not.
    """
    known = [str(stage) for stage in range(stages - 1)]
    chosen: dict[str, str] = {}
    for part in text.split(","):
        stage, equals, name = (piece.strip() for piece in part.rpartition("="))
        if equals and stage not in known:
            listed = ", ".join(known) or "none"
            raise LinkChoiceError(
                text, f"no stage {stage!r:.20} sends to another (some do: {listed})"
            )
        if stage in chosen:
            raise LinkChoiceError(text, f"{f'stage {stage}' if equals else 'all'} has two links")
        chosen[stage] = link_names.checked(name)
    usual = chosen.get("", DEFAULT)
    return (*(chosen.get(stage, usual) for stage in known), usual)


def text(links: Sequence[str]) -> str:
    """Return the shortest way to write one link for each stage that sends to another."""
    if len(set(links)) == 1:
        return links[0]
    return ",".join(f"{n}={name}" for n, name in enumerate(links) if name != DEFAULT) or DEFAULT
