"""What was served since a calibration, beside it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from gateway.report import drift, on_drift
from gateway.report.drift import ENOUGH, LABELS

SINCE = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
RNG = np.random.default_rng(0)
THEN = RNG.beta(2, 2, 600).tolist()


def served(values: list[float]) -> list[tuple[float, str]]:
    return [(value, "caution" if value > 0.5 else "handoff") for value in values]


def test_requests_like_the_questions_do_not_differ_and_others_do() -> None:
    alike = drift(THEN, served(RNG.beta(2, 2, 600).tolist()), since=SINCE)
    other = drift(THEN, served(RNG.beta(4, 2, 200).tolist()), since=SINCE)
    assert not alike.differs
    assert other.differs
    assert "more than chance" in on_drift(other)
    assert alike.psi is not None
    assert other.psi is not None
    assert alike.psi < 0.1
    assert other.psi > 0.25


def test_chance_alone_is_named_as_rarely_as_said() -> None:
    alarms = [drift(THEN, served(RNG.beta(2, 2, 100).tolist()), since=SINCE).differs for _ in range(200)]
    assert np.mean(alarms) <= 0.04  # the labelled questions are the same each time


@pytest.mark.parametrize(
    ("first", "second", "distance", "chance"),
    [([0.1] * 40, [0.9] * 40, 1.0, 0.0), (THEN, THEN, 0.0, 1.0)],
)
def test_the_ends_of_the_distance(first: list[float], second: list[float], distance: float, chance: float) -> None:
    found = drift(first, served(second), since=SINCE)
    assert (found.distance, found.chance) == pytest.approx((distance, chance), abs=1e-9)


def test_a_distance_has_the_chance_that_the_tables_give() -> None:
    then, now = [(one + 0.5) / 100 for one in range(100)], [(one + 0.5) / 100 * 0.8 for one in range(100)]
    found = drift(then, served(now), since=SINCE)
    assert found.distance == pytest.approx(0.2, abs=0.011)
    assert found.chance == pytest.approx(0.03, abs=0.01)  # the 5 % point of 100 and 100 is 0.192


def test_nothing_is_said_of_too_few_requests() -> None:
    none, few = drift(THEN, [], since=SINCE), drift(THEN, served([0.9] * (ENOUGH - 1)), since=SINCE)
    assert on_drift(none) == "No requests yet since the calibration of 2026-11-20 09:30 UTC."
    assert "too few" in on_drift(few)
    assert (few.distance, few.chance, few.psi, few.differs) == (None, None, None, False)
    assert few.verdicts == {"answer": 0, "caution": ENOUGH - 1, "handoff": 0}


def test_another_share_of_answers_is_estimated_from_enough_of_both() -> None:
    answered = RNG.random(600) < 0.7
    logits = RNG.normal(np.where(answered, 2.0, -2.0), 2.0)
    asked = served((1 / (1 + np.exp(-logits))).tolist())
    found = drift(THEN, asked, since=SINCE, base_rate=0.5)
    assert found.share is not None
    assert found.share == pytest.approx(0.7, abs=0.05)
    assert f"About {100 * found.share:.0f} % of what was asked since seems to have its answer here" in on_drift(found)
    for none in (
        drift(THEN, asked[: ENOUGH - 1], since=SINCE, base_rate=0.5),
        drift(THEN[: LABELS - 1], asked, since=SINCE, base_rate=0.5),
        drift(THEN, asked, since=SINCE, base_rate=1.0),
    ):
        assert none.share is None
        assert "seems to have" not in on_drift(none)
