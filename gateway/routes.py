"""The routes of retrieval and of health: each authenticates, then reads, then asks the gateway."""

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Request, Response

from gateway import schemas
from gateway.answer import Answer, RetrievalRequest, VisibleSource
from gateway.limits import Pool
from gateway.operate.changing import KEY
from gateway.problems import problem
from gateway.requests import read_key
from gateway.routing import JSON, Verified, Verifier, add_get, check_media_type, problems
from policies.model import Caller

_KEY = KEY | {
    "required": False,
    "description": "One string in double quotes (draft-ietf-httpapi-idempotency-key-header-07) of 1 to 255 printable "
    "ASCII characters: the same when a request is sent again. It is answered afresh each time, and waits for a person "
    "once.",
}


class Gateway(Verifier, Protocol):
    """The use cases behind the routes. Every method may block and may be called from several threads at once."""

    def retrieve(self, caller: Caller, request: RetrievalRequest, *, request_id: str) -> Answer:
        """The answer for this caller, whose record is durable when it is returned.

        Raises:
            DependencyError: something needed is away; there is no answer.
        """

    def sources(self, caller: Caller, *, request_id: str) -> tuple[VisibleSource, ...]:
        """The sources this caller may use, each with at least one purpose; the record is durable when it is returned.

        Raises:
            DependencyError: something needed is away; there is no answer.
        """

    def failing(self) -> tuple[str, ...]:
        """Codes of the components that cannot serve now, such as `catalog`. Empty where all can. Names no source."""


def build(gateway: Gateway, *, verified: Verified, retrievals: Pool, checks: Pool) -> APIRouter:
    """The routes over a gateway.

    Retrievals and looks at the service's health wait in pools of their own: neither holds up the other.
    """
    router = APIRouter()

    async def retrieve(request: Request, caller: Annotated[Caller, Depends(verified)]) -> Response:
        """Passages this caller may see for this purpose, best first, with a verdict for a guardrail downstream.

        A denial is an answer: `handoff` with the reason `no_visible_passage`.
        """
        check_media_type(request)
        wanted = schemas.read_request(await request.body())
        keys = request.headers.getlist("idempotency-key")
        if keys:
            wanted = replace(wanted, key=read_key(keys))
        request_id: str = request.state.request_id
        answer = await retrievals.run(partial(gateway.retrieve, caller, wanted, request_id=request_id))
        return Response(schemas.render_answer(answer, request_id), media_type=JSON)

    async def sources(request: Request, caller: Annotated[Caller, Depends(verified)]) -> Response:
        """The sources this caller may use, by name, and the purposes it may use them for."""
        request_id: str = request.state.request_id
        visible = await retrievals.run(partial(gateway.sources, caller, request_id=request_id))
        return Response(schemas.render_sources(visible, request_id), media_type=JSON)

    async def live() -> Response:
        """Whether the process answers. Touches nothing else."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    async def ready(request: Request) -> Response:
        """Whether retrievals can be served now."""
        failing = await checks.run(gateway.failing)
        if not failing:
            return Response(b'{"status":"ok"}', media_type=JSON)
        return problem(
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            code="not_ready",
            detail=f"Not ready: {', '.join(sorted(failing))}. Retry later; the operator's log knows more.",
            request_id=request.state.request_id,
        )

    body = {"required": True, "content": {JSON: {"schema": schemas.RetrieveBody.model_json_schema()}}}
    router.add_api_route(
        "/v1/retrieve",
        retrieve,
        methods=["POST"],
        response_model=schemas.AnswerBody,
        responses=problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        openapi_extra={"parameters": [_KEY], "requestBody": body},
    )
    add_get(
        router,
        "/v1/sources",
        sources,
        response_model=schemas.SourcesBody,
        responses=problems(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    away = problems(HTTPStatus.SERVICE_UNAVAILABLE)
    add_get(router, "/healthz", live, response_model=schemas.StatusBody)
    add_get(router, "/readyz", ready, response_model=schemas.StatusBody, responses=away)
    return router
