import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gateway.calibrate.logistic import Prior, fit, shrunk

TRUE = np.array([0.5, 1.5, -1.0, 0.3])


def drawn(size: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((size, len(TRUE) - 1))
    return rows, rng.random(size) < 1 / (1 + np.exp(-(TRUE[0] + rows @ TRUE[1:])))


def ridge(strength: float = 1.0) -> Prior:
    return Prior(mean=np.zeros(4), precision=np.diag([1e-9, strength, strength, strength]))


def fitted(
    rows: NDArray[np.float64], sufficient: NDArray[np.bool_], prior: Prior, *signs: float
) -> NDArray[np.float64]:
    return fit(rows, sufficient, prior, np.array(signs or (0.0, 0.0, 0.0)), np.ones(len(rows)))


def test_without_signs_it_is_ridge_regression() -> None:
    rows, sufficient = drawn(300)
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(rows, sufficient)
    expected = [*other.intercept_, *other.coef_[0]]
    assert fitted(rows, sufficient, ridge()) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_weight_of_two_counts_as_the_same_question_twice() -> None:
    rows, sufficient = drawn(50)
    twice = fitted(np.vstack([rows, rows]), np.concatenate([sufficient, sufficient]), ridge())
    weighed = fit(rows, sufficient, ridge(), np.zeros(3), np.full(50, 2.0))
    assert weighed == pytest.approx(twice, abs=1e-6)


def test_no_coefficient_gets_the_wrong_sign_and_the_others_make_the_best_of_it() -> None:
    rows, sufficient = drawn(500)
    found = fitted(rows, sufficient, ridge(), -1, -1, 1)
    assert found[1] == 0
    assert found[2] < -0.5
    assert found[3] > 0
    without = fit(rows[:, 1:], sufficient, Prior(mean=np.zeros(3), precision=np.diag([1e-9, 1, 1])), np.zeros(2),
                  np.ones(500))  # fmt: skip
    assert found[[0, 2, 3]] == pytest.approx(without, abs=1e-5)


def test_without_labels_it_is_what_was_believed() -> None:
    prior = shrunk(TRUE, intercept_sd=1.0, slope_sd=0.5, free_sd=0.1)
    assert fitted(np.zeros((0, 3)), np.zeros(0, dtype=bool), prior) == pytest.approx(TRUE)


def test_few_labels_move_the_size_of_all_coefficients_together() -> None:
    rows, sufficient = drawn(40)
    found = fitted(rows, sufficient, shrunk(3 * TRUE, intercept_sd=1.0, slope_sd=1.0, free_sd=1e-4))
    factors = found[1:] / TRUE[1:]
    assert factors.max() / factors.min() == pytest.approx(1, abs=1e-3)
    assert 0.3 < factors.mean() < 2.9


def test_many_labels_overrule_what_was_believed() -> None:
    rows, sufficient = drawn(20_000)
    found = fitted(rows, sufficient, shrunk(np.zeros(4), intercept_sd=1.0, slope_sd=1.0, free_sd=1.0))
    assert found == pytest.approx(TRUE, abs=0.1)


def test_labels_that_can_be_parted_perfectly_give_finite_coefficients() -> None:
    rows = np.array([[-1.0, 0, 0], [1.0, 0, 0]] * 10)
    found = fitted(rows, rows[:, 0] > 0, ridge())
    assert np.isfinite(found).all()
    assert 1 < found[1] < 10
