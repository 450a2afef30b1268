"""The HTTP application, and the server that holds it."""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway import routes
from gateway.limits import BODY_TIMEOUT_S, MAX_BODY_BYTES, BodyLimit, Pool
from gateway.operate import routes as operating
from gateway.operate.desk import Desk
from gateway.problems import Shield, of_http_exception
from gateway.review import routes as reviewing
from gateway.routes import Gateway
from gateway.routing import JSON, authentication, problem_schemas
from gateway.schemas import answer_examples

API_VERSION = "1"
VERIFY_THREADS = 2
MAX_VERIFICATIONS_WAITING = 256
CHECK_THREADS = 1
MAX_CHECKS_WAITING = 64
OPERATE_THREADS = 2
MAX_OPERATIONS_WAITING = 64
HEADER_TIMEOUT_S = 10.0
"""Chosen: from the opening of a connection, or the end of the answer before, to the last byte of the headers."""
MAX_HEADER_BYTES = 16 * 1024
MAX_CONNECTIONS = 512
GRACE_S = 15


class Api(FastAPI):
    """The application, whose schema declares problems and has examples."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        found = document["components"]["schemas"] | problem_schemas()
        document["components"]["schemas"] = {name: found[name] for name in sorted(found)}
        # Added here, because FastAPI drops what is null from the examples it is given.
        retrieved = ("/v1/retrieve", "200", answer_examples())
        for path, status, examples in (retrieved, *operating.examples(), *reviewing.examples()):
            document["paths"][path]["post"]["responses"][status]["content"][JSON]["examples"] = examples
        return document


def create_app(
    gateway: Gateway,
    desk: Desk,
    *,
    new_request_id: Callable[[], str],
    retrieve_threads: int,
    max_retrievals_waiting: int,
) -> FastAPI:
    """The application over a gateway and a desk, with at most `retrieve_threads` retrievals at work at a time."""
    app = Api(
        title="Penstock",
        version=API_VERSION,
        summary="Governed retrieval: passages a caller may see for a purpose, with calibrated confidence.",
        docs_url=None,  # the interactive pages load their scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header of the request
        exception_handlers={HTTPException: of_http_exception},
        telemetry={
            "tracing": False,  # FastAPI's own telemetry records exception messages, which can hold a query
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    # A slow answer, a slow look at jobs or an index that is being opened holds up nobody's credential. A silent issuer,
    # whose tokens anybody can invent, holds up no API key.
    keys = Pool(threads=VERIFY_THREADS, max_waiting=MAX_VERIFICATIONS_WAITING)
    tokens = Pool(threads=VERIFY_THREADS, max_waiting=MAX_VERIFICATIONS_WAITING)
    checks = Pool(threads=CHECK_THREADS, max_waiting=MAX_CHECKS_WAITING)
    retrievals = Pool(threads=retrieve_threads, max_waiting=max_retrievals_waiting)
    operations = Pool(threads=OPERATE_THREADS, max_waiting=MAX_OPERATIONS_WAITING)
    verified = authentication(gateway, keys=keys, tokens=tokens)
    app.include_router(routes.build(gateway, verified=verified, retrievals=retrievals, checks=checks))
    app.include_router(operating.build(desk, verified=verified, pool=operations))
    app.include_router(reviewing.build(desk, verified=verified, pool=operations))
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, timeout_s=BODY_TIMEOUT_S)
    app.add_middleware(Shield, new_request_id=new_request_id)
    return app


class _ImpatientProtocol(H11Protocol):
    """Closes a connection whose headers do not arrive in time. uvicorn waits for them for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_TIMEOUT_S, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.timeout_keep_alive_handler()


def server(app: FastAPI, *, host: str, port: int) -> uvicorn.Server:
    """A server for the application, ready to `run()`. It logs no addresses and trusts no forwarding header."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=_ImpatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
