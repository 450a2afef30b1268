"""The routes of jobs: each authenticates, asks for the role, then reads, then asks the desk."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from gateway.limits import Pool
from gateway.operate import schemas
from gateway.operate.changing import (
    CHANGING,
    KEY,
    READING,
    located,
    path_parameter,
    query_parameters,
    read_changing,
    request_body,
    response,
)
from gateway.operate.desk import Desk, Operator, Verb, operator_of
from gateway.operate.privacy import routes as privacy
from gateway.operate.privacy.schemas import purge_examples
from gateway.routing import JSON, Verified, add_get, problems
from indexer.joblog import JobId
from policies.model import Caller, SourceName

SYNC = "/v1/sources/{source}/sync"
JOBS = "/v1/jobs"
JOB = f"{JOBS}/{{job}}"


def build(desk: Desk, *, verified: Verified, pool: Pool) -> APIRouter:
    """The routes over a desk. What they ask of it waits in `pool`."""
    router = APIRouter()

    async def permitted(caller: Annotated[Caller, Depends(verified)]) -> Operator:
        return operator_of(caller)

    async def jobs(request: Request, _: Annotated[Operator, Depends(permitted)]) -> Response:
        """Jobs, the youngest first."""
        query = schemas.read_query(request.query_params, schemas.JobsQuery)
        source = None if query.source is None else SourceName(query.source)
        found = await pool.run(partial(desk.listing, source=source, state=query.state, limit=query.limit))
        return Response(schemas.render_jobs(found, desk.clock(), request.state.request_id), media_type=JSON)

    async def job(request: Request, _: Annotated[Operator, Depends(permitted)]) -> Response:
        """A job as it is now."""
        found = await pool.run(partial(desk.job, JobId(request.path_params["job"])))
        return Response(schemas.render_job(found, desk.clock()), media_type=JSON)

    async def sync(request: Request, operator: Annotated[Operator, Depends(permitted)]) -> Response:
        """Ask for a sync of a source. A worker runs it; the address of the job stands in Location."""
        key, body = await read_changing(request)
        options = schemas.read_sync(body).model_dump()
        source = SourceName(request.path_params["source"])
        asked = partial(desk.sync, operator, source, options, key=key, request_id=request.state.request_id)
        return response(await pool.run(asked), JOBS)

    def steered(verb: Verb) -> Callable[..., Any]:
        async def steer(request: Request, operator: Annotated[Operator, Depends(permitted)]) -> Response:
            key, body = await read_changing(request)
            schemas.check_empty(body)
            job = JobId(request.path_params["job"])
            asked = partial(desk.steer, operator, job, verb, key=key, request_id=request.state.request_id)
            return response(await pool.run(asked), JOBS)

        steer.__doc__ = f"{verb.value.capitalize()} a job."
        return steer

    add_get(
        router,
        JOBS,
        jobs,
        response_model=schemas.JobsBody,
        responses=problems(*READING, HTTPStatus.UNPROCESSABLE_ENTITY),
        openapi_extra={"parameters": query_parameters(schemas.JobsQuery)},
    )
    add_get(
        router,
        JOB,
        job,
        response_model=schemas.JobBody,
        responses=problems(*READING, HTTPStatus.NOT_FOUND),
        openapi_extra={"parameters": [path_parameter("job")]},
    )
    router.add_api_route(
        SYNC,
        sync,
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        response_model=schemas.JobBody,
        responses=problems(*CHANGING) | located(HTTPStatus.ACCEPTED, "the job's path"),
        openapi_extra={
            "parameters": [path_parameter("source"), KEY],
            "requestBody": request_body(schemas.SyncBody, required=False),
        },
    )
    for verb in Verb:
        router.add_api_route(
            f"{JOB}/{verb}",
            steered(verb),
            name=verb.value,
            methods=["POST"],
            response_model=schemas.JobBody,
            responses=problems(*CHANGING),
            openapi_extra={
                "parameters": [path_parameter("job"), KEY],
                "requestBody": request_body(schemas.SteerBody, required=False),
            },
        )
    router.include_router(privacy.build(desk, verified=verified, pool=pool))
    return router


def examples() -> tuple[tuple[str, str, dict[str, dict[str, Any]]], ...]:
    """Examples of what is answered to a POST, each with its path and status."""
    return (
        (SYNC, "202", schemas.job_examples()),
        (privacy.PURGES, "202", purge_examples()),
    )
