"""What labelled questions say of a confidence: its figures with intervals, and what every picture shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np

from gateway.calibrate import figures
from gateway.calibrate.figures import Column, Flags
from gateway.confidence import Certificate, Point

RESAMPLES: Final = 300
"""Chosen: how often the questions are drawn anew for the interval of a figure."""
OUTSIDE: Final = 0.05
"""What all intervals and bands here leave out, half of it at either end."""
BARS: Final = 20
STEPS: Final = 60
"""At so many thresholds at most, evenly over the questions, the risk is shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure with its 95 % interval by resampling the questions; None where resampling would mislead."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Questions of like confidence: its mean, and the share of them whose passages held the answer, 0 to 1.

    Were each confidence exactly right, that share would lie from `low` to `high` in 95 % of cases: exact.
    """

    questions: int
    confidence: float
    sufficient: float
    low: float
    high: float

    @property
    def within(self) -> bool:
        """Whether chance alone explains how far it is from its confidence."""
        return self.low <= self.sufficient <= self.high


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """What serving from a confidence on does: how many of the questions reach it, how many of those lack the answer.

    `low` and `high` are the exact interval of the risk (Clopper and Pearson), 95 %.
    """

    threshold: float
    questions: int
    served: int
    wrong: int
    low: float
    high: float

    @property
    def coverage(self) -> float:
        """The share of the questions that is served, 0 to 1."""
        return self.served / self.questions

    @property
    def risk(self) -> float:
        """The share of those served that lacks the answer, 0 to 1; 0 where none is served."""
        return self.wrong / self.served if self.served else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """How many questions have a confidence between two, with and without their answer among the passages."""

    start: float
    end: float
    sufficient: int
    insufficient: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """Everything that labelled questions say of a confidence that did not know them.

    `certified` is what was shown of the certified threshold, on the questions kept apart for it; `caution` what the
    softer threshold does on all questions, among them those it was placed on.
    """

    questions: int
    sufficient: int
    figures: Mapping[str, Figure]
    bins: tuple[Bin, ...]
    curve: tuple[Served, ...]
    bars: tuple[Bar, ...]
    certified: Served | None
    caution: Served | None


def measures(points: Sequence[Point], *, threshold: float | None, certificate: Certificate | None) -> Measures:
    """What these questions, at least one, say. The same questions give the same, whatever their order."""
    ordered = sorted(points, key=lambda point: (point.confidence, point.sufficient))
    confidence = np.array([point.confidence for point in ordered], dtype=np.float64)
    sufficient = np.array([point.sufficient for point in ordered], dtype=bool)
    return Measures(
        questions=len(ordered),
        sufficient=int(sufficient.sum()),
        figures=_figures(confidence, sufficient),
        bins=binned(confidence, sufficient),
        curve=_curve(confidence, sufficient),
        bars=_bars(confidence, sufficient),
        certified=None if certificate is None else _certified(certificate),
        caution=None if threshold is None else _served(confidence, sufficient, threshold),
    )


def _figures(confidence: Column, sufficient: Flags) -> dict[str, Figure]:
    # Seeded, so that the same labels give the same figures.
    rng = np.random.default_rng(0)
    found = _plain(confidence, sufficient)
    rows = (rng.integers(len(confidence), size=len(confidence)) for _ in range(RESAMPLES))
    drawn = [_plain(confidence[row], sufficient[row]) for row in rows]
    ends = {name: np.quantile([one[name] for one in drawn], [OUTSIDE / 2, 1 - OUTSIDE / 2]) for name in found}
    # A resampled calibration error is larger by the noise of a second draw: its simulated null is what to hold it to.
    intervals = {
        name: Figure(value=value, low=float(ends[name][0]), high=float(ends[name][1]))
        for name, value in found.items()
        if name != "ece"
    }
    mean, highest = figures.null_error(confidence, rng)
    null = {"ece": found["ece"], "ece_null": mean, "ece_null_95": highest}
    return intervals | {name: Figure(value=value) for name, value in null.items()}


def _plain(confidence: Column, sufficient: Flags) -> dict[str, float]:
    bias = float(confidence.mean() - sufficient.mean())
    return figures.plain(confidence, sufficient) | {"bias": bias}


def binned(confidence: Column, sufficient: Flags) -> tuple[Bin, ...]:
    """Bins of equal mass of sorted confidences: those that the calibration error is taken over."""
    cuts = figures.bins(confidence)[1:]
    return tuple(_bin(*pair) for pair in zip(np.split(confidence, cuts), np.split(sufficient, cuts), strict=True))


def _bin(confidence: Column, sufficient: Flags) -> Bin:
    low, high = _perfect(confidence)
    return Bin(
        questions=len(confidence),
        confidence=float(confidence.mean()),
        sufficient=float(sufficient.mean()),
        low=low,
        high=high,
    )


def _perfect(confidence: Column) -> tuple[float, float]:
    """Between which shares a bin of a perfect model lies: quantiles of the Poisson binomial distribution, exact."""
    pairs = np.column_stack([1 - confidence, confidence])
    reached = np.cumsum(reduce(np.convolve, pairs, np.ones(1)))
    low, high = np.searchsorted(reached, [OUTSIDE / 2, 1 - OUTSIDE / 2]) / len(confidence)
    return float(low), float(high)


def _curve(confidence: Column, sufficient: Flags) -> tuple[Served, ...]:
    thresholds, coverage, _ = figures.risk_curve(confidence, sufficient)
    wanted = np.unique(np.searchsorted(coverage, np.linspace(0, 1, STEPS + 1)[1:] - 1e-9))
    return tuple(_served(confidence, sufficient, float(thresholds[one])) for one in wanted)


def _served(confidence: Column, sufficient: Flags, threshold: float) -> Served:
    reached = confidence >= threshold
    return _of(threshold, len(confidence), int(reached.sum()), int((reached & ~sufficient).sum()))


def _certified(certificate: Certificate) -> Served:
    return _of(certificate.threshold, certificate.labels, certificate.served, certificate.wrong)


def _of(threshold: float, questions: int, served: int, wrong: int) -> Served:
    low, high = figures.clopper_pearson(wrong, served, level=1 - OUTSIDE)
    return Served(threshold=threshold, questions=questions, served=served, wrong=wrong, low=low, high=high)


def _bars(confidence: Column, sufficient: Flags) -> tuple[Bar, ...]:
    edges = np.linspace(0, 1, BARS + 1)
    held, lacked = (np.histogram(confidence[kind], edges)[0].tolist() for kind in (sufficient, ~sufficient))
    columns = zip(edges[:-1].tolist(), edges[1:].tolist(), held, lacked, strict=True)
    return tuple(
        Bar(start=start, end=end, sufficient=with_it, insufficient=without) for start, end, with_it, without in columns
    )
