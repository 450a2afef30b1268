"""The routes of the API: each authenticates, then reads, then asks the gateway."""

from collections.abc import Callable
from email.message import Message
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway import schemas
from gateway.answer import Answer, RetrievalRequest, VisibleSource
from gateway.limits import Pool
from gateway.problems import MediaTypeError, problem
from policies.model import Caller

JSON = "application/json"


class Gateway(Protocol):
    """The use cases behind the routes. Every method may block and may be called from several threads at once."""

    def verify(self, authorization: str | None) -> Caller:
        """The caller that the value of an Authorization header proves.

        Raises:
            UnauthenticatedError: none.
        """

    def retrieve(self, caller: Caller, request: RetrievalRequest, *, request_id: str) -> Answer:
        """The answer for this caller, whose record is durable when it is returned.

        Raises:
            DependencyError: something needed is away; there is no answer.
        """

    def sources(self, caller: Caller) -> tuple[VisibleSource, ...]:
        """The sources this caller may use, each with at least one purpose."""

    def failing(self) -> tuple[str, ...]:
        """Codes of the components that cannot serve now, such as `catalog`. Empty where all can. Names no source."""


_BEARER = HTTPBearer(
    auto_error=False,
    description="An API key, or a token of a trusted issuer (RS256, ES256 or EdDSA, at most an hour long).",
)
_PROBLEMS: dict[HTTPStatus, str] = {
    HTTPStatus.UNAUTHORIZED: "No valid credential. The answer is the same whatever is wrong with it.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 1,000,000 bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not declared as application/json.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The body is not strict JSON, or a field is not as it must be.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Busy, or something needed is away. Nothing was let through. Retry later.",
}


def build(gateway: Gateway, *, retrievals: Pool, verifications: Pool) -> APIRouter:
    """The routes over a gateway.

    Retrievals and verifications wait in pools of their own: a slow answer holds up nobody's credential.
    """
    router = APIRouter()

    async def verified(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        given = request.headers.getlist("authorization")
        return await verifications.run(partial(gateway.verify, given[0] if len(given) == 1 else None))

    async def retrieve(request: Request, caller: Annotated[Caller, Depends(verified)]) -> Response:
        """Passages this caller may see for this purpose, best first, with a verdict for a guardrail downstream.

        A denial is an answer: `handoff` with the reason `no_visible_passage`.
        """
        _check_media_type(request)
        wanted = schemas.read_request(await request.body())
        request_id: str = request.state.request_id
        answer = await retrievals.run(partial(gateway.retrieve, caller, wanted, request_id=request_id))
        return Response(schemas.render_answer(answer, request_id), media_type=JSON)

    async def sources(request: Request, caller: Annotated[Caller, Depends(verified)]) -> Response:
        """The sources this caller may use, by name, and the purposes it may use them for."""
        visible = await retrievals.run(partial(gateway.sources, caller))
        return Response(schemas.render_sources(visible, request.state.request_id), media_type=JSON)

    async def live() -> Response:
        """Whether the process answers. Touches nothing else."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    async def ready(request: Request) -> Response:
        """Whether retrievals can be served now."""
        failing = await verifications.run(gateway.failing)
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
        responses=_problems(*_PROBLEMS),
        openapi_extra={"requestBody": body},
    )
    _add_get(
        router,
        "/v1/sources",
        sources,
        response_model=schemas.SourcesBody,
        problems=_problems(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    _add_get(router, "/healthz", live, response_model=schemas.StatusBody, problems={})
    _add_get(
        router,
        "/readyz",
        ready,
        response_model=schemas.StatusBody,
        problems=_problems(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    return router


def _add_get(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    *,
    response_model: type,
    problems: dict[int | str, dict[str, Any]],
) -> None:
    """GET and the HEAD that RFC 9110 asks for beside it, which FastAPI does not add."""
    router.add_api_route(path, endpoint, methods=["GET"], response_model=response_model, responses=problems)
    router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, response_model=None)


def _problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    return {int(status): {"model": schemas.ProblemBody, "description": _PROBLEMS[status]} for status in statuses}


def _check_media_type(request: Request) -> None:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    charset = str(header.get_param("charset", "utf-8")).lower()
    if header.get_content_type() != JSON or charset != "utf-8" or not plain:
        raise MediaTypeError(
            "The body is not declared as plain JSON.",
            mend="Send `Content-Type: application/json` in UTF-8, without Content-Encoding.",
        )
