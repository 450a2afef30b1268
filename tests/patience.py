"""How long a test waits for what must not take for ever."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_S = 30.0
"""Chosen: what the tests ask for takes less than a second, what grows with the square of its input takes minutes, and a
machine that halts for some seconds is no fault of the code."""
_BETWEEN_S = 0.02


@contextmanager
def patient(most_s: float = MOST_S) -> Iterator[None]:
    """Fails a test whose block takes longer than `most_s` by the clock."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most_s


def comes_true(holds: Callable[[], bool], *, most_s: float = 2 * MOST_S) -> bool:
    """Whether it holds before `most_s` seconds have passed."""
    deadline = time.monotonic() + most_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_BETWEEN_S)
    return True
