"""The hub's pages as text: from what is shown (`fleet.hub.views`) to HTML, and nothing of HTTP.

A page is whole as it comes, with every value made here; scripts only keep it fresh. What one push
replaces are the inner parts of three elements, `fragments`, in the form of `stream_event`.
"""

from importlib import resources
from typing import Any, Final
from urllib.parse import quote, unquote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fleet.hub.views import PipelineView, SiteView
from fleet.hub.web import wording
from fleet.hub.web.alerts import alerts
from fleet.hub.web.extension import Extension
from fleet.hub.web.graph import narrow_graph, stage_word, wide_graph
from fleet.hub.web.vendored import version_of
from fleet.hub.web.waterfall import KINDS, lane_name, waterfall_drawing

DEVICES_SHOWN: Final = 50
SERIES_SECONDS: Final = 300


class Pages:
    """Makes the pages. Whatever devices, clients and brokers say becomes escaped text."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("fleet.hub.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_clean,
        )
        self._templates.filters["acts"] = lambda device, actions: bool(actions(device))
        self._templates.globals.update(
            say=wording,
            icons=wording.ICONS,
            words=wording.WORDS,
            kinds=KINDS,
            wide_graph=wide_graph,
            narrow_graph=narrow_graph,
            stage_word=stage_word,
            waterfall_drawing=waterfall_drawing,
            lane_name=lane_name,
            path_of=path_of,
            devices_shown=DEVICES_SHOWN,
            series_seconds=SERIES_SECONDS,
            asset=asset,
            adds_up=adds_up,
        )

    def site_page(self, view: SiteView, *, extension: Extension | None, now_unix_ns: int) -> str:
        """Return the page of ``/``: all pipelines, or the one there is, and all devices."""
        return self._page(view, "/", extension, now_unix_ns) or ""

    def pipeline_page(
        self, view: SiteView, pipeline: str, *, extension: Extension | None, now_unix_ns: int
    ) -> str | None:
        """Return the page of one pipeline and all devices; None: there is no such pipeline."""
        return self._page(view, path_of("pipelines", pipeline), extension, now_unix_ns)

    def device_page(
        self, view: SiteView, device: str, *, extension: Extension | None, now_unix_ns: int
    ) -> str | None:
        """Return the page of one device; None: there is no such device."""
        return self._page(view, path_of("devices", device), extension, now_unix_ns)

    def fragments(
        self, view: SiteView, page: str, *, extension: Extension | None, now_unix_ns: int
    ) -> dict[str, str]:
        """Return what one push to a page replaces: an element's id, and its new inner HTML.

        ``page`` is the page's path. A page whose pipeline or device is gone says so.
        `stream_event` makes of it what htmx swaps: an ``hx-partial`` for each element, which its
        ``hx-sse`` extension hands to the swap of htmx as a whole (an unnamed event). Each is
        morphed in (``innerMorph``): only nodes and attributes that differ are touched, so focus,
        selected text and opened details stay (htmx's ``morphIgnore`` lists ``open``), and so do
        elements with ``hx-morph-skip``: the charts.
        """
        template, context = self._content(view, page, extension)
        everything = {
            "view": view,
            "now": now_unix_ns,
            "alerts": alerts(view),
            "page": page,
            **context,
        }
        return {
            "head": self._render("head.html", everything),
            "alerts": self._render("alerts.html", everything),
            "main": self._render(template, everything),
        }

    def login_page(self, wrong: bool) -> str:
        """Return the page that asks for the token: a form that posts ``token`` to ``/login``."""
        return self._render("login.html", {"wrong": wrong})

    def error_page(self, status: int, text: str) -> str:
        """Return a page that says what went wrong."""
        return self._render("error.html", {"status": status, "text": text})

    def _page(
        self, view: SiteView, page: str, extension: Extension | None, now_unix_ns: int
    ) -> str | None:
        template, _ = self._content(view, page, extension)
        if template == "gone.html":
            return None
        parts = self.fragments(view, page, extension=extension, now_unix_ns=now_unix_ns)
        return self._render("live.html", {"view": view, "page": page, "parts": _marked(parts)})

    def _content(
        self, view: SiteView, page: str, extension: Extension | None
    ) -> tuple[str, dict[str, Any]]:
        """Return the template of a page's main part, and what it needs."""
        extra = {
            "picture": extension.picture() if extension else None,
            "actions": _actions(extension),
            "commands": extension is None,  # in the demo there is nothing to type them into
        }
        match page.split("/")[1:]:
            case ["pipelines", name]:
                found = next((p for p in view.pipelines if p.pipeline == unquote(name)), None)
                return (
                    ("pipeline.html", extra | {"pipeline": found}) if found else ("gone.html", {})
                )
            case ["devices", name]:
                device = next((d for d in view.devices if d.device == unquote(name)), None)
                return ("device.html", extra | {"device": device}) if device else ("gone.html", {})
            case _ if len(view.pipelines) == 1:
                return "pipeline.html", extra | {"pipeline": view.pipelines[0]}
            case _:
                return "overview.html", extra

    def _render(self, template: str, context: dict[str, Any]) -> str:
        return self._templates.get_template(template).render(context)


def stream_event(fragments: dict[str, str]) -> str:
    """Return the data of one server-sent event, on one line, that replaces the fragments.

    To be sent without a name (``event:``): htmx swaps unnamed events only.
    """
    partials = (
        f'<hx-partial hx-target="#{key}" hx-swap="innerMorph">{html}</hx-partial>'
        for key, html in fragments.items()
    )
    return " ".join("".join(partials).splitlines())


def path_of(kind: str, name: str) -> str:
    """Return the path of a pipeline's or a device's page."""
    return f"/{kind}/{quote(name, safe='')}"


def asset(name: str) -> str:
    """Return the path of a file in ``static/``; another content is another address."""
    return f"/static/{name}?v={version_of(name)}"


def static_folder() -> Any:
    """Return the folder that is served as ``/static/``."""
    return resources.files("fleet.hub.web") / "static"


def adds_up(pipeline: PipelineView) -> bool:
    """Whether the account's equation holds: always, or there is a defect."""
    account = pipeline.account
    ends = account.results + sum(account.errors.values()) + account.drops
    return account.submitted == ends + account.in_flight


def _actions(extension: Extension | None) -> Any:
    return extension.actions if extension else lambda _device: ()


def _clean(value: Any) -> Any:
    return (
        value if isinstance(value, Markup) or not isinstance(value, str) else wording.clean(value)
    )


def _marked(parts: dict[str, str]) -> dict[str, Markup]:
    return {key: Markup(part) for key, part in parts.items()}  # noqa: S704 (made by our own templates)
