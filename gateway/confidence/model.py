"""The logistic models that turn features into a confidence: the shipped one, and that of a source, shrunk to it."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from gateway.confidence.features import FEATURES, SCHEMA
from gateway.guardrail import Thresholds
from policies.errors import IntegrityError
from policies.model import ConfidenceStatus, SourceName

MIN_LABELS = 50
MIN_UNANSWERABLE = 20
"""From so many labels on a model is called calibrated (measured: 50 labels come within .01 AUROC of 300 on web
questions, and their calibration error is that of chance)."""
STRAIGHT = (0.0, 1.0, 1.0)
_OTHER_SCHEMAS = 1 << 24
_SHIPPED = Path(__file__).with_name("shipped.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A logistic model over features that are standardised by `mean` and `scale`, in the order of FEATURES.

    Fitted with a reader it has one more, the last, for its score. Its logit is bent (Kull et al., AISTATS 2017: beta
    calibration): an offset, then the slope where an answer is unlikely and that where it is likely. As (0, 1, 1) it
    stays as it is.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    bend: tuple[float, float, float] = STRAIGHT

    def probability(self, features: Sequence[float]) -> float:
        """The confidence for one query's features, 0 to 1.

        Raises:
            IntegrityError: a feature is no finite number.
        """
        terms = zip(features, self.mean, self.scale, self.coefficients, strict=True)
        logit = self.intercept + sum((value - mean) / scale * weight for value, mean, scale, weight in terms)
        if not math.isfinite(logit):
            raise IntegrityError("A confidence cannot be computed.", mend="Run: penstock calibrate SOURCE GOLDEN.jsonl")
        logit = max(-30.0, min(30.0, logit))
        offset, below, above = self.bend
        bent = offset - below * math.log1p(math.exp(-logit)) + above * math.log1p(math.exp(logit))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, bent))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Makers:
    """What makes an index and the queries that are put to it: with another of these, a model's figures are not known.

    `embedder` names the precision of its vectors too, `redactor` the source's rules too. `reader` is "" without one.
    """

    embedder: str
    analyser: str
    splitter: str
    redactor: str
    reader: str = field(default="", repr=False)  # without one, it is to read as before there were any

    @property
    def key(self) -> str:
        """All of them in one text, the same only for the same."""
        return f"{self!r}{self.reader}"

    @property
    def schema(self) -> int:
        """Which features these give: SCHEMA, or for each reader another number, below 2^25."""
        if not self.reader:
            return SCHEMA
        digest = hashlib.sha256(f"{SCHEMA} {self.reader}".encode()).digest()
        return _OTHER_SCHEMAS + int.from_bytes(digest[:3])


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was shown of a threshold on questions that nothing was fitted on.

    Of `labels` questions `served` reached `threshold`, and `wrong` of those lacked their answer. So the rate at which
    answers are lacking there is at most `max_risk` with probability 1 - `delta`, for the population of those questions.
    """

    threshold: float
    max_risk: float
    delta: float
    labels: int
    served: int
    wrong: int

    @property
    def coverage(self) -> float:
        """The share of the questions that was served, 0 to 1."""
        return self.served / self.labels


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One labelled question as a figure counts it: its confidence, by a model that did not know it, and its label.

    `kept` says that it was kept apart to certify.
    """

    confidence: float
    sufficient: bool
    kept: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The confidence of one source, bound to what it was fitted on and to the `purpose` its questions were asked for.

    `scope` names the documents its questions were asked of, in these visibility `classes`; `makers` made their index;
    `k` is how many passages were returned: of fewer it knows nothing.

    `threshold` is the confidence from which on `caution` is given; None where no threshold kept the empirical risk
    within the source's `max_risk`, which always hands off. `certificate` is that of the threshold from which on
    `answer` is given; where it is None, `labels_needed` is about how many labels would certify one, None where no
    number would. `labels` counts the questions, `unanswerable` those of them whose answer is not in the source, of
    which `gone` named documents that were not there any more; `points` are they, in no order that tells which was
    which. `feedback` counts the labels of people who asked that were fitted on beside, `feedback_unanswerable` those of
    them of which nothing in the source holds the answer: no figure knows them.
    """

    id: str
    schema: int
    source: SourceName
    scope: str
    classes: tuple[str, ...]
    makers: Makers
    k: int
    linear: Linear
    threshold: float | None
    certificate: Certificate | None
    labels_needed: int | None
    max_risk: float
    labels: int
    unanswerable: int
    gone: int
    feedback: int
    feedback_unanswerable: int
    purpose: str
    population: str
    figures: Mapping[str, float]
    points: tuple[Point, ...]

    def probability(self, features: Sequence[float]) -> float:
        """As of `Linear`."""
        return self.linear.probability(features)

    @property
    def status(self) -> ConfidenceStatus:
        """How far it carries while it is not stale, which `gateway.confidence.standing` tells."""
        if self._missing_real():
            return ConfidenceStatus.PROVISIONAL
        return ConfidenceStatus.CALIBRATED if self.certificate is None else ConfidenceStatus.CERTIFIED

    def missing_labels(self) -> int | None:
        """About how many labels it lacks for the next better status; None where no number would do."""
        if self._missing_real():
            return self._missing_real()
        if self.certificate is not None:
            return 0
        return None if self.labels_needed is None else max(1, self.labels_needed - self.labels)

    def _missing_real(self) -> int:
        labels, unanswerable = self.labels + self.feedback, self.unanswerable + self.feedback_unanswerable
        return max(0, MIN_LABELS - labels, MIN_UNANSWERABLE - unanswerable)

    def thresholds(self, *, max_risk: float, delta: float, purpose: str) -> Thresholds | None:
        """From which confidence on what is given to questions for a purpose; None where each of them is a hand-off.

        `max_risk` and `delta` are what the source bears now. Thresholds placed for a higher risk say nothing, and
        neither does a certificate that may be wrong more often, or that is of questions for another purpose.
        """
        if self.threshold is None or max_risk < self.max_risk:
            return None
        held = self.certificate
        stands = held is not None and held.delta <= delta and purpose == self.purpose
        return Thresholds(caution=self.threshold, answer=held.threshold if held is not None and stands else None)

    def dump(self) -> str:
        """As JSON."""
        plain = asdict(self)
        if not self.makers.reader:
            del plain["makers"]["reader"]
        return json.dumps(plain, sort_keys=True)

    @classmethod
    def load(cls, content: str) -> Self:
        """The model that `dump` wrote.

        Raises:
            IntegrityError: it is not such a model.
        """
        try:
            plain = json.loads(content, parse_constant=_no_number)
            if plain["schema"] != SCHEMA:
                raise _of_another_version(plain["source"])
            held, made_by = plain["certificate"], Makers(**plain["makers"])
            return cls(
                **plain
                | {
                    "classes": tuple(plain["classes"]),
                    "makers": made_by,
                    "linear": _linear(plain["linear"], len(FEATURES) + bool(made_by.reader)),
                    "certificate": None if held is None else _certificate(held, plain),
                    "points": tuple(Point(**point) for point in plain["points"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                "A stored calibration cannot be read.", mend="Fit it again: penstock calibrate SOURCE GOLDEN.jsonl"
            ) from error


@cache
def shipped() -> Linear:
    """The model that comes with Penstock, fitted on public questions: where to start from, and no promise anywhere.

    Raises:
        IntegrityError: its file is damaged, or of other features.
    """
    return load_linear(_SHIPPED)


def load_linear(path: Path) -> Linear:
    """The model in a file of that form.

    Raises:
        IntegrityError: the file is damaged, or of other features.
    """
    try:
        plain = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
        if plain["features"] == list(FEATURES):
            return _linear(plain["model"], len(FEATURES))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise IntegrityError(f"The confidence model {path.name!r} is damaged.", mend="Install Penstock again.")


def _linear(plain: dict[str, Any], count: int) -> Linear:
    rows: dict[str, tuple[float, ...]] = {
        name: tuple(plain[name]) for name in ("mean", "scale", "coefficients", "bend")
    }
    linear = Linear(**plain | rows)
    if [len(row) for row in rows.values()] != [count] * 3 + [3] or not all(scale > 0 for scale in linear.scale):
        raise ValueError("It is not a model of these features.")
    return linear


def _certificate(held: dict[str, Any], plain: dict[str, Any]) -> Certificate:
    found = Certificate(**held)
    counted = 0 <= found.wrong <= found.served <= found.labels and found.served > 0
    placed = 0 <= plain["threshold"] <= found.threshold <= 1 and found.max_risk == plain["max_risk"]
    if not counted or not placed or not 0 < found.delta < 1:
        raise ValueError("It is no certificate of this model.")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number.")


def _of_another_version(source: str) -> IntegrityError:
    return IntegrityError(
        f"A calibration of {source!r} is of another version of Penstock.",
        mend=f"Fit it again: penstock calibrate {source} GOLDEN.jsonl",
    )
