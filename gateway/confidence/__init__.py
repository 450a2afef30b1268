"""How likely it is that the passages found hold what the query asks for.

Features of what this caller may see, and of nothing else, go into a logistic model that `gateway.calibrate` fitted on
questions with known answers. Without such a model there is no confidence, only None.
"""

from gateway.confidence.audience import Audience
from gateway.confidence.features import FEATURES, SCHEMA, SIGNS, features
from gateway.confidence.model import (
    MIN_LABELS,
    MIN_UNANSWERABLE,
    STRAIGHT,
    Certificate,
    Linear,
    Makers,
    Model,
    Point,
    load_linear,
    shipped,
)
from gateway.confidence.shift import shift, shifted
from gateway.confidence.standing import MAX_CHANGED, Ledge, Spoken, Staleness, Standing, loaded, speaking

__all__ = [
    "FEATURES",
    "MAX_CHANGED",
    "MIN_LABELS",
    "MIN_UNANSWERABLE",
    "SCHEMA",
    "SIGNS",
    "STRAIGHT",
    "Audience",
    "Certificate",
    "Ledge",
    "Linear",
    "Makers",
    "Model",
    "Point",
    "Spoken",
    "Staleness",
    "Standing",
    "features",
    "load_linear",
    "loaded",
    "shift",
    "shifted",
    "shipped",
    "speaking",
]
