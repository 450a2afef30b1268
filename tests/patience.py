"""How long a test waits for what must not take for ever."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

MOST_S = 30.0
"""Chosen: what the tests ask for takes less than a second, what grows with the square of its input takes minutes, and a
machine that halts for some seconds is no fault of the code."""


@contextmanager
def patient(most_s: float = MOST_S) -> Iterator[None]:
    """Fails a test whose block takes longer than `most_s` by the clock."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most_s
