import math
from collections.abc import Callable

import pytest

from connectors.patience import ATTEMPTS, LONGEST_WAIT_S, patiently
from policies.errors import DependencyError, PenstockError, QuarantineError, RefusedError


class Origin:
    """Fails as it is told to, then answers. `waits` is how long its caller slept, in seconds."""

    def __init__(self, *failures: PenstockError) -> None:
        self.failures = list(failures)
        self.asked = 0
        self.waits: list[float] = []

    def answer(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    def patiently(self, chance: Callable[[], float] = lambda: 0.5) -> str:
        return patiently(self.answer, sleep=self.waits.append, chance=chance)


def throttled(retry_after_s: float | None = None) -> DependencyError:
    return DependencyError("Busy.", mend="Wait.", retry_after_s=retry_after_s)


def test_an_answer_at_once_is_not_waited_for() -> None:
    origin = Origin()
    assert origin.patiently() == "answer"
    assert origin.waits == []


def test_each_wait_is_twice_as_long_with_a_little_by_chance() -> None:
    origin = Origin(throttled(), throttled(), throttled())
    assert origin.patiently() == "answer"
    assert origin.waits == [0.75, 1.25, 2.25]
    impatient, patient = Origin(throttled()), Origin(throttled())
    impatient.patiently(lambda: 0.0)
    patient.patiently(lambda: 1.0)
    assert (impatient.waits, patient.waits) == ([0.5], [1.0])


def test_it_waits_for_as_long_as_it_is_asked_to() -> None:
    origin = Origin(throttled(7), throttled(0), throttled(LONGEST_WAIT_S))
    assert origin.patiently() == "answer"
    assert origin.waits == [7, 0, LONGEST_WAIT_S]


def test_a_time_that_has_passed_is_not_waited_for() -> None:
    origin = Origin(throttled(-30))
    assert origin.patiently() == "answer"
    assert origin.waits == [0]


@pytest.mark.parametrize("asked", [LONGEST_WAIT_S + 1, math.inf, math.nan])
def test_who_asks_for_too_long_is_left_alone_at_once(asked: float) -> None:
    origin = Origin(throttled(asked))
    with pytest.raises(DependencyError):
        origin.patiently()
    assert (origin.asked, origin.waits) == (1, [])


def test_the_last_failure_is_raised_without_a_wait_after_it() -> None:
    failures = [throttled() for _ in range(ATTEMPTS)]
    origin = Origin(*failures)
    with pytest.raises(DependencyError) as raised:
        origin.patiently()
    assert raised.value is failures[-1]
    assert (origin.asked, len(origin.waits)) == (ATTEMPTS, ATTEMPTS - 1)


@pytest.mark.parametrize(
    "failure",
    [RefusedError("No.", mend="Mend."), QuarantineError("Gone.", reason="gone", stage="fetch", mend="Sync again.")],
)
def test_what_cannot_pass_is_not_tried_again(failure: PenstockError) -> None:
    origin = Origin(failure)
    with pytest.raises(type(failure)):
        origin.patiently()
    assert origin.asked == 1
