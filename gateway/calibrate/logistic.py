"""Logistic regression with a Gaussian prior and signs that no data can turn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.calibrate.figures import Column, Flags

MAX_STEPS = 100
_TOLERANCE = 1e-8
_EDGE = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """What is believed before any label: the first entry is the intercept, the others are coefficients.

    `mean` has shape (1 + m,), `precision` (the inverse of the covariance) shape (1 + m, 1 + m), positive definite.
    """

    mean: Column
    precision: NDArray[np.float64]


def fit(rows: NDArray[np.float64], sufficient: Flags, prior: Prior, signs: Column, weights: Column) -> Column:
    """The most probable intercept and coefficients, shape (1 + m,), of those that have the given signs.

    `rows` has shape (n, m); `signs` shape (m,): 1 for at least 0, -1 for at most 0, 0 for either; `weights` shape (n,)
    is how many questions each row counts for. The problem is convex, so the same labels give the same model.
    """
    design = np.column_stack([np.ones(len(rows)), rows])
    allowed = np.concatenate([[0.0], signs])
    found = np.where(allowed * prior.mean < 0, 0.0, prior.mean)
    cost = _cost(design, sufficient, prior, weights, found)
    for _ in range(MAX_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weights * (chance - sufficient)) + prior.precision @ (found - prior.mean)
        # A coefficient that is 0 stays there while the slope would push it over to the forbidden side.
        free = ~((np.abs(found) <= _EDGE) & (allowed * slope > 0))
        curve = (design.T * (weights * chance * (1 - chance))) @ design + prior.precision
        step = np.zeros(len(found))
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        length = 1.0
        while True:
            tried = found - length * step
            tried = np.where(allowed * tried < 0, 0.0, tried)
            lower = _cost(design, sufficient, prior, weights, tried)
            if lower <= cost or length < _TOLERANCE:
                break
            length /= 2
        if cost - lower <= _TOLERANCE * max(1.0, cost):
            return tried if lower <= cost else found
        found, cost = tried, lower
    return found


def shrunk(mean: Column, *, intercept_sd: float, slope_sd: float, free_sd: float | Column) -> Prior:
    """A prior around a known model, loose by three standard deviations.

    By `intercept_sd` its intercept may differ, by the factor `slope_sd` the size of its coefficients as one, and by
    `free_sd` each coefficient by itself, shape (m,) where not all by the same.
    """
    coefficients = mean[1:]
    covariance = np.zeros((len(mean), len(mean)))
    covariance[0, 0] = intercept_sd**2
    covariance[1:, 1:] = free_sd**2 * np.eye(len(coefficients)) + slope_sd**2 * np.outer(coefficients, coefficients)
    return Prior(mean=mean, precision=np.linalg.inv(covariance).astype(np.float64))


def _cost(design: NDArray[np.float64], sufficient: Flags, prior: Prior, weights: Column, found: Column) -> float:
    logits = design @ found
    losses = np.logaddexp(0.0, np.where(sufficient, -logits, logits))
    away = found - prior.mean
    return float(weights @ losses + away @ prior.precision @ away / 2)
