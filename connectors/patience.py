"""Waiting for an origin that throttles or stumbles, within bounds."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from policies.errors import DependencyError

T = TypeVar("T")

ATTEMPTS: Final = 4
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
"""Chosen: what an origin may ask for in the middle of a run. For longer, the run is left and tried later."""


def patiently(
    call: Callable[[], T],
    *,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> T:
    """What `call` returns, tried at most ATTEMPTS times while it raises a DependencyError.

    Between two tries it waits for as long as the error's `retry_after_s` asks, else twice as long each time, and up to
    FIRST_WAIT_S more by `chance` (0 to 1), so that many callers that failed at once do not come back at once.

    Raises:
        DependencyError: the last one, or one that asks for more than LONGEST_WAIT_S.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except DependencyError as error:
            asked = error.retry_after_s
            if asked is not None and not asked <= LONGEST_WAIT_S:  # nor is NaN
                raise
        sleep(max(asked, 0.0) if asked is not None else FIRST_WAIT_S * (2**attempt + chance()))
    return call()
