import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from gateway.calibrate import figures


def drawn(size: int, *, seed: int = 0, levels: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences that are exactly right; `levels` of them where it is not 0."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(0.7, 0.6, size)
    if levels:
        confidence = np.round(confidence * levels) / levels
    return confidence, rng.random(size) < confidence


@pytest.mark.parametrize("levels", [0, 7])
def test_figures_are_those_of_another_library(levels: int) -> None:
    confidence, sufficient = drawn(500, levels=levels)
    assert figures.auroc(confidence, sufficient) == pytest.approx(roc_auc_score(sufficient, confidence))
    assert figures.brier(confidence, sufficient) == pytest.approx(brier_score_loss(sufficient, confidence))
    inside = np.clip(confidence, 0.01, 0.99)
    assert figures.log_loss(inside, sufficient) == pytest.approx(log_loss(sufficient, inside))


def test_a_certain_mistake_costs_much_and_not_all() -> None:
    assert 20 < figures.log_loss(np.array([1.0]), np.array([False])) < 30


def test_one_kind_alone_ranks_nothing() -> None:
    assert figures.auroc(np.array([0.2, 0.9]), np.array([True, True])) == 0.5


def test_the_calibration_error_is_the_gap_of_each_bin() -> None:
    confidence = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 20)
    right = np.concatenate([np.arange(20) < round(20 * value) for value in (0.1, 0.3, 0.5, 0.7, 0.9)])
    assert figures.calibration_error(confidence, right) == pytest.approx(0)
    assert figures.calibration_error(confidence, ~right) == pytest.approx((0.8 + 0.4 + 0 + 0.4 + 0.8) / 5)


def test_a_perfect_model_stays_within_its_null_and_an_overconfident_one_does_not() -> None:
    confidence, sufficient = drawn(1500)
    mean, highest = figures.null_error(confidence, np.random.default_rng(0))
    assert 0 < mean < highest < 0.04
    assert figures.calibration_error(confidence, sufficient) <= highest
    assert figures.calibration_error(np.sqrt(confidence), sufficient) > highest


def test_coverage_at_a_risk_is_reached_only_at_distinct_thresholds() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.2])
    assert figures.coverage_at(confidence, np.array([True, True, False, True, False]), 0.25) == 0.8
    assert figures.coverage_at(confidence, np.array([True, True, False, True, False]), 0.2) == 0.0
    assert figures.coverage_at(confidence, np.array([True, True, True, True, False]), 0.0) == 0.8


def test_the_order_of_rows_does_not_matter() -> None:
    confidence, sufficient = drawn(300, levels=4)
    turned = np.argsort(~sufficient, kind="stable")
    for figure in (figures.auroc, figures.area_under_risk):
        assert figure(confidence[turned], sufficient[turned]) == pytest.approx(figure(confidence, sufficient))
    assert figures.coverage_at(confidence[turned], sufficient[turned], 0.1) == figures.coverage_at(
        confidence, sufficient, 0.1
    )


def test_the_areas_are_mean_risks_over_coverages() -> None:
    aurc, augrc = figures.area_under_risk(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert augrc == pytest.approx((0 + 1 / 4 + 1 / 4 + 2 / 4) / 4)


def test_binomial_tails_are_exact() -> None:
    assert figures.binomial_tail(0, 22, 0.1) == pytest.approx(0.9**22)
    assert figures.binomial_tail(1, 2, 0.5) == pytest.approx(0.75)
    assert figures.binomial_tail(0, 0, 0.1) == 1.0
    assert figures.binomial_tail(3000, 10_000, 0.3) == pytest.approx(0.505, abs=0.005)


@pytest.mark.parametrize(
    ("errors", "total", "low", "high"),
    [(0, 10, 0.0, 0.30850), (3, 20, 0.03207, 0.37893), (10, 10, 0.69150, 1.0), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_those_of_the_tables(errors: int, total: int, low: float, high: float) -> None:
    assert figures.clopper_pearson(errors, total) == pytest.approx((low, high), abs=1e-5)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.5001, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_no_column_breaks_a_figure(rows: list[tuple[float, bool]]) -> None:
    confidence, sufficient = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = figures.measured(confidence, sufficient, np.random.default_rng(0))
    assert all(0 <= value <= 1 for name, value in found.items() if name != "log_loss")
    assert found["coverage_5"] <= found["coverage_10"]
