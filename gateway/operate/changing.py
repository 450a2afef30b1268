"""What the routes share that change something: their key and body, their answer, and how both are documented."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel

from gateway.problems import MEDIA_TYPE
from gateway.requests import Reply, read_key
from gateway.routing import JSON, Problems, check_media_type
from gateway.schemas import Wire

READING: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
"""The problems of every route here."""
CHANGING: Final = (
    *READING,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
"""The problems of a route that changes something."""
KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "One string in double quotes (draft-ietf-httpapi-idempotency-key-header-07) of 1 to 255 printable "
    "ASCII characters: new for each request, the same when a request is sent again. It is kept for 24 hours and "
    "belongs to its caller.",
    "schema": {"type": "string"},
    "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
}


async def read_changing(request: Request) -> tuple[str, bytes]:
    """The idempotency key and the body of a request that changes something.

    Raises:
        RequestError: there is no key, or the body is not declared as JSON.
    """
    key = read_key(request.headers.getlist("idempotency-key"))
    body = await request.body()
    if body:
        check_media_type(request)
    return key, body


def response(reply: Reply, collection: str) -> Response:
    """The answer as it goes out; `collection` is the path below which what was asked for is found by its id."""
    headers = {}
    if reply.status in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED} and reply.job is not None:
        headers["location"] = f"{collection}/{reply.job}"
    media_type = MEDIA_TYPE if reply.status >= HTTPStatus.BAD_REQUEST else JSON
    return Response(reply.body, status_code=reply.status, media_type=media_type, headers=headers)


def located(status: HTTPStatus, what: str) -> Problems:
    """The documentation of the Location header of answers with this status."""
    return {int(status): {"headers": {"Location": {"description": what, "schema": {"type": "string"}}}}}


def path_parameter(name: str) -> dict[str, Any]:
    """The documentation of a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The documentation of a query."""
    return [
        {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]


def request_body(model: type[Wire], *, required: bool) -> dict[str, Any]:
    """The documentation of a body. What a model refers to stands in it whole: the document knows no `$defs`."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})
    return {"required": required, "content": {JSON: {"schema": _inlined(schema, parts)}}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(one, parts) for name, one in schema.items()}
