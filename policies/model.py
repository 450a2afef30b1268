"""The vocabulary every room speaks: ids, closed sets, the caller, and the outcomes of a policy decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from policies.retention import Period

SourceName = NewType("SourceName", str)
"""Name of a registered source: lower-case letters, digits and hyphens."""
DocumentId = NewType("DocumentId", str)
"""Opaque id of a document: 32 hex digits, an HMAC of source and origin id. Tells nothing about either."""
GenerationId = NewType("GenerationId", str)
"""Id of one immutable build of a source's search index."""
ClassId = NewType("ClassId", str)
"""Id of a visibility class: the documents of a source that share one set of access rules."""
PolicyHash = NewType("PolicyHash", str)
"""SHA-256 in hex of the canonical form of a source's manifest."""


class Verdict(StrEnum):
    """What a downstream guardrail is told to do with the passages."""

    ANSWER = "answer"
    CAUTION = "caution"
    HANDOFF = "handoff"


class ConfidenceStatus(StrEnum):
    """How much a confidence value can be relied on, weakest first."""

    UNCALIBRATED = "uncalibrated"
    PROVISIONAL = "provisional"
    CALIBRATED = "calibrated"
    CERTIFIED = "certified"
    STALE = "stale"


class Role(StrEnum):
    """What a credential may do beside retrieving."""

    OPERATOR = "operator"
    PRIVACY = "privacy"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"


class Reason(StrEnum):
    """Why a policy decision came out as it did. Seen by the audit, never by the caller it refused."""

    SOURCE_UNKNOWN = "source_unknown"
    SOURCE_NOT_ACTIVE = "source_not_active"
    SERVING_OFF = "serving_off"
    NO_GENERATION = "no_generation"
    INDEX_UNAVAILABLE = "index_unavailable"
    BASIS_NOT_VALID = "basis_not_valid"
    PURPOSE_NOT_OF_SOURCE = "purpose_not_of_source"
    PURPOSE_NOT_OF_CALLER = "purpose_not_of_caller"
    PROCESS_REGION = "process_region"
    STORE_REGION = "store_region"
    SYSTEM_REGION = "system_region"
    CALLER_REGION_UNKNOWN = "caller_region_unknown"
    CALLER_REGION = "caller_region"
    NOTHING_TO_SHOW = "nothing_to_show"
    DOCUMENT_UNKNOWN = "document_unknown"
    NOT_INDEXED = "not_indexed"
    ERASED = "erased"
    RETENTION_PASSED = "retention_passed"
    RETENTION_UNKNOWN = "retention_unknown"
    RESTRICTED = "restricted"
    ON_HOLD = "on_hold"
    ACL_MISSING = "acl_missing"
    ACL_STALE = "acl_stale"
    DENY_RULE = "deny_rule"
    NO_ALLOW_RULE = "no_allow_rule"
    PURPOSE_NOT_OF_AGENT = "purpose_not_of_agent"
    AGENT_REGION_UNKNOWN = "agent_region_unknown"
    AGENT_REGION = "agent_region"
    AGENT_DENY_RULE = "agent_deny_rule"
    AGENT_NO_ALLOW_RULE = "agent_no_allow_rule"


class Action(StrEnum):
    """Every act the audit knows."""

    HOME_CREATED = "home.created"
    SOURCE_APPLIED = "source.applied"
    SYNC_STARTED = "sync.started"
    SYNC_FINISHED = "sync.finished"
    PERMISSIONS_MIRRORED = "permissions.mirrored"
    JOB_ASKED = "job.asked"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_CANCELLED = "job.cancelled"
    QUARANTINE_RETRIED = "quarantine.retried"
    QUARANTINE_DROPPED = "quarantine.dropped"
    GENERATION_PUBLISHED = "generation.published"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    AGENT_GRANTED = "agent.granted"
    AGENT_REVOKED = "agent.revoked"
    KEYRING_ROTATED = "keyring.rotated"
    CLOCK_CORRECTED = "clock.corrected"
    RETRIEVED = "retrieved"
    SOURCES_LISTED = "sources.listed"
    CALIBRATED = "calibrated"
    REPLAY_FAILED = "replay.failed"
    PURGE_PLANNED = "purge.planned"
    PURGE_TOMBSTONED = "purge.tombstoned"
    PURGE_FINISHED = "purge.finished"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASE_ASKED = "hold.release_asked"
    HOLD_RELEASED = "hold.released"
    RESTRICTION_PLACED = "restriction.placed"
    RESTRICTION_LIFTED = "restriction.lifted"
    ERASURE_REFUSED = "erasure.refused"
    ERASURE_LIFTED = "erasure.lifted"
    SUBJECT_SEARCHED = "subject.searched"
    QUESTIONS_FORGOTTEN = "questions.forgotten"
    HANDOFFS_LISTED = "handoffs.listed"
    HANDOFF_CLAIMED = "handoff.claimed"
    HANDOFF_RESOLVED = "handoff.resolved"
    FEEDBACK_GIVEN = "feedback.given"
    REDACTION_SHOWN = "redaction.shown"
    VALUE_REVEALED = "value.revealed"
    RECORDS_EXPORTED = "records.exported"
    AUDIT_EXPORTED = "audit.exported"


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """Somebody a decision is about. `region` is ISO 3166-1 alpha-2 in lower case, or None where nobody named one."""

    subject: str
    groups: frozenset[str]
    purposes: frozenset[str]
    region: str | None

    def principals(self) -> frozenset[str]:
        """The names access rules may use for this party: `user:<subject>` and `group:<name>` for each group."""
        return frozenset({f"user:{self.subject}"} | {f"group:{group}" for group in self.groups})


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(Party):
    """Software that acts for users, with what its registered grant lets it do at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller(Party):
    """A verified caller. Made by `gateway.identity` only, from a token or a key, never from headers.

    `agent` acts for the caller, who then gets what both may (RFC 8693, section 4.1). `credential` names what proved
    the caller, for the audit: `key:<id>` or `issuer:<name>`.
    """

    agent: Agent | None = None
    roles: frozenset[Role] = frozenset()
    credential: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Who may read a document: principals such as `group:staff` or `user:ann`. Deny wins over allow.

    An empty `allow` admits nobody. `as_of` is when the origin's permissions were mirrored (UTC, aware), or None
    where the rules come from the manifest and cannot go stale.
    """

    allow: frozenset[str]
    deny: frozenset[str]
    as_of: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """Where this process runs, where documents lie at rest, and where logs and accounts go: ISO 3166-1 alpha-2.

    `store_regions` has the home's region and that of the catalog's database where it lies elsewhere. None, or a
    region that nobody named, denies.
    """

    process_region: str | None
    store_regions: frozenset[str | None]
    system_region: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentFacts:
    """What a decision asks of one document: who may read it, from when it is kept, whether it is restricted.

    `anchor` is UTC, aware; None denies, as `access` None does.
    """

    access: Access | None
    anchor: datetime | None
    restricted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """Leave to search one visibility class of one source at one instant. Only `policies.decide` makes one."""

    source: SourceName
    class_id: ClassId
    policy_hash: PolicyHash
    purpose: str
    period: Period
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Deny:
    """A rule says no."""

    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A fact the decision needs is missing, which denies."""

    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEvent:
    """One act for the audit: who did what to which objects, with counts and codes but no content."""

    actor: str
    action: Action
    objects: tuple[str, ...] = ()
    policy_hash: str = ""
    detail: Mapping[str, str | int | float | bool | list[str] | None] = field(default_factory=dict)
