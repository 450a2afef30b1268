"""A threshold with a guarantee: Learn then Test (Angelopoulos et al., 2110.01052) with exact binomial p-values.

Thresholds are placed on questions that the model was tested on out of fold, and tried on others, from a strict one to
looser ones, until one fails. Then, with probability 1 - `delta` over the choice of those others, what is served from
the threshold on lacks its answer at most at the rate `max_risk`: for the population both kinds were drawn from.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from gateway.calibrate.figures import Column, Flags, binomial_tail
from gateway.confidence import Certificate

THRESHOLDS = 18
"""Chosen: between 10 and 20; of a hundred, neighbours differ by a question and each costs a chance to fail."""


LEAST_LABELS, MOST_LABELS = 100, 12_800
_LIKELY = 0.5


def place(confidence: Column, sufficient: Flags, *, max_risk: float, delta: float, trials: int) -> tuple[float, ...]:
    """Thresholds to try on `trials` other questions, in their order: from the most promising one to ever looser ones.

    They are quantiles of out-of-fold confidences. A strict one serves too few to prove anything, a loose one has too
    many errors; the first to be tried is the one that most probably passes.
    """
    count = len(confidence)
    ordered = np.sort(confidence)[::-1]
    least = math.ceil(math.log(delta) / math.log1p(-max_risk))
    if least > trials:
        return ()
    places = np.linspace(least / trials, 1.0, THRESHOLDS)
    grid = np.unique(ordered[np.minimum((places * count).astype(int), count - 1)])[::-1]
    chances = [_chance(confidence, sufficient, value, max_risk, delta, trials) for value in grid]
    first = int(np.argmax(chances))
    return tuple(grid[first:].tolist())


def certify(
    thresholds: Sequence[float], confidence: Column, sufficient: Flags, *, max_risk: float, delta: float
) -> Certificate | None:
    """The loosest of the thresholds that is shown to keep the risk, or None where not even the first is.

    The questions must be others than those that the model was fitted and the thresholds placed on.
    """
    certificate = None
    for threshold in thresholds:
        reached = confidence >= threshold
        served, wrong = int(reached.sum()), int((reached & ~sufficient).sum())
        if binomial_tail(wrong, served, max_risk) > delta:
            break
        certificate = Certificate(
            threshold=threshold, max_risk=max_risk, delta=delta, labels=len(confidence), served=served, wrong=wrong
        )
    return certificate


def labels_needed(confidence: Column, sufficient: Flags, *, max_risk: float, delta: float) -> int | None:
    """About how many labels certify a threshold more often than not, half of them kept for it.

    Judged by these out-of-fold confidences. None where so many as MOST_LABELS would not.
    """
    values = np.unique(np.quantile(confidence, np.linspace(0, 1, THRESHOLDS + 1))).tolist()
    labels = LEAST_LABELS
    while labels <= MOST_LABELS:
        chances = [_chance(confidence, sufficient, value, max_risk, delta, labels // 2) for value in values]
        if max(chances) >= _LIKELY:
            return labels
        labels *= 2
    return None


def _chance(
    confidence: Column, sufficient: Flags, threshold: float, max_risk: float, delta: float, trials: int
) -> float:
    """About how likely the threshold passes on so many other questions, if they are like these."""
    reached = confidence >= threshold
    served, wrong = int(reached.sum()), int((reached & ~sufficient).sum())
    expected = round(served * trials / len(confidence))
    # A half error more and one question more: none seen is not none there.
    risk = (wrong + 0.5) / (served + 1)
    allowed = bisect_left(
        range(expected + 1), True, key=lambda errors: binomial_tail(errors, expected, max_risk) > delta
    )
    return binomial_tail(allowed - 1, expected, risk) if allowed else 0.0
