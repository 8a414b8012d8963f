"""Elements of SVG as escaped text. What becomes of them is styled by ``hub.css`` alone."""

import math

from markupsafe import Markup, escape

from fleet.hub.web.wording import clean


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Return one element; None is no attribute, ``class_`` is ``class``, ``data_x`` is ``data-x``.

    Children that are no markup, and all values, are escaped.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(_value(child)) for child in children)
    return Markup(f"<{name}{given}>{inner}</{name}>")  # noqa: S704 (all of it is escaped above)


def _value(value: str | float) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return clean(value, 4000)
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"


def text(x: float | str, y: float, words: str, class_: str, **attributes: str | float) -> Markup:
    """Return a line of text."""
    return tag("text", words, x=x, y=y, class_=class_, **attributes)


def group(*children: str, **attributes: str | float | None) -> Markup:
    """Return a group."""
    return tag("g", *children, **attributes)


def drawing(
    title: str, description: str, *children: str, key: str, **attributes: str | float
) -> Markup:
    """Return a whole drawing with a title and a description that screen readers tell.

    ``key`` is letters and digits: it makes the ids of this drawing its own.
    """
    return tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        role="group",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
        **attributes,
    )
