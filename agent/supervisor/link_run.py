"""One end of a measured link: a child that has what a worker would have here."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.linking.setup import Offered, Setup
from agent.supervisor import data_access
from agent.supervisor.child_report import child_report
from agent.supervisor.means import Means
from wire import ids, link_names
from wire.errors import UnknownPluginError
from wire.link_report import LinkReport
from wire.measuring import LISTENING, LinkOrder, Progress

GRACE_SECONDS: Final = 60.0
"""For connecting, and for frames that take longer than they may."""


class _Ended(msgspec.Struct, frozen=True, kw_only=True):
    frames: int


async def link_run(
    order: LinkOrder, means: Means, scratch: Path, progress: Callable[[Progress], None]
) -> dict[str, Any]:
    """Return what is answered at the end; cancelled, the child is killed.

    Args:
        order: What was asked.
        means: What there is to do it with.
        scratch: For a Unix socket; our own user's alone, and gone with the measurement.
        progress: Hears how far it is.

    Raises:
        UnknownPluginError: There is no such link, or none between two devices.
        BadIdError: A name of the order is no id.
        ChildReportError: It cannot be measured.
    """
    known = [name for name in link_names.names() if name not in link_names.CHOICES]
    if order.link not in known:
        raise UnknownPluginError("wire.links", order.link, known)
    for name, what in ((order.peer, "device"), (order.pipeline, "pipeline")):
        ids.checked(name, what)
    config, serving = means.config, means.serving()
    setup = Setup(
        order=order,
        device=config.device,
        site=config.site,
        root=config.root,
        broker=data_access.of(config),
        direct=msgspec.structs.replace(means.direct, folder=scratch),
        max_frame_bytes=config.limits.max_frame_bytes,
        parent=os.getpid(),
    )
    progress(Progress(step="connecting"))

    def said(line: bytes) -> bool:
        try:
            offered = msgspec.json.decode(line, type=Offered)
        except msgspec.DecodeError:
            return False
        progress(Progress(step=LISTENING, offers=tuple(offered.offers)))
        return True

    is_sender = order.role == "sender"
    report: LinkReport | _Ended = await child_report(
        "link",
        kind=LinkReport if is_sender else _Ended,
        limit_seconds=GRACE_SECONDS + 3 * order.seconds,
        memory=means.memory(),
        given=msgspec.json.encode(setup, enc_hook=str) + b"\n",
        said=said,
    )
    if isinstance(report, _Ended):
        return {"frames": report.frames}
    load = msgspec.structs.replace(report.load, serving=max(serving, means.serving()))
    return {"report": msgspec.to_builtins(msgspec.structs.replace(report, load=load))}
