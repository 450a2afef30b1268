"""What the routes share: who asks, how a path is added, what a body is declared as, and what can go wrong."""

from collections.abc import Awaitable, Callable, Mapping
from email.message import Message
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway import schemas
from gateway.identity import is_token
from gateway.limits import Pool
from gateway.problems import MEDIA_TYPE, MediaTypeError
from policies.model import Caller

JSON = "application/json"
_REFERENCE = "#/components/schemas/{model}"

Verified = Callable[..., Awaitable[Caller]]
"""A dependency of a route: the caller that the request proves."""
Problems = dict[int | str, dict[str, Any]]

_BEARER = HTTPBearer(
    auto_error=False,
    description="An API key, or a token of a trusted issuer (RS256, ES256 or EdDSA, at most an hour long).",
)
_PROBLEMS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The Idempotency-Key is missing, or is not one structured-field string.",
    HTTPStatus.UNAUTHORIZED: "No valid credential. The answer is the same whatever is wrong with it.",
    HTTPStatus.FORBIDDEN: "The caller lacks the role that this needs, whatever is asked for; or reviews an answer that "
    "it got itself.",
    HTTPStatus.NOT_FOUND: "What the path or the body names is not there.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
    HTTPStatus.CONFLICT: "A job, a standing order, another reviewer or what that one said is in the way, or the first "
    "request with this Idempotency-Key is being served.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 1,000,000 bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not declared as application/json.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is not strict JSON, or a field is not as it must be.",
    HTTPStatus.TOO_MANY_REQUESTS: "The caller has used too many Idempotency-Keys within 24 hours.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Busy, or something needed is away. Nothing was let through. Retry later.",
}


class Verifier(Protocol):
    """What can tell who asks. May block, and may be called from several threads at once."""

    def verify(self, authorization: str | None) -> Caller:
        """The caller that the value of an Authorization header proves.

        Raises:
            UnauthenticatedError: none.
        """


def authentication(verifier: Verifier, *, keys: Pool, tokens: Pool) -> Verified:
    """What a route depends on that only verified callers may use. Whoever sends no token never waits for tokens."""

    async def verified(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        given = request.headers.getlist("authorization")
        authorization = given[0] if len(given) == 1 else None
        pool = tokens if is_token(authorization) else keys
        return await pool.run(partial(verifier.verify, authorization))

    return verified


def add_get(router: APIRouter, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
    """GET and the HEAD that RFC 9110 asks for beside it, which FastAPI does not add."""
    router.add_api_route(path, endpoint, methods=["GET"], **options)
    router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, response_model=None)


def problems(*statuses: HTTPStatus) -> Problems:
    """The documentation of these problems, whose schema the application adds (see `problem_schemas`)."""
    # With `model` in place of `content` FastAPI would make a validator for each route and status: half of its start.
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model=schemas.ProblemBody.__name__)}}}
    return {int(status): {"description": _PROBLEMS[status], "content": content} for status in statuses}


def problem_schemas() -> dict[str, Any]:
    """The schemas, by name, of what a problem's body is made of."""
    problem = schemas.ProblemBody.model_json_schema(mode="serialization", ref_template=_REFERENCE)
    return {**problem.pop("$defs"), schemas.ProblemBody.__name__: problem}


def check_media_type(request: Request) -> None:
    """Return if the body is declared as plain JSON.

    Raises:
        MediaTypeError: it is not.
    """
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    charset = str(header.get_param("charset", "utf-8")).lower()
    if header.get_content_type() != JSON or charset != "utf-8" or not plain:
        raise MediaTypeError(
            "The body is not declared as plain JSON.",
            mend="Send `Content-Type: application/json` in UTF-8, without Content-Encoding.",
        )
