"""``paceline advise``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from fleet.errors import BadRequestError
from fleet.fleet_file.description import Figure
from fleet.fleet_file.reading import link_of
from fleet.model_plan import advice, codecs, reading
from fleet.model_plan.advice import Named
from fleet.model_plan.answering import Asked
from fleet.model_plan.kinds import Known
from fleet.model_plan.reading import ModelPlanRequest
from paceline import advice_view
from paceline.cache import profiles_folder
from paceline.dimensions import dimension
from paceline.options import OutputOptions, SiteOptions

INFEASIBLE: Final = 4

Names = Annotated[
    tuple[str, ...], Parameter(negative=(), consume_multiple=True, show_default=False)
]


def advise(  # noqa: PLR0913 one for each option
    model: Path,
    /,
    *,
    have: Names = (),
    add: Names,
    fleet: Annotated[Path | None, Parameter(show_default=False)] = None,
    link: Annotated[str | None, Parameter(show_default=False)] = None,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Say what one more device would give: throughput, latency, and whether to split.

    Plans what there is, then each addition. Every figure is measured, described by hand, or
    unknown; of what is unknown it is said what would make it known. Exits with 4 where all is
    known and nothing fits.

    Args:
        model: The model, such as model.onnx or model.tflite.
        have: What there is, CLASSxN: rpi5x2, or several, parted by commas; DEVICE of the fleet file
            is itself; none: all devices of the fleet file.
        add: What may be added, CLASS or CLASSxN; several, parted by | or commas, are each looked
            at by itself.
        fleet: The file that describes classes, devices and links, such as fleet.yaml. A class is
            one of its classes or devices, or a device that was measured.
        link: What is between devices where nothing is known: 940Mbit,0.3ms.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        example: An .npz with one array for each input, where made-up ones do not do.
        where: Which site's profiles.
        how: How to answer.
    """
    if not have and fleet is None:
        raise BadRequestError("--have", "neither it nor --fleet FILE says what there is")
    additions = _listed(add, "--add")
    links = [advice.any_link(_link(link))] if link is not None else []
    loaded = where.load().settings
    request = ModelPlanRequest(
        model=model,
        fleet=fleet,
        site=f"{loaded.root}/{loaded.site}",
        dims=dict(dimension(text) for text in dim),
        example=example,
    )
    with how.output.progress() as tell:
        known, of_fleet = reading.known(request, profiles_folder(os.environ), tell)
        there = _there(known, _listed(have, "--have") if have else ())
        taken = {one.id for one in there} | {device.id for device in known.fleet.devices}
        more = [(text, advice.named(text, known, taken)) for text in additions]
        tell("planning")
        asked = Asked(codecs=tuple(codecs.FIGURES))
        found = list(advice.advised(known, there, more, [*links, *of_fleet], asked))
    how.output.result(
        advice_view.plain(known, found), lambda console: advice_view.show(console, known, found)
    )
    nothing = not any(one.unknown or one.throughput for one in found)
    return INFEASIBLE if nothing else 0


def _there(known: Known, have: Sequence[str]) -> list[Named]:
    """Return the devices that there are: as they are named, or all of the fleet file."""
    if not have:
        return [Named(device.id, known.kind(device.id)) for device in known.fleet.devices]
    own = {device.id for device in known.fleet.devices}
    found: list[Named] = []
    for text in have:
        taken = {one.id for one in found}
        if text in own - taken:  # itself, and not another like it
            found.append(Named(text, known.kind(text)))
        else:
            found += advice.named(text, known, taken)
    return found


def _listed(texts: Sequence[str], option: str) -> tuple[str, ...]:
    parts = [part.strip() for text in texts for part in text.replace("|", ",").split(",")]
    if not all(parts):
        raise BadRequestError(option, "names an empty class")
    return tuple(dict.fromkeys(parts)) if option == "--add" else tuple(parts)


def _link(text: str) -> dict[str, Figure]:
    found = link_of(text)
    if "bytes_per_second" not in found:
        raise BadRequestError(f"--link {text}", "has no bandwidth, such as 940Mbit")
    return found
