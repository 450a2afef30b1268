"""What was observed of sources, for their records: counts out of the catalog, and acts out of the audit."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from indexer import catalog, orders
from indexer.catalog import Revision
from indexer.database import Database
from indexer.redact import PATTERNS_ONLY
from indexer.tables import DocumentState
from policies import ledger, retention
from policies.ledger import Record
from policies.manifest import Source
from policies.model import Action, SourceName
from policies.records import Observed

_TOLD = frozenset({Action.SOURCE_APPLIED, Action.SYNC_FINISHED, Action.RETRIEVED, Action.PURGE_FINISHED})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Holdings:
    """What the catalog holds of one source."""

    documents: Mapping[str, int]
    passages: int
    overdue: int
    spared: int
    orders: Mapping[str, int]
    redactions: Mapping[str, int]
    patterns_only: int


@dataclass(kw_only=True)
class _Acts:
    """What the audit tells of one source."""

    first: dict[Action, datetime] = field(default_factory=dict)
    last: dict[Action, datetime] = field(default_factory=dict)
    retrieved: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in ("purpose", "region", "credential", "agent")}
    )
    retrievals: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    purged: int = 0

    def happened(self, action: Action, at: datetime) -> None:
        """Note when the act was done."""
        self.first.setdefault(action, at)
        self.last[action] = at


def observe(
    session: Session,
    sources: Iterable[Source],
    *,
    keyring: Database,
    confidences: Mapping[SourceName, str],
    now: datetime,
) -> dict[SourceName, Observed]:
    """What was observed of each of these sources until `now` (UTC, aware). Reads the audit once, from its start.

    `keyring` is the database of the standing orders; `confidences` has the status of each source's calibration.
    """
    acts = _acts(session)
    return {
        source.name: _observed(
            _holdings(session, source, keyring, now), acts.get(source.name, _Acts()), confidences[source.name]
        )
        for source in sources
    }


def _holdings(session: Session, source: Source, keyring: Database, now: datetime) -> _Holdings:
    spared = orders.protected(session, keyring, source.name)
    documents = catalog.documents(session, source.name)
    indexed = [document for document in documents.values() if document.state is DocumentState.INDEXED]
    counts = catalog.counts(session, source.name)
    passages = counts.pop("passages")
    counts.pop(DocumentState.REMOVED.value)
    redactions: Counter[str] = Counter()
    for document in indexed:
        redactions.update(document.revision.redactions)
    patterns_only = redactions.pop(PATTERNS_ONLY, 0)
    overdue = {document.id for document in indexed if _is_overdue(source, document.revision, now)}
    return _Holdings(
        documents=counts,
        passages=passages,
        overdue=len(overdue - spared.keys()),
        spared=len(overdue & spared.keys()),
        orders=Counter(spared[document].kind.value for document in spared.keys() & documents.keys()),
        redactions=redactions,
        patterns_only=patterns_only,
    )


def _is_overdue(source: Source, revision: Revision, now: datetime) -> bool:
    anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
    return anchor is not None and retention.passed(anchor, source.policy.retention.period, now)


def _observed(held: _Holdings, acts: _Acts, confidence: str) -> Observed:
    return Observed(
        documents=dict(held.documents),
        passages=held.passages,
        overdue=held.overdue,
        spared=held.spared,
        orders=dict(held.orders),
        redactions=dict(held.redactions),
        patterns_only=held.patterns_only,
        retrievals=acts.retrievals,
        purposes=dict(acts.retrieved["purpose"]),
        regions=dict(acts.retrieved["region"]),
        credentials=dict(acts.retrieved["credential"]),
        agents=dict(acts.retrieved["agent"]),
        denied=dict(acts.denied),
        purged=acts.purged,
        first_applied=acts.first.get(Action.SOURCE_APPLIED),
        last_applied=acts.last.get(Action.SOURCE_APPLIED),
        last_synced=acts.last.get(Action.SYNC_FINISHED),
        last_retrieved=acts.last.get(Action.RETRIEVED),
        confidence=confidence,
    )


def _acts(session: Session) -> dict[str, _Acts]:
    found: dict[str, _Acts] = {}
    for record in ledger.records(session):
        if record.action in _TOLD:
            action, at = Action(record.action), datetime.fromisoformat(record.at)
            if action is Action.RETRIEVED:
                _retrieved(found, record, at)
            else:
                source = json.loads(record.objects)[0]
                acts = found.setdefault(source, _Acts())
                acts.happened(action, at)
                if action is Action.PURGE_FINISHED:
                    acts.purged += json.loads(record.detail)["documents"]
    return found


def _retrieved(found: dict[str, _Acts], record: Record, at: datetime) -> None:
    detail = json.loads(record.detail)
    for source in detail["sources"]:
        acts = found.setdefault(source, _Acts())
        acts.happened(Action.RETRIEVED, at)
        acts.retrievals += 1
        for name, counter in acts.retrieved.items():
            if detail.get(name) is not None:  # records of an earlier version name no region
                counter[detail[name]] += 1
    for denial in detail["denied"]:
        source, _, reason = denial.partition(":")
        found.setdefault(source, _Acts()).denied[reason] += 1
