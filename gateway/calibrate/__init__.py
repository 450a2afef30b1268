"""Fitting a source's confidence on questions whose answers are known."""

from gateway.calibrate.certify import certify, place
from gateway.calibrate.fitting import (
    CERTIFYING,
    FEWEST,
    FEWEST_OF_EACH,
    MIN_SERVED,
    Binding,
    Observation,
    check_labels,
    fit,
    linear_fit,
    observe,
    probabilities,
)
from gateway.calibrate.golden import Golden, Kept, Questions, check_documents, keep, read_golden
from gateway.calibrate.replay import (
    BUDGET_S,
    Failure,
    Replay,
    Saved,
    binding_of,
    changed_meanwhile,
    feedback_on,
    is_sound,
    opened_for,
    put_in_force,
    save,
)
from gateway.calibrate.wording import UnaskableError, kept_question
from gateway.confidence import Audience, Certificate

__all__ = [
    "BUDGET_S",
    "CERTIFYING",
    "FEWEST",
    "FEWEST_OF_EACH",
    "MIN_SERVED",
    "Audience",
    "Binding",
    "Certificate",
    "Failure",
    "Golden",
    "Kept",
    "Observation",
    "Questions",
    "Replay",
    "Saved",
    "UnaskableError",
    "binding_of",
    "certify",
    "changed_meanwhile",
    "check_documents",
    "check_labels",
    "feedback_on",
    "fit",
    "is_sound",
    "keep",
    "kept_question",
    "linear_fit",
    "observe",
    "opened_for",
    "place",
    "probabilities",
    "put_in_force",
    "read_golden",
    "save",
]
