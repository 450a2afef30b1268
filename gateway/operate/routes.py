"""The routes of jobs: each authenticates, asks for the role, then reads, then asks the desk."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from gateway.limits import Pool
from gateway.operate import schemas
from gateway.operate.desk import Desk, Operator, Verb, operator_of
from gateway.problems import MEDIA_TYPE
from gateway.requests import Reply, read_key
from gateway.routing import JSON, Verified, add_get, check_media_type, problems
from indexer.joblog import JobId
from policies.model import Caller, SourceName

SYNC = "/v1/sources/{source}/sync"
JOB = "/v1/jobs/{job}"

_READING = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
_CHANGING = (
    *_READING,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "One string in double quotes (draft-ietf-httpapi-idempotency-key-header-07) of 1 to 255 printable "
    "ASCII characters: new for each request, the same when a request is sent again. It is kept for 24 hours and "
    "belongs to its caller.",
    "schema": {"type": "string"},
    "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
}


def build(desk: Desk, *, verified: Verified, pool: Pool) -> APIRouter:
    """The routes over a desk. What they ask of it waits in `pool`."""
    router = APIRouter()

    async def permitted(caller: Annotated[Caller, Depends(verified)]) -> Operator:
        return operator_of(caller)

    async def jobs(request: Request, _: Annotated[Operator, Depends(permitted)]) -> Response:
        """Jobs, the youngest first."""
        query = schemas.read_query(request.query_params)
        source = None if query.source is None else SourceName(query.source)
        found = await pool.run(partial(desk.listing, source=source, state=query.state, limit=query.limit))
        return Response(schemas.render_jobs(found, desk.clock(), request.state.request_id), media_type=JSON)

    async def job(request: Request, _: Annotated[Operator, Depends(permitted)]) -> Response:
        """A job as it is now."""
        found = await pool.run(partial(desk.job, JobId(request.path_params["job"])))
        return Response(schemas.render_job(found, desk.clock()), media_type=JSON)

    async def sync(request: Request, operator: Annotated[Operator, Depends(permitted)]) -> Response:
        """Ask for a sync of a source. A worker runs it; the address of the job stands in Location."""
        key, body = await _changing(request)
        options = schemas.read_sync(body).model_dump()
        source = SourceName(request.path_params["source"])
        asked = partial(desk.sync, operator, source, options, key=key, request_id=request.state.request_id)
        return _response(await pool.run(asked))

    def steered(verb: Verb) -> Callable[..., Any]:
        async def steer(request: Request, operator: Annotated[Operator, Depends(permitted)]) -> Response:
            key, body = await _changing(request)
            schemas.check_empty(body)
            job = JobId(request.path_params["job"])
            asked = partial(desk.steer, operator, job, verb, key=key, request_id=request.state.request_id)
            return _response(await pool.run(asked))

        steer.__doc__ = f"{verb.value.capitalize()} a job."
        return steer

    add_get(
        router,
        "/v1/jobs",
        jobs,
        response_model=schemas.JobsBody,
        responses=problems(*_READING, HTTPStatus.UNPROCESSABLE_ENTITY),
        openapi_extra={"parameters": _query_parameters()},
    )
    add_get(
        router,
        JOB,
        job,
        response_model=schemas.JobBody,
        responses=problems(*_READING, HTTPStatus.NOT_FOUND),
        openapi_extra={"parameters": [_path_parameter("job")]},
    )
    located = {"headers": {"Location": {"description": "the job's path", "schema": {"type": "string"}}}}
    router.add_api_route(
        SYNC,
        sync,
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        response_model=schemas.JobBody,
        responses=problems(*_CHANGING) | {int(HTTPStatus.ACCEPTED): located},
        openapi_extra={"parameters": [_path_parameter("source"), _KEY], "requestBody": _body(schemas.SyncBody)},
    )
    for verb in Verb:
        router.add_api_route(
            f"{JOB}/{verb}",
            steered(verb),
            name=verb.value,
            methods=["POST"],
            response_model=schemas.JobBody,
            responses=problems(*_CHANGING),
            openapi_extra={"parameters": [_path_parameter("job"), _KEY], "requestBody": _body(schemas.SteerBody)},
        )
    return router


async def _changing(request: Request) -> tuple[str, bytes]:
    """The idempotency key and the body of a request that changes something."""
    key = read_key(request.headers.getlist("idempotency-key"))
    body = await request.body()
    if body:
        check_media_type(request)
    return key, body


def _response(reply: Reply) -> Response:
    headers = {}
    if reply.status is HTTPStatus.ACCEPTED and reply.job is not None:
        headers["location"] = JOB.format(job=reply.job)
    media_type = MEDIA_TYPE if reply.status >= HTTPStatus.BAD_REQUEST else JSON
    return Response(reply.body, status_code=reply.status, media_type=media_type, headers=headers)


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters() -> list[dict[str, Any]]:
    properties = schemas.JobsQuery.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": schema}
        for name, schema in properties.items()
    ]


def _body(model: type[schemas.SyncBody | schemas.SteerBody]) -> dict[str, Any]:
    return {"required": False, "content": {JSON: {"schema": model.model_json_schema()}}}
