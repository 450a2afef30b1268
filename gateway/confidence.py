"""How likely it is that the passages found hold what the query asks for.

Features of what this caller may see, and of nothing else, go into a logistic model that `gateway.calibrate` fitted on
questions with known answers. Without such a model there is no confidence, only None.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from indexer.search import Evidence
from policies.errors import IntegrityError
from policies.model import ConfidenceStatus, SourceName

FEATURES: Mapping[str, str] = {
    "dense_top": "cosine of the best passage by meaning, -1 to 1",
    "dense_margin": "how far it stands above the tenth, 0 to 2",
    "lexical_top": "BM25 of the best passage by words over the most any passage could reach, 0 to 1",
    "lexical_margin": "how far it stands above the tenth, 0 to 1",
    "agreement": "share of the ten best by meaning that are among the ten best by words, 0 to 1",
    "coverage_best": "share of the query's weight in words that one returned passage holds, 0 to 1",
    "coverage_all": "share of the query's weight in words that the returned passages hold together, 0 to 1",
    "rarest_missing": "weight of the rarest word that no returned passage holds over the heaviest word's, 0 to 1",
    "length": "natural logarithm of one plus the number of words that count",
}
"""The features of schema 1 with their range, in the order a model's coefficients have."""
SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A logistic model over standardised features, bound to what it was fitted on.

    `scope` names the documents its questions were asked of, in these visibility `classes`; `k` is how many passages
    were returned: of fewer it knows nothing.

    `threshold` is the confidence from which on `caution` is given; None where no threshold kept the empirical risk
    within the source's `max_risk`, which always hands off. `labels` counts the questions, `unanswerable` those of
    them whose answer is not in the source.
    """

    id: str
    schema: int
    source: SourceName
    scope: str
    classes: tuple[str, ...]
    embedder: str
    k: int
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float | None
    max_risk: float
    labels: int
    unanswerable: int
    population: str
    figures: Mapping[str, float]

    def probability(self, features: Sequence[float]) -> float:
        """The confidence for one query's features, 0 to 1."""
        terms = zip(features, self.mean, self.scale, self.coefficients, strict=True)
        logit = self.intercept + sum((value - mean) / scale * weight for value, mean, scale, weight in terms)
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))

    def status(self, *, scope: str, embedder: str) -> ConfidenceStatus:
        """`provisional` for callers who see exactly what it was fitted on, `stale` for others and from a change on."""
        if (scope, embedder) == (self.scope, self.embedder):
            return ConfidenceStatus.PROVISIONAL
        return ConfidenceStatus.STALE

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def load(cls, content: str) -> Self:
        """The model that `dump` wrote.

        Raises:
            IntegrityError: it is not such a model.
        """
        try:
            plain = json.loads(content)
            rows = {name: tuple(plain[name]) for name in ("classes", "mean", "scale", "coefficients")}
            model = cls(**(plain | rows))
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                "A stored calibration cannot be read.", mend="Fit it again: penstock calibrate SOURCE GOLDEN.jsonl"
            ) from error
        if model.schema != SCHEMA:
            raise IntegrityError(
                f"A calibration of {model.source!r} is of another version of Penstock.",
                mend=f"Fit it again: penstock calibrate {model.source} GOLDEN.jsonl",
            )
        return model


def features(evidence: Evidence) -> tuple[float, ...]:
    """The features of one query, in the order of FEATURES. An empty result gives zeros."""
    dense, lexical = evidence.dense, evidence.lexical
    weights = [term.idf for term in evidence.terms]
    total = sum(weights)
    missing = [term.idf for term in evidence.terms if not term.matched]
    return (
        dense[0] if dense else 0.0,
        dense[0] - dense[-1] if dense else 0.0,
        lexical[0] if lexical else 0.0,
        lexical[0] - (lexical[-1] if len(lexical) == evidence.depth else 0.0) if lexical else 0.0,
        evidence.agreement,
        evidence.coverage_best,
        1.0 - sum(missing) / total if total else 0.0,
        max(missing, default=0.0) / max(weights) if total else 1.0,
        math.log1p(len(weights)),
    )
