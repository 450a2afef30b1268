"""Whether certified thresholds keep their risk, over random splits of the questions of one set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gateway.calibrate import certify, figures, linear_fit, place, probabilities
from gateway.confidence import Linear
from tests.evidence.confidence.asking import Table

SPLITS = 300
RISKS = (0.05, 0.10, 0.20)
DELTA = 0.10
LABELS = (200, 400, 800)
FOLDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Over splits: how often the realised risk exceeded what was certified, beside how often it may with two standard
    errors; how often nothing was certified; and the mean coverage, 0 where nothing was, beside the best there is."""

    max_risk: float
    labels: int
    broken: float
    allowed: float
    uncertified: float
    coverage: float
    oracle: float

    def plain(self) -> dict[str, Any]:
        """For JSON, rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(kw_only=True)
class _Tally:
    """What happened over splits."""

    broken: int = 0
    uncertified: int = 0
    coverage: float = 0.0
    oracle: float = 0.0


def kept(table: Table, start: Linear, *, seed: int, splits: int = SPLITS) -> list[Kept]:
    """Each risk at each number of labels of which at least as many questions are left to realise it on."""
    found: list[Kept] = []
    for labels in LABELS:
        if 2 * labels <= len(table.sufficient):
            tallies = {risk: _Tally() for risk in RISKS}
            for split in range(splits):
                _try(table, start, labels, np.random.default_rng((seed, labels, split)), tallies)
            found += [_over(tally, risk, labels, splits) for risk, tally in tallies.items()]
    return found


def _try(table: Table, start: Linear, labels: int, rng: np.random.Generator, tallies: Mapping[float, _Tally]) -> None:
    """Fit on one half of so many labels, certify on the other, and see what all other questions make of it."""
    fitted, tried, rest = (
        table.part(rows) for rows in np.split(rng.permutation(len(table.sufficient)), [labels // 2, labels])
    )
    folds = rng.integers(FOLDS, size=len(fitted.sufficient))
    placed_on = np.zeros(len(folds))
    for fold in range(FOLDS):
        inside = folds != fold
        linear = linear_fit(fitted.features[inside], fitted.sufficient[inside], start)
        placed_on[~inside] = probabilities(linear, fitted.features[~inside])
    linear = linear_fit(fitted.features, fitted.sufficient, start)
    tested, realised = probabilities(linear, tried.features), probabilities(linear, rest.features)
    for risk, tally in tallies.items():
        grid = place(placed_on, fitted.sufficient, max_risk=risk, delta=DELTA, trials=len(tested))
        certificate = certify(grid, tested, tried.sufficient, max_risk=risk, delta=DELTA)
        tally.oracle += figures.coverage_at(realised, rest.sufficient, risk)
        if certificate is None:
            tally.uncertified += 1
        else:
            served = realised >= certificate.threshold
            tally.broken += bool(served.any() and (~rest.sufficient[served]).mean() > risk)
            tally.coverage += float(served.mean())


def _over(tally: _Tally, max_risk: float, labels: int, splits: int) -> Kept:
    return Kept(
        max_risk=max_risk,
        labels=labels,
        broken=tally.broken / splits,
        allowed=DELTA + 2 * (DELTA * (1 - DELTA) / splits) ** 0.5,
        uncertified=tally.uncertified / splits,
        coverage=tally.coverage / splits,
        oracle=tally.oracle / splits,
    )
