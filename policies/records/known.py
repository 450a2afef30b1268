"""What the records are made from: the sources as configured, and what was observed of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from policies.manifest import Source
from policies.model import Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What happened with a source, in counts and codes. Times are UTC, aware; None where it never happened.

    `documents` counts by state, `overdue` those indexed whose retention has passed and `spared` such that a standing
    order keeps; `orders` counts documents under one, by its kind. `redactions` counts the values replaced in what is
    kept, by type, and `patterns_only` passages in languages in which names were not looked for. `retrievals` were
    answered with passages of the source, and `purposes`, `regions`,
    `credentials` and `agents` count them; `denied` counts those refused, by reason. `confidence` is the status of the
    source's calibration.
    """

    documents: Mapping[str, int] = field(default_factory=dict)
    passages: int = 0
    overdue: int = 0
    spared: int = 0
    orders: Mapping[str, int] = field(default_factory=dict)
    redactions: Mapping[str, int] = field(default_factory=dict)
    patterns_only: int = 0
    retrievals: int = 0
    purposes: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, int] = field(default_factory=dict)
    credentials: Mapping[str, int] = field(default_factory=dict)
    agents: Mapping[str, int] = field(default_factory=dict)
    denied: Mapping[str, int] = field(default_factory=dict)
    purged: int = 0
    first_applied: datetime | None = None
    last_applied: datetime | None = None
    last_synced: datetime | None = None
    last_retrieved: datetime | None = None
    confidence: str = "uncalibrated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A source and what was observed of it."""

    source: Source
    observed: Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that an export says. `profiles` has the entities that each redaction profile replaces."""

    sources: tuple[Known, ...]
    node: Node
    profiles: Mapping[str, frozenset[str]]
    now: datetime
