"""Fitting a source's confidence on questions whose answers are known.

A question counts as answered where the passages returned for it include one of a document that its label names. The
model is logistic regression with a ridge penalty; its figures and its threshold come from folds it was not fitted on.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sqlmodel import Session

from gateway.confidence import SCHEMA, Model, features
from gateway.lookup import Lookup, Opened, Question
from indexer import catalog
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from policies.errors import RefusedError
from policies.model import SourceName

MIN_LABELS = 50
MIN_OF_EACH = 20
"""Fewer labels, or fewer of either kind, cannot tell a good model from luck (measured: 50 labels come within .02 AUROC
of 1,500 on a mixed workload)."""
MIN_SERVED = 20
"""Chosen: a threshold above which fewer questions lie says nothing about their risk."""
FOLDS = 5
_RIDGE = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """A question with its label: the origin ids of the documents that answer it, none where none does."""

    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one question gave: its features, and whether what was returned holds the answer."""

    features: tuple[float, ...]
    sufficient: bool
    answerable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """What a model is fitted on and for."""

    source: SourceName
    scope: str
    classes: tuple[str, ...]
    embedder: str
    k: int
    population: str
    max_risk: float


def read_golden(path: Path, source: SourceName) -> tuple[Golden, ...]:
    """The questions of a JSON-lines file that are for this source: {"source", "query", "documents": [origin ids]}.

    Raises:
        RefusedError: the file cannot be read, or a line is not such a question.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(path)!r} cannot be read as UTF-8.", mend="Name a JSON-lines file.") from error
    found = [_golden(line, number, path) for number, line in enumerate(lines, start=1) if line.strip()]
    return tuple(golden for named, golden in found if named == source)


def check_documents(session: Session, keyring: Keyring, source: SourceName, questions: Sequence[Golden]) -> None:
    """Return if every document that a label names is indexed: a label that is out of date would count as a failure.

    Raises:
        RefusedError: one is not.
    """
    stored = catalog.documents(session, source)
    indexed = {document.id for document in stored.values() if document.state is DocumentState.INDEXED}
    named = dict.fromkeys(document for golden in questions for document in golden.documents)
    missing = [document for document in named if keyring.document_id(source, document) not in indexed]
    if missing:
        raise RefusedError(
            f"{len(missing)} documents that golden questions name are not indexed in {source!r}: {missing[0]!r} first.",
            mend="Name documents by their origin ids (for a folder, the path below its root), sync, or mend the file.",
        )


def observe(
    lookup: Lookup, opened: Opened, questions: Sequence[Golden], *, k: int, progress: Callable[[int], None]
) -> tuple[Observation, ...]:
    """What each question gives within what `opened` permits. `progress` is told how many are done.

    A question whose documents this caller may not see has no answer for this caller.
    """
    observations: list[Observation] = []
    readable = opened.readable()
    for golden in questions:
        found = lookup.look(opened, Question(text=golden.query), k=k)
        named = {lookup.keyring.document_id(opened.source.name, document) for document in golden.documents}
        observations.append(
            Observation(
                features=features(found.evidence),
                sufficient=any(hit.document in named for hit in found.hits),
                answerable=bool(named & readable),
            )
        )
        progress(len(observations))
    return tuple(observations)


def fit(observations: Sequence[Observation], binding: Binding, *, calibration: str) -> Model:
    """The model for these observations.

    Raises:
        RefusedError: too few observations, or too few of either kind, to fit and test one.
    """
    rows = np.array([observation.features for observation in observations], dtype=np.float64)
    labels = np.array([observation.sufficient for observation in observations], dtype=bool)
    unanswerable = sum(not observation.answerable for observation in observations)
    _check_enough(len(labels), int(labels.sum()))
    predicted = np.zeros(len(labels))
    # Seeded, so that the same labels give the same model.
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels):
        scaler, model = _fitted(rows[train], labels[train])
        predicted[test] = model.predict_proba(scaler.transform(rows[test]))[:, 1]
    scaler, model = _fitted(rows, labels)
    threshold = _threshold(predicted, labels, binding.max_risk)
    served = predicted >= threshold if threshold is not None else np.zeros(len(labels), dtype=bool)
    return Model(
        id=calibration,
        schema=SCHEMA,
        source=binding.source,
        scope=binding.scope,
        classes=binding.classes,
        embedder=binding.embedder,
        k=binding.k,
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        coefficients=tuple(model.coef_[0].tolist()),
        intercept=float(model.intercept_[0]),
        threshold=threshold,
        max_risk=binding.max_risk,
        labels=len(labels),
        unanswerable=unanswerable,
        population=binding.population,
        figures={
            "auroc": round(float(roc_auc_score(labels, predicted)), 4),
            "brier": round(float(brier_score_loss(labels, predicted)), 4),
            "base_rate": round(float(labels.mean()), 4),
            "coverage": round(float(served.mean()), 4),
            "risk": round(float((~labels[served]).mean()), 4) if served.any() else 0.0,
        },
    )


def _fitted(rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[StandardScaler, LogisticRegression]:
    scaler = StandardScaler().fit(rows)
    return scaler, LogisticRegression(C=_RIDGE, max_iter=1000).fit(scaler.transform(rows), labels)


def _threshold(predicted: NDArray[np.float64], labels: NDArray[np.bool_], max_risk: float) -> float | None:
    """The lowest of the predicted values above which the share of insufficient results stays within `max_risk`."""
    kept: float | None = None
    for value in np.unique(predicted)[::-1]:
        served = predicted >= value
        if served.sum() >= MIN_SERVED and (~labels[served]).mean() <= max_risk:
            kept = float(value)
    return kept


def _check_enough(total: int, sufficient: int) -> None:
    if total < MIN_LABELS or min(sufficient, total - sufficient) < MIN_OF_EACH:
        raise RefusedError(
            f"{total} questions, {sufficient} of them answered by what is returned, are too few to fit a confidence.",
            mend=f"Give at least {MIN_LABELS} questions, at least {MIN_OF_EACH} answered and {MIN_OF_EACH} not.",
        )


def _golden(line: str, number: int, path: Path) -> tuple[str, Golden]:
    try:
        plain = json.loads(line)
        source, query, documents = plain["source"], plain["query"], plain["documents"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_golden(path, number) from error
    well_formed = (
        isinstance(source, str) and isinstance(query, str) and bool(query.strip()) and isinstance(documents, list)
    )
    if not well_formed or not all(isinstance(document, str) for document in documents):
        raise _not_golden(path, number)
    return source, Golden(query=query.strip(), documents=tuple(documents))


def _not_golden(path: Path, number: int) -> RefusedError:
    return RefusedError(
        f"{path!s}:{number}: this is not a golden question.",
        mend='Write one JSON object a line: {"source": "…", "query": "…", "documents": ["…"]}, [] if not answerable.',
    )
