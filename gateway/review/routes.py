"""The routes of reviewers: each authenticates, asks for the role, then reads, then asks the desk."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from gateway.limits import Pool
from gateway.operate.changing import (
    CHANGING,
    KEY,
    READING,
    path_parameter,
    query_parameters,
    read_changing,
    request_body,
    response,
)
from gateway.operate.desk import Desk
from gateway.operate.once import Answered
from gateway.operate.schemas import SteerBody, check_empty, read_query
from gateway.requests import Claimed
from gateway.review import schemas
from gateway.review.desk import ReviewDesk, Reviewer, reviewer_of
from gateway.routing import JSON, Verified, add_get, problems
from gateway.schemas import Wire
from indexer.handoffs import Handoff, HandoffId, HandoffState
from indexer.joblog import JobId
from policies.model import Caller, SourceName

FEEDBACK = "/v1/feedback"
HANDOFFS = "/v1/handoffs"
CLAIM = f"{HANDOFFS}/{{handoff}}/claim"
RESOLVE = f"{HANDOFFS}/{{handoff}}/resolve"


def build(desk: Desk, *, verified: Verified, pool: Pool) -> APIRouter:
    """The routes over a desk. What they ask of it waits in `pool`."""
    router = APIRouter()

    def review() -> ReviewDesk:
        return ReviewDesk(database=desk.database, keyring=desk.keyring, sight=desk.sight, clock=desk.clock)

    async def permitted(caller: Annotated[Caller, Depends(verified)]) -> Reviewer:
        return reviewer_of(caller)

    async def changed(
        request: Request, reviewer: Reviewer, key: str, what: list[str], act: Callable[[Claimed], Answered]
    ) -> Response:
        given, request_id = reviewer.caller, request.state.request_id
        assert given is not None  # noqa: S101 - for the type checker: whoever comes by HTTP is a caller
        do = partial(desk.once.do, given, key, what, act, status=HTTPStatus.OK, request_id=request_id)
        return response(await pool.run(do), HANDOFFS)

    async def feedback(request: Request, reviewer: Annotated[Reviewer, Depends(permitted)]) -> Response:
        """Say of an answer whether its passages held what was needed: a label for the source's confidence."""
        key, body = await read_changing(request)
        about, opinion = schemas.read_feedback(body)

        def give(_: Claimed) -> Answered:
            review().feedback(reviewer, about, opinion)
            return Answered(about=JobId(""), body=schemas.render_feedback(about, opinion))

        return await changed(request, reviewer, key, ["feedback", about, repr(opinion)], give)

    async def handoffs(request: Request, reviewer: Annotated[Reviewer, Depends(permitted)]) -> Response:
        """Answers that wait for a person, or waited, made of nothing but what you may read; the oldest first."""
        query = read_query(request.query_params, schemas.HandoffsQuery)
        source = None if query.source is None else SourceName(query.source)
        request_id: str = request.state.request_id
        asked = partial(
            review().listing, reviewer, source=source, state=query.state, limit=query.limit, request_id=request_id
        )
        return Response(schemas.render_handoffs(await pool.run(asked), request_id), media_type=JSON)

    async def claim(request: Request, reviewer: Annotated[Reviewer, Depends(permitted)]) -> Response:
        """Take a hand-off, for 24 hours, so that no other reviewer does."""
        key, body = await read_changing(request)
        check_empty(body)
        handoff = HandoffId(request.path_params["handoff"])
        take = partial(_answered, partial(review().claim, reviewer, handoff))
        return await changed(request, reviewer, key, ["claim", handoff], take)

    async def resolve(request: Request, reviewer: Annotated[Reviewer, Depends(permitted)]) -> Response:
        """End a hand-off: what you say of the answer is its label."""
        key, body = await read_changing(request)
        opinion = schemas.read_resolution(body)
        handoff = HandoffId(request.path_params["handoff"])
        end = partial(_answered, partial(review().resolve, reviewer, handoff, opinion))
        what = ["resolve", handoff, repr(opinion), opinion.document or ""]
        return await changed(request, reviewer, key, what, end)

    add_get(
        router,
        HANDOFFS,
        handoffs,
        response_model=schemas.HandoffsBody,
        responses=problems(*READING, HTTPStatus.UNPROCESSABLE_ENTITY),
        openapi_extra={"parameters": query_parameters(schemas.HandoffsQuery)},
    )
    _add_post(router, FEEDBACK, feedback, schemas.FeedbackGivenBody, request_body(schemas.FeedbackBody, required=True))
    _add_post(router, CLAIM, claim, schemas.StandingBody, request_body(SteerBody, required=False))
    _add_post(router, RESOLVE, resolve, schemas.StandingBody, request_body(schemas.ResolveBody, required=True))
    return router


def examples() -> tuple[tuple[str, str, dict[str, dict[str, Any]]], ...]:
    """Examples of what is answered to a POST, each with its path and status."""
    return (
        (FEEDBACK, "200", schemas.feedback_examples()),
        (CLAIM, "200", schemas.standing_examples(HandoffState.CLAIMED)),
        (RESOLVE, "200", schemas.standing_examples(HandoffState.RESOLVED)),
    )


def _answered(act: Callable[[], Handoff], _: Claimed) -> Answered:
    handoff = act()
    return Answered(about=JobId(handoff.id), body=schemas.render_standing(handoff))


def _add_post(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    model: type[Wire],
    body: dict[str, Any],
) -> None:
    named = [path_parameter("handoff")] if "{handoff}" in path else []
    router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=model,
        responses=problems(*CHANGING),
        openapi_extra={"parameters": [*named, KEY], "requestBody": body},
    )
