"""The numbers behind a report."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calibrate import figures
from gateway.confidence import Certificate, Point
from gateway.report.measures import Measures, binned, measures

CERTIFICATE = Certificate(threshold=0.8, max_risk=0.1, delta=0.1, labels=100, served=20, wrong=3)


def points(size: int) -> tuple[Point, ...]:
    """Questions whose confidence is exactly right."""
    rng = np.random.default_rng(0)
    chances = rng.beta(0.7, 0.6, size)
    return tuple(
        Point(confidence=float(chance), sufficient=bool(rng.random() < chance), kept=bool(rng.random() < 0.5))
        for chance in chances
    )


def measured(given_points: tuple[Point, ...]) -> Measures:
    return measures(given_points, threshold=0.5, certificate=CERTIFICATE)


def test_a_band_is_that_of_the_binomial_distribution_where_a_bin_has_one_confidence() -> None:
    (*_, last) = measured(tuple(Point(confidence=0.5, sufficient=bool(one % 2), kept=False) for one in range(500))).bins
    assert (last.questions, last.low, last.high) == (50, 0.36, 0.64)  # 18 and 32 of 50, by the tables


def test_the_bins_of_a_perfect_model_lie_in_their_bands_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    columns = (np.sort(rng.beta(0.7, 0.6, 500)) for _ in range(60))
    within = [one.within for column in columns for one in binned(column, rng.random(500) < column)]
    assert 0.93 <= np.mean(within) <= 0.99


def test_a_confidence_that_is_wrong_leaves_its_bands() -> None:
    column = np.linspace(0, 1, 1500)
    right = np.random.default_rng(0).random(1500) < column
    assert sum(not one.within for one in binned(column**3, right)) >= 5


def test_the_order_of_questions_does_not_matter() -> None:
    tied = tuple(
        Point(confidence=round(one.confidence, 1), sufficient=one.sufficient, kept=True) for one in points(300)
    )
    assert measured(tied) == measured(tied[::-1])


def test_figures_are_those_of_the_calibration_with_an_interval_around() -> None:
    questions = points(400)
    confidence = np.array([one.confidence for one in questions])
    sufficient = np.array([one.sufficient for one in questions])
    found = measured(questions).figures
    for name, value in figures.plain(confidence, sufficient).items():
        assert found[name].value == pytest.approx(value)
    for name, one in found.items():
        if one.low is not None and one.high is not None:
            assert one.low <= one.value <= one.high, name
    assert {name for name, one in found.items() if one.low is None} == {"ece", "ece_null", "ece_null_95"}


def test_questions_of_equal_confidence_are_served_together_or_not_at_all() -> None:
    levels = (0.9, 0.9, 0.9, 0.4, 0.4, 0.1)
    curve = measured(tuple(Point(confidence=one, sufficient=one > 0.4, kept=False) for one in levels)).curve
    assert [(one.threshold, one.served, one.wrong) for one in curve] == [(0.9, 3, 0), (0.4, 5, 2), (0.1, 6, 3)]
    assert curve[-1].coverage == 1.0
    assert curve[-1].risk == 0.5


def test_the_certified_risk_is_that_of_the_questions_kept_apart_with_its_exact_interval() -> None:
    found = measured(points(100)).certified
    assert found is not None
    assert (found.coverage, found.risk) == (0.2, 0.15)
    assert (found.low, found.high) == pytest.approx((0.03207, 0.37893), abs=1e-5)


def test_every_question_is_in_one_bar() -> None:
    questions = (Point(confidence=0.0, sufficient=False, kept=True), Point(confidence=1.0, sufficient=True, kept=True))
    bars = measured(questions).bars
    assert [(bar.sufficient, bar.insufficient) for bar in (bars[0], bars[-1])] == [(0, 1), (1, 0)]
    assert sum(bar.sufficient + bar.insufficient for bar in bars) == 2


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.booleans()), min_size=1, max_size=12))
def test_no_questions_break_a_report(rows: list[tuple[float, bool]]) -> None:
    found = measured(tuple(Point(confidence=value, sufficient=label, kept=False) for value, label in rows))
    assert sum(one.questions for one in found.bins) == len(rows)
    assert all(0 <= one.low <= one.risk <= one.high <= 1 for one in found.curve)
