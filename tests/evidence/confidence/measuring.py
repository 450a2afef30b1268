"""The figures of several confidences on the same questions, with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.calibrate import figures, linear_fit, logistic, probabilities
from gateway.calibrate.figures import Column
from gateway.confidence import Linear, shift, shifted
from policies.errors import RefusedError
from tests.evidence.confidence.asking import Table

DRAWS = 20
RESAMPLES = 300
FOLDS = 5
LEAST_OF_EACH = 5
Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows to fit on, and rows to measure on."""
Confidence = Callable[[Table, Table], Column]
"""Fitted on one table, given for another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Figures by name: their means over draws, and 95 % of what draws or resampled questions gave."""

    means: Mapping[str, float]
    lows: Mapping[str, float]
    highs: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        """For JSON, rounded."""
        return {kind: {name: round(value, 4) for name, value in rows.items()} for kind, rows in asdict(self).items()}


def compared(table: Table, start: Linear, *, labels: int | None, seed: int) -> dict[str, Measured]:
    """The figures of each kind of confidence.

    With `labels`, fitted on so many and measured on all others, over draws; without, each question by the fit on four
    fifths of the set that know none of its documents.

    Raises:
        RefusedError: the set has too few results with, or without, the answer.
    """
    least = [LEAST_OF_EACH + drawn for drawn in (_of_each(table, labels) if labels else (0, 0))]
    there = int(table.sufficient.sum()), int((~table.sufficient).sum())
    if there[0] < least[0] or there[1] < least[1]:
        raise RefusedError(
            f"Of {len(table.sufficient)} results {there[0]} hold the answer; "
            f"at least {least[0]} must and {least[1]} must not.",
            mend="Give fewer --labels." if labels else "Add questions.",
        )
    if labels is None:
        return {name: _resampled(table, one, seed) for name, one in _confidences(start).items()}
    splits = [drawn(table, labels, seed + number) for number in range(DRAWS)]
    return {name: _over_draws(table, splits, one, seed) for name, one in _confidences(start).items()}


def share_within_null(table: Table, start: Linear, *, seed: int) -> float:
    """Of DRAWS halvings by document, the share in which the fit on one half is as right on the other as chance lets
    it be: .95 for a perfect model, less for one that was fitted on a sample."""
    within = 0
    for number in range(DRAWS):
        fitted, rest = halved(table, seed + number)
        confidence = _fitted(table.part(fitted), table.part(rest), start)
        found = figures.measured(confidence, table.sufficient[rest], np.random.default_rng(seed + number))
        within += found["ece"] <= found["ece_null_95"]
    return within / DRAWS


def halved(table: Table, seed: int) -> Split:
    """Two halves that share no document."""
    groups = np.unique(table.groups)
    fitted = np.isin(table.groups, np.random.default_rng(seed).permutation(groups)[: len(groups) // 2])
    return np.flatnonzero(fitted), np.flatnonzero(~fitted)


def folded(table: Table, seed: int) -> list[Split]:
    """For each of FOLDS parts that share no document: all others, and it."""
    groups = np.unique(table.groups)
    part = (np.random.default_rng(seed).permutation(len(groups)) % FOLDS)[np.searchsorted(groups, table.groups)]
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(FOLDS)]


def drawn(table: Table, labels: int, seed: int) -> Split:
    """So many rows, of which the table's share is sufficient but LEAST_OF_EACH are of either kind, and all others."""
    rng = np.random.default_rng(seed)
    of_each = _of_each(table, labels)
    sufficient = rng.permutation(np.flatnonzero(table.sufficient))[: of_each[0]]
    others = rng.permutation(np.flatnonzero(~table.sufficient))[: of_each[1]]
    fitted = np.concatenate([sufficient, others])
    return fitted, np.setdiff1d(np.arange(len(table.sufficient)), fitted)


def _of_each(table: Table, labels: int) -> tuple[int, int]:
    """How many labels are of results that hold the answer, and how many of others."""
    sufficient = round(labels * float(table.sufficient.mean()))
    sufficient = min(max(sufficient, LEAST_OF_EACH), labels - LEAST_OF_EACH)
    return sufficient, labels - sufficient


def _confidences(start: Linear) -> Mapping[str, Confidence]:
    return {
        "cosine": lambda _, asked: np.clip(asked.features[:, 0], 0, 1),
        "platt": _platt,
        # It knows nothing of a reader's score behind the features.
        "shipped": lambda _, asked: probabilities(start, asked.features[:, : len(start.mean)]),
        "source": lambda known, asked: _fitted(known, asked, start),
        "shifted": lambda known, asked: _shifted(known, asked, start),
    }


def _fitted(known: Table, asked: Table, start: Linear) -> Column:
    return probabilities(linear_fit(known.features, known.sufficient, start), asked.features)


def _shifted(known: Table, asked: Table, start: Linear) -> Column:
    """The fit of the source, moved to the share of answers that what is asked seems to have: no label of it is used."""
    confidences = _fitted(known, asked, start).tolist()
    # A set of few documents has folds with one kind of result.
    least = 0.5 / len(known.sufficient)
    offset = shift(confidences, float(np.clip(known.sufficient.mean(), least, 1 - least)))
    return np.array([shifted(value, offset) for value in confidences])


def _platt(known: Table, asked: Table) -> Column:
    mean, scale = known.features[:, 0].mean(), known.features[:, 0].std()
    prior = logistic.Prior(mean=np.zeros(2), precision=np.diag([0.01, 0.1]))
    rows = (known.features[:, :1] - mean) / scale
    found = logistic.fit(rows, known.sufficient, prior, np.ones(1), np.ones(len(rows)))
    confidences: Column = 1 / (1 + np.exp(-(found[0] + found[1] * (asked.features[:, 0] - mean) / scale)))
    return confidences


def _resampled(table: Table, confidence: Confidence, seed: int) -> Measured:
    """Every question once, out of its fold, with intervals over resampled questions."""
    column = np.zeros(len(table.sufficient))
    for fitted, rest in folded(table, seed):
        column[rest] = confidence(table.part(fitted), table.part(rest))
    rng = np.random.default_rng(seed)
    means = figures.measured(column, table.sufficient, rng)
    draws = (rng.integers(len(column), size=len(column)) for _ in range(RESAMPLES))
    return _spread(means, [figures.plain(column[rows], table.sufficient[rows]) for rows in draws])


def _over_draws(table: Table, splits: Sequence[Split], confidence: Confidence, seed: int) -> Measured:
    rng = np.random.default_rng(seed)
    found = [
        figures.measured(confidence(table.part(fitted), table.part(rest)), table.sufficient[rest], rng)
        for fitted, rest in splits
    ]
    return _spread({name: float(np.mean([one[name] for one in found])) for name in found[0]}, found)


def _spread(means: Mapping[str, float], drawn: Sequence[Mapping[str, float]]) -> Measured:
    return Measured(
        means=means,
        lows={name: float(np.quantile([one[name] for one in drawn], 0.025)) for name in drawn[0]},
        highs={name: float(np.quantile([one[name] for one in drawn], 0.975)) for name in drawn[0]},
    )
