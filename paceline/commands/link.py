"""``paceline link``."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fleet import keys
from fleet.control.observe import Observer
from fleet.control.requests import Requests
from fleet.errors import BadRequestError
from fleet.fleet_file import quantities
from fleet.profiles import links as measuring
from fleet.profiles.links import DEFAULT_LINKS, LinksRequest
from paceline import link_option, link_view
from paceline.cache import profiles_folder
from paceline.commands.profile import Seconds
from paceline.connection import connected
from paceline.options import OutputOptions, SiteOptions
from wire import ids
from wire.measuring import LINK_SIZES, MOST_LINK_BYTES

MOST_SIZES = 8


def link(
    *devices: str,
    links: Annotated[str, Parameter(name="--link")] = ",".join(DEFAULT_LINKS),
    sizes: str = ",".join(map(str, LINK_SIZES)),
    seconds: Seconds = 10.0,
    again: Annotated[bool, Parameter(negative=())] = False,
    key: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Measure what is between devices, each pair both ways, by each link.

    Frames go from one agent's child to another's over a link as workers use it, and each is
    answered with a small one. What was measured is kept, and shown again the next time.

    Args:
        devices: Two or more.
        links: What shall carry the frames, parted by commas; ways that there are not, such as
            Unix sockets between two hosts, are left out.
        sizes: Bytes of the tensor in each frame, parted by commas: 64000, 600kB, 3MiB.
        seconds: How long each way by each link may take.
        again: Measure again, whatever is kept.
        key: The signing key's file; made on first use.
        where: Which site.
        how: How to answer.
    """
    names = tuple(dict.fromkeys(ids.checked(name, "device") for name in devices))
    if len(names) < 2:
        raise BadRequestError("DEV", f"names {len(names)} (a link is between two devices)")
    request = LinksRequest(
        devices=names,
        links=link_option.measured(links),
        sizes=_sizes(sizes),
        seconds=seconds,
        again=again,
    )
    loaded = where.load().settings
    private = keys.load_or_make(key or keys.default_path(os.environ))
    out = how.output
    with (
        connected(loaded) as session,
        Observer(session, loaded.topics) as seen,
        out.progress() as tell,
    ):
        requests = Requests(session, loaded.topics, seen, private)
        found = measuring.measure(requests, request, profiles_folder(os.environ), tell)
    out.result(link_view.plain(found), lambda console: link_view.show(console, found))
    for (source, target, name), error in found.failures.items():
        out.note(f"error: {source} to {target} by {name}: {error}")
    return next((error.exit_code for error in found.failures.values()), 0)


def _sizes(text: str) -> tuple[int, ...]:
    found = []
    for part in text.split(","):
        size = part.strip()
        value = quantities.quantity(
            "bytes", int(size) if size.isdecimal() and len(size) < 20 else size
        )
        if value is None or not 1 <= value <= MOST_LINK_BYTES:
            raise BadRequestError(
                f"--sizes {text}", f"has {size!r}, no size from 1 to {MOST_LINK_BYTES} bytes"
            )
        found.append(int(value))
    if len(set(found)) > MOST_SIZES:
        raise BadRequestError(f"--sizes {text}", f"has over {MOST_SIZES} sizes")
    return tuple(sorted(set(found)))
