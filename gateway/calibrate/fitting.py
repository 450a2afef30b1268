"""From labelled questions to a model of one source.

A question counts as answered where the passages returned for it include one of a document that its label names. The
model starts from the shipped one: few labels move its intercept and the size of its coefficients, many move each of
them. Half of enough labels are kept apart, and only they decide whether a threshold is certified.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.calibrate import figures, logistic
from gateway.calibrate.certify import certify, labels_needed, place
from gateway.calibrate.figures import Column, Flags
from gateway.calibrate.golden import Kept, alike
from gateway.calibrate.wording import kept_question, worded
from gateway.confidence import MIN_LABELS, SCHEMA, SIGNS, STRAIGHT, Linear, Makers, Model, Point
from gateway.lookup import Lookup, Opened
from indexer.database import Database
from indexer.labels import Labelled
from indexer.search import READ
from policies.errors import RefusedError
from policies.model import SourceName

FEWEST = 20
FEWEST_OF_EACH = 5
"""Chosen: fewer labels than these, or fewer of either kind, move the shipped model by chance alone."""
CERTIFYING = 200
"""Chosen: from so many labels on half of them are kept to certify a threshold; half of fewer certifies none at 10 %."""
MIN_SERVED = 20
"""Chosen: a threshold above which fewer questions lie says nothing about their risk."""
KEPT = 0.5
"""The share of labels that certify."""
FOLDS = 5
MOST_WEIGHT = 10.0
"""Chosen: a label stands for itself alone or, flagged at the usual share of 2 %, for 50; a few of those would outvote
200 golden questions."""
NEAR = 0.02
"""Chosen: features that lie so close in every one are taken for those of one question, asked of a changed index."""
INTERCEPT_SD, SLOPE_SD, FREE_SD = 3.0, 0.5, 0.25
"""How far a source is believed to lie from the shipped model, in logits of standardised features. Chosen: wider and
narrower ones changed the AUROC of 50 labels by at most .002 (the shipped model's CARD.md)."""
READER_SD = 1.0
"""How far the coefficient of a reader's score, of which the shipped model knows nothing, is believed to lie from 0.
Chosen: with 50 labels of web questions .5 gained half as much, and 2 no more for a worse calibration error."""
_LEAST_SCALE = 1e-6


BENDING, BEND_SD = 500, 0.4
"""From so many rows on a model is bent, each of three numbers believed to lie so near to straight. Chosen: with 1,500
rows the calibration error was that of chance in 11 of 12 halves, in 7 without it; with 200 it gained nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one question gave: its features, and whether what was returned holds the answer.

    `question` is its words as they were redacted. Questions of one `group` ask for the same document, so that a model
    tested on one should not be fitted on the other. `gone` says that a label names documents of which none can be seen.
    """

    features: tuple[float, ...]
    sufficient: bool
    answerable: bool
    question: str
    group: str
    gone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """What a model is fitted on and for."""

    source: SourceName
    scope: str
    classes: tuple[str, ...]
    makers: Makers
    k: int
    purpose: str
    population: str
    max_risk: float
    delta: float


def observe(
    lookup: Lookup,
    database: Database,
    opened: Opened,
    questions: Sequence[Kept],
    *,
    progress: Callable[[int], None],
    named: Callable[[int], str] = kept_question,
) -> tuple[Observation, ...]:
    """What each question gives within what `opened` permits. `progress` is told how many are done.

    A question whose documents this caller may not see has no answer for this caller. `named` says where a question
    stands, by its 0-based place among `questions`.

    Raises:
        UnaskableError: some of them cannot be redacted. None was looked up.
        DependencyError: one of them could not be redacted now. None was looked up.
    """
    observations: list[Observation] = []
    readable = opened.readable()
    every = worded(lookup, opened, [question.query for question in questions], named=named, progress=progress)
    for question, asked in zip(questions, every, strict=True):
        found = lookup.find(opened, asked, k=READ)
        wording = asked.wordings[opened.source.name]
        answering = frozenset(question.documents)
        # A session each: a purge must not wait for the last of them.
        with database.reading() as session:
            passages = lookup.read(session, found.hits)
        observations.append(
            Observation(
                features=lookup.features(opened, found, asked, passages),
                sufficient=any(hit.document in answering for hit in found.hits),
                answerable=bool(answering & readable),
                gone=bool(answering) and not answering & readable,
                question=wording,
                # The words that are kept, so that the same questions are folded alike when they are asked again.
                group=min(answering, default=wording),
            )
        )
        progress(len(observations))
    return tuple(observations)


def check_labels(questions: Sequence[Kept]) -> None:
    """Return if these questions may be enough, which their labels alone can tell before they are asked.

    Raises:
        RefusedError: they are too few, or too few have an answer.
    """
    answerable = sum(bool(question.documents) for question in questions)
    # How many of those do not get their answer is not known yet: it may be all of them.
    _check_enough(len(questions), answerable, len(questions), "with a document that answers it")


def fit(
    observations: Sequence[Observation],
    binding: Binding,
    start: Linear,
    *,
    calibration: str,
    feedback: Sequence[Labelled] = (),
) -> Model:
    """The model for these observations, shrunk to `start`.

    What people said of their own questions is fitted on too, each as often as it stands for others, at most MOST_WEIGHT
    times. It is no fair sample, so that nothing is certified, placed or measured by it. Labels of other features are
    left out, and those of a question that is one of the observations.

    Raises:
        RefusedError: too few observations, or too few of either kind, to fit and test one.
    """
    rows = np.array([observation.features for observation in observations], dtype=np.float64)
    sufficient = np.array([observation.sufficient for observation in observations], dtype=bool)
    _check_enough(len(sufficient), int(sufficient.sum()), int((~sufficient).sum()), "answered by what is returned")
    # A question stays on its side when others are added: none that was fitted on ever certifies. Each is drawn by
    # itself, for that is what the certificate counts: of few documents, all those of one would fall on one side.
    draws = np.array([_draw(alike(observation.question)) for observation in observations])
    kept = draws < KEPT if len(sufficient) >= CERTIFYING else np.zeros(len(sufficient), dtype=bool)
    given = _usable(feedback, rows, binding.makers.schema)
    beside = _Beside.of(given, rows.shape[1])
    linear = beside.fit(rows[~kept], sufficient[~kept], start)
    groups = np.array([_draw(observation.group) for observation in observations])
    tested = _out_of_fold(rows, sufficient, groups, kept, start, beside)
    predicted = np.where(kept, probabilities(linear, rows), tested)
    risk, delta = binding.max_risk, binding.delta
    fitted_on = (predicted[~kept], sufficient[~kept])
    grid = place(*fitted_on, max_risk=risk, delta=delta, trials=int(kept.sum()))
    certificate = certify(grid, predicted[kept], sufficient[kept], max_risk=risk, delta=delta)
    threshold = _threshold(predicted, sufficient, binding.max_risk)
    if certificate is not None:
        threshold = min(certificate.threshold, certificate.threshold if threshold is None else threshold)
    return Model(
        id=calibration,
        schema=SCHEMA,
        source=binding.source,
        scope=binding.scope,
        classes=binding.classes,
        makers=binding.makers,
        k=binding.k,
        linear=linear,
        threshold=threshold,
        certificate=certificate,
        labels_needed=None if certificate else labels_needed(*fitted_on, max_risk=risk, delta=delta),
        max_risk=binding.max_risk,
        labels=len(sufficient),
        unanswerable=sum(not observation.answerable for observation in observations),
        gone=sum(observation.gone for observation in observations),
        feedback=len(given),
        feedback_unanswerable=sum(not label.answerable for label in given),
        purpose=binding.purpose,
        population=binding.population,
        figures=_figures(predicted, sufficient, threshold),
        points=_points(predicted, sufficient, kept),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Beside:
    """Rows that are fitted on beside the observations: shape (f, m), and shape (f,) the others."""

    rows: NDArray[np.float64]
    sufficient: Flags
    weights: Column

    @classmethod
    def of(cls, labels: Sequence[Labelled], width: int) -> Self:
        return cls(
            rows=np.array([label.features for label in labels], dtype=np.float64).reshape(len(labels), width),
            sufficient=np.array([label.sufficient for label in labels], dtype=bool),
            weights=np.array([min(1 / label.propensity, MOST_WEIGHT) for label in labels], dtype=np.float64),
        )

    def fit(self, rows: NDArray[np.float64], sufficient: Flags, start: Linear) -> Linear:
        return linear_fit(
            np.concatenate([rows, self.rows]),
            np.concatenate([sufficient, self.sufficient]),
            start,
            weights=np.concatenate([np.ones(len(rows)), self.weights]),
        )


def _usable(feedback: Sequence[Labelled], asked: NDArray[np.float64], schema: int) -> tuple[Labelled, ...]:
    """Those that are of no observation: what certifies must not be fitted on, asked earlier and labelled either."""
    # Without a reader's score: it jumps where another passage comes first, and the question is the same.
    own = slice(len(SIGNS))
    return tuple(
        label
        for label in feedback
        if label.schema == schema and np.abs(asked[:, own] - np.array(label.features[own])).max(axis=1).min() > NEAR
    )


def linear_fit(rows: NDArray[np.float64], sufficient: Flags, start: Linear, *, weights: Column | None = None) -> Linear:
    """The model for these rows, shape (n, m), and labels, shape (n,), shrunk to `start`; bent from BENDING rows on.

    Behind the features of `start` a row may have a reader's score. `weights`, shape (n,), is how many questions each
    row counts for; one if None.
    """
    if weights is None:
        weights = np.ones(len(rows))
    start = _widened(start, rows)
    linear = _straight_fit(rows, sufficient, start, weights)
    if len(rows) < BENDING:
        return linear
    # Seeded, so that the same labels give the same model.
    folds = np.random.default_rng(0).integers(FOLDS, size=len(rows))
    tested = np.zeros(len(rows))
    for fold in range(FOLDS):
        train = folds != fold
        tested[~train] = _logits(_straight_fit(rows[train], sufficient[train], start, weights[train]), rows[~train])
    prior = logistic.Prior(mean=np.array(STRAIGHT), precision=np.eye(3) / BEND_SD**2)
    offset, below, above = logistic.fit(_sides(tested), sufficient, prior, np.ones(2), weights).tolist()
    return replace(linear, bend=(offset, below, above))


def _widened(start: Linear, rows: NDArray[np.float64]) -> Linear:
    """`start`, which knows nothing of a reader's score where the rows have one: not even how large they are."""
    if rows.shape[1] == len(start.mean):
        return start
    mean, scale = float(rows[:, -1].mean()), max(float(rows[:, -1].std()), _LEAST_SCALE)
    return replace(
        start, mean=(*start.mean, mean), scale=(*start.scale, scale), coefficients=(*start.coefficients, 0.0)
    )


def _straight_fit(rows: NDArray[np.float64], sufficient: Flags, start: Linear, weights: Column) -> Linear:
    readers = len(start.mean) - len(SIGNS)
    prior = logistic.shrunk(
        np.array([start.intercept, *start.coefficients]),
        intercept_sd=INTERCEPT_SD,
        slope_sd=SLOPE_SD,
        free_sd=np.array([FREE_SD] * len(SIGNS) + [READER_SD] * readers),
    )
    signs = np.array([*SIGNS.values()] + [1] * readers, dtype=np.float64)
    standardised = (rows - np.array(start.mean)) / np.array(start.scale)
    found = logistic.fit(standardised, sufficient, prior, signs, weights)
    return Linear(mean=start.mean, scale=start.scale, coefficients=tuple(found[1:].tolist()), intercept=float(found[0]))


def probabilities(linear: Linear, rows: NDArray[np.float64]) -> Column:
    """The confidences of many rows, shape (n,), but for rounding those that the model gives one by one."""
    offset, below, above = linear.bend
    bent = offset + _sides(np.clip(_logits(linear, rows), -30.0, 30.0)) @ np.array([below, above])
    confidences: Column = 1.0 / (1.0 + np.exp(-np.clip(bent, -30.0, 30.0)))
    return confidences


def _logits(linear: Linear, rows: NDArray[np.float64]) -> Column:
    standardised = (rows - np.array(linear.mean)) / np.array(linear.scale)
    logits: Column = linear.intercept + standardised @ np.array(linear.coefficients)
    return logits


def _sides(logits: Column) -> NDArray[np.float64]:
    """Logits parted in two that add up to them, shape (n, 2): what falls where an answer is unlikely, and likely."""
    return np.column_stack([-np.logaddexp(0.0, -logits), np.logaddexp(0.0, logits)])


def _draw(text: str) -> float:
    """A number from 0 to 1 that a text has for ever."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _out_of_fold(
    rows: NDArray[np.float64], sufficient: Flags, groups: Column, kept: Flags, start: Linear, beside: _Beside
) -> Column:
    """The confidence of each row that is not kept, by a model that was fitted on none of its group."""
    predicted = np.zeros(len(sufficient))
    folds = (groups * FOLDS).astype(int)
    for fold in range(FOLDS):
        train, test = (folds != fold) & ~kept, (folds == fold) & ~kept
        predicted[test] = probabilities(beside.fit(rows[train], sufficient[train], start), rows[test])
    return predicted


def _figures(predicted: Column, sufficient: Flags, threshold: float | None) -> dict[str, float]:
    """Figures on questions that the model did not know, and what the threshold for `caution` does with them."""
    served = predicted >= threshold if threshold is not None else np.zeros(len(sufficient), dtype=bool)
    # Seeded, so that the same labels give the same figures.
    found = dict(figures.measured(predicted, sufficient, np.random.default_rng(0)))
    found["coverage"] = float(served.mean())
    found["risk"] = float((~sufficient[served]).mean()) if served.any() else 0.0
    return {name: round(value, 4) for name, value in found.items()}


def _points(predicted: Column, sufficient: Flags, kept: Flags) -> tuple[Point, ...]:
    columns = zip(predicted.tolist(), sufficient.tolist(), kept.tolist(), strict=True)
    return tuple(Point(confidence=value, sufficient=label, kept=apart) for value, label, apart in sorted(columns))


def _threshold(predicted: Column, sufficient: Flags, max_risk: float) -> float | None:
    """The lowest of the predicted values above which the share of insufficient results stays within `max_risk`."""
    values, coverage, risks = figures.risk_curve(predicted, sufficient)
    enough = values[(coverage * len(predicted) >= MIN_SERVED) & (risks <= max_risk)]
    return float(enough.min()) if len(enough) else None


def _check_enough(total: int, sufficient: int, insufficient: int, how: str) -> None:
    if total >= FEWEST and 0 in (sufficient, insufficient):
        raise RefusedError(
            f"{total} questions, {sufficient} of them {how}, are all of one kind.",
            mend="Give questions that the source answers, and questions that it does not, with an empty list.",
        )
    if total < FEWEST or min(sufficient, insufficient) < FEWEST_OF_EACH:
        raise RefusedError(
            f"{total} questions, {sufficient} of them {how}, are too few to fit a confidence.",
            mend=f"Give at least {FEWEST} questions, at least {FEWEST_OF_EACH} answered and {FEWEST_OF_EACH} not; "
            f"{MIN_LABELS} make it calibrated, {CERTIFYING} can certify a threshold.",
        )
