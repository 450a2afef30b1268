"""Bounds on what a client can make the gateway hold: bytes, seconds, threads, places in the queue."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import BodyIncompleteError, BodyTimeoutError, BodyTooLargeError, BusyError

MAX_BODY_BYTES = 1_000_000
"""Chosen: fifty times the longest query that is accepted."""
BODY_TIMEOUT_S = 10.0
"""Chosen: from the first read of the body to its last byte."""
DRAIN_TIMEOUT_S = 2.0
"""Chosen: how long the rest of a body that is too large is thrown away before the refusal goes out."""
DRAIN_FACTOR = 10
"""Chosen: how many times the limit is thrown away at most."""

T = TypeVar("T")


class BodyLimit:
    """ASGI middleware: no more than `max_bytes` of a body reach a route, and no later than `timeout_s`.

    Nothing is read before a route asks for the body, so that authentication comes first. A body that is too large is
    never held: some of its rest is thrown away, because closing a connection with unread bytes resets it, and the
    client would not see the refusal (measured with plain sockets).
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; reading its body can raise a RequestError."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        received_bytes = 0
        complete = False
        deadline: float | None = None

        async def limited() -> Message:
            nonlocal received_bytes, complete, deadline
            if complete:
                return await receive()
            if declared.isdecimal() and int(declared) > self._max_bytes:
                if "expect" not in headers:  # that client waits for leave to send
                    await self._drain(receive)
                raise self._too_large()
            deadline = deadline or anyio.current_time() + self._timeout_s
            with anyio.CancelScope(deadline=deadline) as patience:
                message = await receive()
            if patience.cancelled_caught:
                raise BodyTimeoutError(
                    f"The body did not arrive within {self._timeout_s:g} seconds.", mend="Send it without pausing."
                )
            if message["type"] == "http.disconnect":
                raise BodyIncompleteError("The body is not complete.", mend="Send all of it.")
            received_bytes += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received_bytes > self._max_bytes:
                if not complete:
                    await self._drain(receive)
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    async def _drain(self, receive: Receive) -> None:
        rest_bytes = DRAIN_FACTOR * self._max_bytes
        with anyio.move_on_after(DRAIN_TIMEOUT_S):
            while rest_bytes > 0:
                message = await receive()
                if not message.get("more_body", False):
                    return
                rest_bytes -= len(message["body"])

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"The body is larger than {self._max_bytes} bytes.", mend="Send one query of at most 20,000 characters."
        )


class Pool:
    """A bounded number of threads for blocking work, with a bounded queue before them."""

    def __init__(self, *, threads: int, max_waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._max_inside = threads + max_waiting
        self._inside = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, run in a thread of the pool.

        Raises:
            BusyError: `max_waiting` others wait already.
        """
        # Counted here: anyio yields once before it queues, so that a burst would pass a look at its own statistics.
        if self._inside >= self._max_inside:
            raise BusyError("As many requests as allowed are waiting.", mend="Retry later.")
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
