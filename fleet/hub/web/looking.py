"""Which page shows what: the paths of pages, and the devices that somebody sees there."""

from itertools import chain
from typing import Final

from fleet.hub.views import SiteView
from wire import ids

MAX_WATCHED: Final = 50
"""Devices that one viewer may make send every second."""
KINDS: Final = ("pipelines", "devices")


def page_of(path: str) -> tuple[str, str] | None:
    """Return (kind, name) of a page's path, ("site", "") for ``/``; None: it is no page's."""
    if path == "/":
        return "site", ""
    kind, _, name = path.removeprefix("/").partition("/")
    return (kind, name) if path[:1] == "/" and kind in KINDS and ids.is_id(name) else None


def devices_on(view: SiteView, kind: str, name: str) -> list[str]:
    """Return the devices that a page shows, those of pipelines first; at most `MAX_WATCHED`."""
    if kind == "devices":
        return [device.device for device in view.devices if device.device == name]
    shown = [p for p in view.pipelines if kind == "site" or p.pipeline == name]
    staged = (stage.device for pipeline in shown for stage in pipeline.stages)
    others = (device.device for device in view.devices) if kind == "site" else ()
    return list(dict.fromkeys(chain(staged, others)))[:MAX_WATCHED]


def is_there(view: SiteView, kind: str, name: str) -> bool:
    """Whether the site has what a page is of."""
    if kind == "pipelines":
        return any(pipeline.pipeline == name for pipeline in view.pipelines)
    return kind == "site" or any(device.device == name for device in view.devices)
