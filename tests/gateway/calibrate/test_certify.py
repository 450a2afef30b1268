import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.calibrate.certify import LEAST_LABELS, THRESHOLDS, certify, labels_needed, place

Drawn = tuple[NDArray[np.float64], NDArray[np.bool_]]


def drawn(size: int, rng: np.random.Generator) -> Drawn:
    """Confidences that are exactly right, as those of a good model lie."""
    confidence = rng.beta(0.6, 0.5, size)
    return confidence, rng.random(size) < confidence


def test_the_risk_is_kept_as_often_as_promised_and_the_coverage_is_worth_it() -> None:
    rng = np.random.default_rng(0)
    population = drawn(200_000, rng)
    broken, coverage, splits = 0, [], 300
    for _ in range(splits):
        thresholds = place(*drawn(300, rng), max_risk=0.1, delta=0.1, trials=300)
        certificate = certify(thresholds, *drawn(300, rng), max_risk=0.1, delta=0.1)
        if certificate is not None:
            served = population[0] >= certificate.threshold
            broken += (~population[1][served]).mean() > 0.1
            coverage.append(served.mean())
    assert broken / splits <= 0.1 + 2 * (0.1 * 0.9 / splits) ** 0.5
    assert len(coverage) > 0.6 * splits
    best = max(
        value for value in np.linspace(0.1, 0.9, 81) if (~population[1][population[0] >= 1 - value]).mean() <= 0.1
    )
    assert np.mean(coverage) > 0.5 * (population[0] >= 1 - best).mean()


def test_thresholds_get_looser_and_are_few() -> None:
    thresholds = place(*drawn(400, np.random.default_rng(1)), max_risk=0.1, delta=0.1, trials=200)
    assert 1 < len(thresholds) <= THRESHOLDS
    assert list(thresholds) == sorted(set(thresholds), reverse=True)


def test_too_few_questions_to_try_anything_on_get_no_threshold() -> None:
    column = drawn(400, np.random.default_rng(2))
    assert place(*column, max_risk=0.1, delta=0.1, trials=21) == ()
    assert place(*column, max_risk=0.1, delta=0.1, trials=22) != ()


def test_the_first_failure_ends_the_sequence() -> None:
    confidence = np.repeat([0.9, 0.7, 0.5], 50)
    sufficient = np.concatenate([np.ones(50), np.arange(50) % 3 > 0, np.ones(50)]).astype(bool)
    certificate = certify((0.9, 0.7, 0.5), confidence, sufficient, max_risk=0.1, delta=0.1)
    assert certificate is not None
    assert (certificate.threshold, certificate.served, certificate.wrong, certificate.labels) == (0.9, 50, 0, 150)
    assert certificate.coverage == pytest.approx(1 / 3)
    assert certify((0.7, 0.5), confidence, sufficient, max_risk=0.1, delta=0.1) is None


def test_nothing_reached_proves_nothing() -> None:
    assert certify((0.9,), np.full(50, 0.1), np.ones(50, dtype=bool), max_risk=0.1, delta=0.1) is None
    assert certify((), np.full(50, 0.9), np.ones(50, dtype=bool), max_risk=0.1, delta=0.1) is None


def test_how_many_labels_are_missing_is_said_and_that_none_would_do() -> None:
    confidence, sufficient = drawn(60, np.random.default_rng(3))
    strict = labels_needed(confidence, sufficient, max_risk=0.05, delta=0.1)
    lax = labels_needed(confidence, sufficient, max_risk=0.3, delta=0.1)
    assert lax == LEAST_LABELS
    assert strict is None or strict > lax
    assert labels_needed(confidence, np.zeros(60, dtype=bool), max_risk=0.1, delta=0.1) is None
