"""The routes of purges: each authenticates, asks for the role, then reads, then asks the desk."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gateway.limits import Pool
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
from gateway.operate.desk import Desk
from gateway.operate.privacy import schemas
from gateway.operate.privacy.desk import Officer, PurgeDesk, Witness, officer_of, witness_of
from gateway.operate.schemas import read_query
from gateway.routing import JSON, Verified, add_get, problems
from policies.model import Caller, SourceName

PURGES = "/v1/purges"
_PURGE = f"{PURGES}/{{purge}}"


def build(desk: Desk, *, verified: Verified, pool: Pool) -> APIRouter:
    """The routes over a desk. What they ask of it waits in `pool`."""
    router, purge_desk = APIRouter(), PurgeDesk(desk)

    async def permitted(caller: Annotated[Caller, Depends(verified)]) -> Officer:
        return officer_of(caller)

    async def witnessing(caller: Annotated[Caller, Depends(verified)]) -> Witness:
        return witness_of(caller)

    async def ask(request: Request, officer: Annotated[Officer, Depends(permitted)]) -> Response:
        """Ask for a purge: of what is past its retention, or of documents that are to be erased. A worker runs it."""
        key, body = await read_changing(request)
        source, erasure = schemas.read_asked(body)
        asked = partial(purge_desk.ask, officer, source, erasure, key=key, request_id=request.state.request_id)
        return response(await pool.run(asked), PURGES)

    async def purges(request: Request, _: Annotated[Witness, Depends(witnessing)]) -> Response:
        """Purges, the youngest first, those of commands and schedules among them."""
        query = read_query(request.query_params, schemas.PurgesQuery)
        source = None if query.source is None else SourceName(query.source)
        found = await pool.run(partial(purge_desk.listing, source=source, limit=query.limit))
        return Response(schemas.render_purges(found, request.state.request_id), media_type=JSON)

    async def purge(request: Request, _: Annotated[Witness, Depends(witnessing)]) -> Response:
        """A purge as it is now, with its signed receipt once it has one."""
        found = await pool.run(partial(purge_desk.purge, request.path_params["purge"]))
        return Response(schemas.render_purge(found), media_type=JSON)

    router.add_api_route(
        PURGES,
        ask,
        name="ask for a purge",
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        response_model=schemas.PurgeBody,
        responses=problems(*CHANGING) | located(HTTPStatus.ACCEPTED, "the purge's path"),
        openapi_extra={"parameters": [KEY], "requestBody": request_body(schemas.PurgeAskedBody, required=True)},
    )
    add_get(
        router,
        PURGES,
        purges,
        response_model=schemas.PurgesBody,
        responses=problems(*READING, HTTPStatus.UNPROCESSABLE_ENTITY),
        openapi_extra={"parameters": query_parameters(schemas.PurgesQuery)},
    )
    add_get(
        router,
        _PURGE,
        purge,
        response_model=schemas.PurgeBody,
        responses=problems(*READING, HTTPStatus.NOT_FOUND),
        openapi_extra={"parameters": [path_parameter("purge")]},
    )
    return router
