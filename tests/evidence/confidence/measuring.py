"""The figures of several confidences on the same questions, with intervals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.calibrate import figures, linear_fit, logistic, probabilities
from gateway.calibrate.figures import Column
from gateway.confidence import Linear, shift, shifted
from tests.evidence.confidence.asking import Table

DRAWS = 20
RESAMPLES = 300
Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows to fit on, and rows to measure on."""


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
    """The figures of each kind of confidence: over draws of so many labels, else over one half, grouped by document."""
    if labels is None:
        splits = [halved(table, seed)]
    else:
        splits = [drawn(table, labels, seed + number) for number in range(DRAWS)]
    return {name: _measured(table, splits, confidence, seed) for name, confidence in _confidences(start).items()}


def halved(table: Table, seed: int) -> Split:
    """Two halves that share no document."""
    groups = np.unique(table.groups)
    fitted = np.isin(table.groups, np.random.default_rng(seed).permutation(groups)[: len(groups) // 2])
    return np.flatnonzero(fitted), np.flatnonzero(~fitted)


def drawn(table: Table, labels: int, seed: int) -> Split:
    """So many rows, half of them sufficient, and all others."""
    rng = np.random.default_rng(seed)
    sufficient = rng.permutation(np.flatnonzero(table.sufficient))[: labels // 2]
    others = rng.permutation(np.flatnonzero(~table.sufficient))[: labels - labels // 2]
    fitted = np.concatenate([sufficient, others])
    return fitted, np.setdiff1d(np.arange(len(table.sufficient)), fitted)


def _confidences(start: Linear) -> Mapping[str, Callable[[Table, Table], Column]]:
    """Each kind of confidence: fitted on one table, given for another."""
    return {
        "cosine": lambda _, asked: np.clip(asked.features[:, 0], 0, 1),
        "platt": _platt,
        "shipped": lambda _, asked: probabilities(start, asked.features),
        "source": lambda known, asked: probabilities(
            linear_fit(known.features, known.sufficient, start), asked.features
        ),
        "shifted": lambda known, asked: _shifted(known, asked, start),
    }


def _shifted(known: Table, asked: Table, start: Linear) -> Column:
    """The fit of the source, moved to the share of answers that what is asked seems to have: no label of it is used."""
    confidences = probabilities(linear_fit(known.features, known.sufficient, start), asked.features).tolist()
    offset = shift(confidences, float(known.sufficient.mean()))
    return np.array([shifted(value, offset) for value in confidences])


def _platt(known: Table, asked: Table) -> Column:
    mean, scale = known.features[:, 0].mean(), known.features[:, 0].std()
    prior = logistic.Prior(mean=np.zeros(2), precision=np.diag([0.01, 0.1]))
    rows = (known.features[:, :1] - mean) / scale
    found = logistic.fit(rows, known.sufficient, prior, np.ones(1), np.ones(len(rows)))
    confidences: Column = 1 / (1 + np.exp(-(found[0] + found[1] * (asked.features[:, 0] - mean) / scale)))
    return confidences


def _measured(
    table: Table, splits: Sequence[Split], confidence: Callable[[Table, Table], Column], seed: int
) -> Measured:
    rng = np.random.default_rng(seed)
    found: list[Mapping[str, float]] = []
    spread: list[Mapping[str, float]] = []
    for fitted, rest in splits:
        column, sufficient = confidence(table.part(fitted), table.part(rest)), table.sufficient[rest]
        found.append(figures.measured(column, sufficient, rng))
        if len(splits) == 1:
            spread = [figures.plain(column[rows], sufficient[rows]) for rows in _resampled(len(rest), rng)]
    spread = spread or found
    names = list(spread[0])
    return Measured(
        means={name: float(np.mean([one[name] for one in found])) for name in found[0]},
        lows={name: float(np.quantile([one[name] for one in spread], 0.025)) for name in names},
        highs={name: float(np.quantile([one[name] for one in spread], 0.975)) for name in names},
    )


def _resampled(size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    for _ in range(RESAMPLES):
        yield rng.integers(size, size=size)
