"""How good a confidence is: its figures on questions whose answers are known.

`confidence` is a column of probabilities, shape (n,), `sufficient` whether the passages returned held the answer,
shape (n,), bool. Equal confidences are served together or not at all, so that no figure depends on the order of rows.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_BINS, MAX_BINS, PER_BIN = 5, 15, 50
"""Bins of equal mass, one for so many questions: the error of a bin's share grows as bins get small."""
NULL_DRAWS = 400
"""Chosen: how often the calibration error of a perfect model is simulated."""
_TINY = 1e-12


def brier(confidence: Column, sufficient: Flags) -> float:
    """The mean squared error, 0 to 1; 0.25 is what 0.5 for everything gives."""
    return float(np.mean((confidence - sufficient) ** 2))


def log_loss(confidence: Column, sufficient: Flags) -> float:
    """The mean negative log-likelihood in nats, from 0 on."""
    right = np.where(sufficient, confidence, 1 - confidence)
    return float(-np.mean(np.log(np.clip(right, _TINY, 1.0))))


def auroc(confidence: Column, sufficient: Flags) -> float:
    """How often a sufficient result ranks above an insufficient one, ties half, 0 to 1; 0.5 where a kind is absent."""
    positive = int(sufficient.sum())
    negative = len(sufficient) - positive
    if not positive or not negative:
        return 0.5
    _, tied, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[tied]
    return float((ranks[sufficient].sum() - positive * (positive + 1) / 2) / (positive * negative))


def bins(confidence: Column) -> NDArray[np.intp]:
    """Where bins of equal mass begin in the sorted column, which is not empty."""
    wanted = min(len(confidence), MAX_BINS, max(MIN_BINS, len(confidence) // PER_BIN))
    return np.arange(wanted) * len(confidence) // wanted


def calibration_error(confidence: Column, sufficient: Flags) -> float:
    """ECE over bins of equal mass, 0 to 1. Compare it with `null_error`: perfect models do not reach 0 either."""
    cuts = bins(confidence)
    gaps = np.add.reduceat(np.sort(confidence), cuts) - np.add.reduceat(
        sufficient[np.argsort(confidence, kind="stable")].astype(np.float64), cuts
    )
    return float(np.abs(gaps).sum() / len(confidence))


def null_error(confidence: Column, rng: np.random.Generator) -> tuple[float, float]:
    """The mean and the 95th percentile of the ECE that these confidences have where they are exactly right."""
    drawn = [calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(NULL_DRAWS)]
    return float(np.mean(drawn)), float(np.quantile(drawn, 0.95))


def risk_curve(confidence: Column, sufficient: Flags) -> tuple[Column, Column, Column]:
    """What serving from each distinct confidence on means: thresholds from the highest on, coverage, risk, 0 to 1."""
    values, tied = np.unique(-confidence, return_inverse=True)
    served = np.cumsum(np.bincount(tied))
    wrong = np.cumsum(np.bincount(tied, weights=~sufficient))
    return -values, served / len(confidence), wrong / served


def coverage_at(confidence: Column, sufficient: Flags, risk: float) -> float:
    """The largest share of questions that can be served at this empirical risk, looking back: an upper bound."""
    _, coverage, risks = risk_curve(confidence, sufficient)
    return float(coverage[risks <= risk].max(initial=0.0))


def area_under_risk(confidence: Column, sufficient: Flags) -> tuple[float, float]:
    """AURC and AUGRC (Traub et al., NeurIPS 2024, 2407.01032): mean risk, and mean joint risk, over coverages."""
    wrong = np.cumsum(_tied_errors(confidence, sufficient))
    served = np.arange(1, len(wrong) + 1)
    return float(np.mean(wrong / served)), float(np.mean(wrong / len(wrong)))


def binomial_tail(errors: int, total: int, risk: float) -> float:
    """The probability of at most so many errors in `total` draws of this risk: the exact p-value of a higher risk."""
    if errors >= total:
        return 1.0
    counts = np.arange(errors + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    logs = factorials[total] - factorials[counts] - factorials[total - counts]
    logs += counts * math.log(risk) + (total - counts) * math.log1p(-risk)
    return float(min(1.0, np.exp(logs).sum()))


def clopper_pearson(errors: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a risk of which `errors` in `total` were seen; 0 to 1 where none was looked at."""
    if not total:
        return 0.0, 1.0
    outside = (1 - level) / 2
    low = 0.0 if errors == 0 else _solve(lambda risk: 1 - binomial_tail(errors - 1, total, risk) >= outside)
    high = 1.0 if errors == total else _solve(lambda risk: binomial_tail(errors, total, risk) <= outside)
    return low, high


def plain(confidence: Column, sufficient: Flags) -> dict[str, float]:
    """The figures that need no simulation, by name, unrounded."""
    aurc, augrc = area_under_risk(confidence, sufficient)
    return {
        "auroc": auroc(confidence, sufficient),
        "brier": brier(confidence, sufficient),
        "log_loss": log_loss(confidence, sufficient),
        "ece": calibration_error(confidence, sufficient),
        "aurc": aurc,
        "augrc": augrc,
        "coverage_5": coverage_at(confidence, sufficient, 0.05),
        "coverage_10": coverage_at(confidence, sufficient, 0.10),
        "base_rate": float(sufficient.mean()),
    }


def measured(confidence: Column, sufficient: Flags, rng: np.random.Generator) -> dict[str, float]:
    """All the figures by name, unrounded, with the calibration error that a perfect model would have."""
    null, highest = null_error(confidence, rng)
    return plain(confidence, sufficient) | {"ece_null": null, "ece_null_95": highest}


def _tied_errors(confidence: Column, sufficient: Flags) -> Column:
    """The errors, most confident first, those of equal confidence shared among them evenly."""
    _, tied, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    return np.repeat(np.bincount(tied, weights=~sufficient) / counts, counts)


def _solve(reached: Callable[[float], bool]) -> float:
    """The least risk from which on `reached` holds, by bisection to 1e-9."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
