"""The event loop of fsspec, on which its file systems live and everything else that is asynchronous here."""

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from fsspec.asyn import get_loop

from connectors.objectstore.store import Sleep, away
from connectors.patience import patiently

T = TypeVar("T")

ANSWER_S: Final = 600.0
"""Chosen: what one answer may take to its last byte, for a server that sends a byte now and then."""


def run(call: Coroutine[Any, Any, T], *, timeout_s: float = ANSWER_S) -> T:
    """What a coroutine returns.

    Raises:
        TimeoutError: it was not done in time, and was stopped.
    """

    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await call

    return asyncio.run_coroutine_threadsafe(bounded(), get_loop()).result()


def patient(ask: Callable[[], Coroutine[Any, Any, T]], *, sleep: Sleep) -> T:
    """What a store answers, asked again where it is busy or does not answer."""

    def answer() -> T:
        try:
            return run(ask())
        except TimeoutError as error:
            raise away(error) from None

    return patiently(answer, sleep=sleep)


def close_with(owner: object, close: Callable[[], None]) -> None:
    """Have the loop call `close` once nobody uses `owner` any more."""
    weakref.finalize(owner, get_loop().call_soon_threadsafe, close).atexit = False
