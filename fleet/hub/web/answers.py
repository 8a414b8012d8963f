"""How the hub says no: JSON to programs, a page to people; always a sentence."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException

from wire.errors import CodedError

FOR_PROGRAMS: Final = ("/api/", "/metrics", "/healthz", "/readyz", "/events")
"""Paths below which an error is JSON."""
QUERY_NAMES: Final = {"looks": "state"}
"""What parameters are called outside, where Litestar keeps the name for itself."""
_CODES: Final = {
    400: "http.bad_request",
    404: "http.not_found",
    405: "http.method_not_allowed",
    413: "http.too_large",
    503: "http.busy",
}
_SENTENCES: Final = {
    404: "there is nothing at this address; begin at /, or at /api/v1/openapi.json",
    405: "this address does not take that method; /api/v1/openapi.json says what it takes",
    413: "what was sent is too large; nothing here takes more than 64 KiB",
}

log = structlog.get_logger(__name__)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    status: int
    """As in the answer's first line."""
    code: str
    """Stays the same from version to version, such as ``device.unknown``."""
    message: str
    """A sentence for people."""


class NoAnswerError(HTTPException):
    """A request that is answered by a `Problem`."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail=message, status_code=status, headers=headers)
        self.code = code


def is_for_programs(path: str) -> bool:
    """Whether whoever asks there reads JSON."""
    return path.startswith(FOR_PROGRAMS)


def problem_of(error: Exception) -> Problem:
    """Return what is said of an exception."""
    if isinstance(error, NoAnswerError):
        return Problem(status=error.status_code, code=error.code, message=error.detail)
    if isinstance(error, HTTPException) and error.status_code < 500:
        status = error.status_code
        message = _SENTENCES.get(status) or _told(error)
        return Problem(status=status, code=_CODES.get(status, "http.refused"), message=message)
    if isinstance(error, CodedError):
        return Problem(status=503, code=error.code, message=str(error))
    told = "the hub failed to answer; its log says why"
    return Problem(status=500, code="hub.failed", message=told)


def handler(page: Callable[[int, str], str]) -> Callable[[Request[Any, Any, Any], Exception], Any]:
    """Return what makes answers of exceptions; ``page`` makes those for people."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        problem = problem_of(error)
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request.failed", path=request.url.path[:200], exc_info=error)
        headers = error.headers if isinstance(error, HTTPException) else None
        if is_for_programs(request.url.path):
            return Response(
                problem, status_code=problem.status, headers=headers, media_type=MediaType.JSON
            )
        text = page(problem.status, problem.message)
        return Response(
            text, status_code=problem.status, headers=headers, media_type=MediaType.HTML
        )

    return answer


def _told(error: HTTPException) -> str:
    """Return what Litestar found wrong with the parameters, as a sentence."""
    told = []
    for item in error.extra if isinstance(error.extra, list) else ():
        if isinstance(item, dict):
            key = str(item.get("key", "request"))
            message = str(item.get("message", "cannot be used"))
            told.append(f"{QUERY_NAMES.get(key, key)}: {message[:1].lower()}{message[1:]}")
    return f"{'; '.join(told) or error.detail}; /api/v1/openapi.json says what is taken"
