"""What goes wrong at the HTTP edge, told as problem details (RFC 9457) that echo nothing of the request.

RefusedError
├── RequestError                the request itself is at fault; `gateway.requests` has more
│   ├── ForbiddenError          403: the caller lacks the role; the same whatever is asked for
│   ├── NotFoundError           404
│   ├── BodyTooLargeError       413
│   ├── BodyTimeoutError        408
│   ├── BodyIncompleteError     400
│   ├── MediaTypeError          415
│   ├── BodyMalformedError      422: not strict JSON
│   └── InvalidError            422: says which fields
│       ├── BodyInvalidError    JSON, but not what the route takes
│       └── QueryInvalidError   the query of the address
└── ConflictError
    └── JobConflictError        409: says which job is in the way
DependencyError
└── BusyError                   503: as many requests as allowed are waiting already
"""

import json
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.credential import CredentialError
from policies.errors import ConflictError, DependencyError, PenstockError, RefusedError, UnauthenticatedError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

_log = logging.getLogger(__name__)
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class RequestError(RefusedError):
    """The request itself is at fault. Its message and mend are shown to the caller."""

    code = "request_invalid"


class ForbiddenError(RequestError):
    """The caller lacks the role that the route needs."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN


class NotFoundError(RequestError):
    """What the address names is not there."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class BodyTooLargeError(RequestError):
    """The body is larger than is read."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    code = "body_timeout"
    status = HTTPStatus.REQUEST_TIMEOUT


class BodyIncompleteError(RequestError):
    """The client went away before the body was complete."""

    code = "body_incomplete"
    status = HTTPStatus.BAD_REQUEST


class MediaTypeError(RequestError):
    """The body is not declared as plain JSON."""

    code = "media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class BodyMalformedError(RequestError):
    """The body is not strict JSON."""

    code = "body_malformed"


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldFault:
    """A field that is not as it must be. `path` is dotted, "" for the body itself; never holds a caller's word."""

    path: str
    expected: str


class InvalidError(RequestError):
    """Fields of the request are not as they must be."""

    what: ClassVar[str]

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__(f"The {self.what} is not what this route takes.", mend="Mend what is listed under `errors`.")
        self.faults = tuple(faults)


class BodyInvalidError(InvalidError):
    """The body is JSON, but not what the route takes."""

    code = "body_invalid"
    what = "body"


class QueryInvalidError(InvalidError):
    """The query of the address is not what the route takes."""

    code = "query_invalid"
    what = "query"


class JobConflictError(ConflictError):
    """What `job` is, or does, is in the way."""

    def __init__(self, message: str, *, mend: str, job: str) -> None:
        super().__init__(message, mend=mend)
        self.job = job


class BusyError(DependencyError):
    """As many requests as allowed are waiting already."""

    code = "busy"


def problem(
    *,
    status: HTTPStatus,
    code: str,
    detail: str,
    request_id: str,
    faults: Sequence[FieldFault] = (),
    job: str | None = None,
) -> Response:
    """A problem details response. `code` is stable and stands in `type`; `title` is the code in words."""
    body: dict[str, Any] = {
        "type": f"urn:penstock:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": int(status),
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    if faults:
        body["errors"] = [{"path": fault.path, "expected": fault.expected} for fault in faults]
    if job:
        body["job"] = job
    response = Response(json.dumps(body, ensure_ascii=False), status_code=status, media_type=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["www-authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["retry-after"] = str(RETRY_AFTER_S)
    return response


def of_error(error: Exception, request_id: str) -> Response:
    """The problem an error becomes.

    Faults of the request say what is wrong and how to mend it. Of everything else the caller learns the code and the
    request id alone: the message of an inner error can name a source that this caller must not know of.
    """
    match error:
        case RequestError() | UnauthenticatedError() | ConflictError():
            status, code, detail = error.status, error.code, str(error)
        case DependencyError():
            status, code = error.status, error.code
            detail = "Something this request needs is away; nothing was let through. Retry later."
        case _:
            status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
            detail = "The request failed. Give the request id to the operator, whose log knows more."
    faults = error.faults if isinstance(error, InvalidError) else ()
    job = error.job if isinstance(error, JobConflictError) else None
    return problem(status=status, code=code, detail=detail, request_id=request_id, faults=faults, job=job)


async def of_http_exception(request: Request, error: Exception) -> Response:
    """The problem for what the framework refuses itself: no such path, or no such method on it."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    response = problem(
        status=status,
        code=status.name.lower(),
        detail="See /openapi.json for the paths and methods of this service.",
        request_id=request.state.request_id,
    )
    response.headers.update(error.headers or {})
    return response


class Shield:
    """ASGI middleware: each request gets an id, each response the security headers, each error a problem.

    Nothing escapes to the server, whose log would hold the message of the exception.
    """

    def __init__(self, app: ASGIApp, *, new_request_id: Callable[[], str]) -> None:
        self._app = app
        self._new_request_id = new_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def shielded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                headers["x-request-id"] = request_id
                if message["status"] >= HTTPStatus.BAD_REQUEST and _has_body(scope):
                    # The rest of a refused body is not worth reading, and would be taken for the next request.
                    headers["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, shielded)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, its message stays inside
            log_error(error, request_id)
            if not started:
                await of_error(error, request_id)(scope, receive, shielded)


def log_error(error: Exception, request_id: str) -> None:
    """Record an error by codes and places, without any message: it can hold what a caller or a document said."""
    if isinstance(error, CredentialError):
        _log.info("refused request=%s code=%s reason=%s", request_id, error.code, error.audit_reason)
    elif isinstance(error, RequestError | ConflictError):
        _log.info("refused request=%s code=%s", request_id, error.code)
    else:
        code = error.code if isinstance(error, PenstockError) else "internal"
        _log.error("failed request=%s code=%s at %s", request_id, code, " <- ".join(_places(error)))


def _places(error: BaseException) -> list[str]:
    """Class and innermost places of an error and of what caused it, outermost error first."""
    places = []
    seen: BaseException | None = error
    while seen is not None:
        frames = traceback.extract_tb(seen.__traceback__)[-4:]
        trail = " ".join(f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in reversed(frames))
        places.append(f"{type(seen).__name__} [{trail}]")
        seen = seen.__cause__ or seen.__context__
    return places


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
