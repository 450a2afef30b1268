"""Fitting a source's confidence on questions whose answers are known."""

from gateway.calibrate.certify import certify, place
from gateway.calibrate.fitting import (
    CERTIFYING,
    FEWEST,
    FEWEST_OF_EACH,
    MIN_SERVED,
    Binding,
    Observation,
    fit,
    linear_fit,
    observe,
    probabilities,
)
from gateway.calibrate.golden import Golden, check_documents, read_golden
from gateway.confidence import Certificate

__all__ = [
    "CERTIFYING",
    "FEWEST",
    "FEWEST_OF_EACH",
    "MIN_SERVED",
    "Binding",
    "Certificate",
    "Golden",
    "Observation",
    "certify",
    "check_documents",
    "fit",
    "linear_fit",
    "observe",
    "place",
    "probabilities",
    "read_golden",
]
