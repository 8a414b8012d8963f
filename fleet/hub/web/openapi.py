"""The description of ``/api/v1``: OpenAPI 3.1 of the handlers and views, with their docstrings."""

import ast
import inspect
import textwrap
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import OpenAPIMediaType
from litestar.openapi import ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from fleet.hub import views
from fleet.hub.web.answers import Problem

PATH: Final = "/api/v1/openapi.json"
DESCRIPTION: Final = (
    "What the hub's pages show, for programs. `null` is: not known (yet). Durations are seconds,"
    " sizes bytes, instants nanoseconds since 1970 by the hub's clock. Errors are a code and a"
    " sentence. Where the hub asks for its token, send `Authorization: Bearer TOKEN`."
)
UNKNOWN: Final = {
    404: ResponseSpec(
        Problem, description="The site has none of that name.", generate_examples=False
    )
}
EVENTS: Final = {
    200: ResponseSpec(
        views.SiteView,
        description="A stream of events; the data of each is such a text.",
        media_type="text/event-stream",
        generate_examples=False,
    ),
    404: ResponseSpec(Problem, description="No such pipeline.", generate_examples=False),
    503: ResponseSpec(
        Problem, description="Too many streams are open; see Retry-After.", generate_examples=False
    ),
}
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Problem": {
        "status": 404,
        "code": "device.unknown",
        "message": "device pi9: this site has none of that name; /api/v1/devices lists them",
    },
    "ProblemView": {
        "code": "thermal.throttled",
        "message": "the processor is slowed down at 84 degrees",
        "severity": "warning",
        "since_unix_ns": 1_795_000_000_000_000_000,
    },
    "NextStep": {
        "command": "paceline doctor --device pi1",
        "why": "it is throttled",
    },
    "AccountView": {
        "submitted": 1003,
        "results": 998,
        "errors": {"worker.lost": 2},
        "drops": 0,
        "in_flight": 3,
        "lost": 0,
        "clients": 1,
        "silent_clients": 0,
    },
    "Bottleneck": {
        "stage": 1,
        "link": None,
        "utilisation_ratio": 0.97,
        "text": "stage 1 on pi2 works 97 % of the time; split there, or use a faster device",
    },
}


_PROBLEM: Final = "#/components/schemas/Problem"


def components() -> Components:
    """Return how a caller shows the token."""
    bearer = SecurityScheme(
        type="http", scheme="bearer", description="The token that the hub printed when it started."
    )
    return Components(security_schemes={"token": bearer})


class Document(OpenAPIRenderPlugin):
    """Serves the description at `PATH`, made once."""

    def __init__(self, *modules: ModuleType) -> None:
        """Describe the types of these modules by their docstrings."""
        self._modules = modules
        super().__init__(path="/", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._made: bytes | None = None

    def has_path(self, path: str) -> bool:
        """Whether it serves ``path``; also of the file's usual name, which is in `PATH` already."""
        return path in {"/", "/openapi.json"}

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 the port's
        """Return the description."""
        if self._made is None:
            self._made = msgspec.json.encode(described(openapi_schema, self._modules))
        return self._made


def described(document: dict[str, Any], modules: Iterable[ModuleType]) -> dict[str, Any]:
    """Return the document with docstrings of types and fields, examples, and our errors."""
    schemas = document.get("components", {}).get("schemas", {})
    for path in document.get("paths", {}).values():
        refused = path["get"]["responses"].get("400")
        if refused is not None:
            refused["description"] = "A parameter is not known, or has no usable value."
            refused["content"] = {"application/json": {"schema": {"$ref": _PROBLEM}}}
    for schema in schemas.values():
        title = schema.get("title", "")
        kinds = (getattr(module, title, None) for module in modules)
        for kind in filter(inspect.isclass, kinds):
            schema["description"] = inspect.getdoc(kind) or ""
            for name, told in field_docstrings(kind).items():
                _add_description(schema["properties"].get(name), told)
        if title in EXAMPLES:
            schema["examples"] = [EXAMPLES[title]]
    return document


def field_docstrings(kind: type) -> dict[str, str]:
    """Return the texts that stand below the fields of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _add_description(schema: dict[str, Any] | None, told: str) -> None:
    if schema is not None:
        schema["description"] = told
