"""May this caller read this, now? The only maker of Permit; everything absent denies.

A decision is a chain of rules in one order. The first that says no decides; `chain` tells what each of them says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from policies import facts, retention
from policies.manifest import Policy, Source
from policies.model import Access, Agent, Caller, ClassId, Deny, DocumentFacts, Gap, Node, Party, Permit, Reason
from policies.residency import may_log, may_process, may_serve, may_store

CLOCK_SKEW = timedelta(days=1)
"""Chosen: file systems that keep local time are up to 14 hours ahead. A date beyond that is not a fact."""


class Rule(StrEnum):
    """What a decision asks, in the order in which it does."""

    STATE = "state"
    SERVING = "serving"
    BASIS = "basis"
    SOURCE_PURPOSE = "source_purpose"
    CALLER_PURPOSE = "caller_purpose"
    AGENT_PURPOSE = "agent_purpose"
    PROCESSING = "processing"
    STORAGE = "storage"
    SYSTEM_DATA = "system_data"
    CALLER_REGION = "caller_region"
    AGENT_REGION = "agent_region"
    RETENTION = "retention"
    RESTRICTION = "restriction"
    FRESHNESS = "freshness"
    CALLER_ACCESS = "caller_access"
    AGENT_ACCESS = "agent_access"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One rule, and its refusal, None where it lets the caller on."""

    rule: Rule
    refusal: Deny | Gap | None


_Asking: TypeAlias = tuple[tuple[Rule, Party, frozenset[str]], ...]
"""Who asks, the caller and then the agent: the rule of access for each, and its principals, which are made once."""


def permit(
    *,
    caller: Caller,
    purpose: str,
    source: Source,
    class_id: ClassId,
    access: Access | None,
    node: Node,
    now: datetime,
) -> Permit | Deny | Gap:
    """May this caller search this visibility class of this source, for this purpose, here and now?

    The first rule that says no decides: source, basis, purpose, processing, storing and logging region, caller's
    region, access rules. An agent that acts for the caller has to pass as well. Retention and restriction are per
    document: the permit carries the period and the instant, and search hides what has passed or is restricted. `access`
    None denies, an empty allow list denies, a region that is not known denies. Where the origin's permissions are
    mirrored, the caller needs the source's own allow list as well, and a mirror without a date or older than `max_age`
    denies. `now` is UTC, aware.
    """
    of_class = {class_id: access}
    return permits(caller=caller, purpose=purpose, source=source, classes=of_class, node=node, now=now)[class_id]


def permits(
    *,
    caller: Caller,
    purpose: str,
    source: Source,
    classes: Mapping[ClassId, Access | None],
    node: Node,
    now: datetime,
) -> dict[ClassId, Permit | Deny | Gap]:
    """What `permit` says of each of these classes. What does not depend on the class is asked once."""
    refusal = approach(caller=caller, purpose=purpose, source=source, node=node, now=now)
    asking = _asking(caller)
    return {
        class_id: refusal
        or _first(_access_steps(source, asking, access, now))
        or _permit(source, class_id, purpose, now)
        for class_id, access in classes.items()
    }


def readable(
    *, caller: Caller, purpose: str, source: Source, document: DocumentFacts, node: Node, now: datetime
) -> Permit | Deny | Gap:
    """May this caller read this document, for this purpose, here and now? The whole chain, asked of one document."""
    steps = chain(caller=caller, purpose=purpose, source=source, document=document, node=node, now=now)
    return _first(steps) or _permit(source, ClassId(""), purpose, now)


def approach(*, caller: Caller, purpose: str, source: Source, node: Node, now: datetime) -> Deny | Gap | None:
    """May this caller ask this source at all, for this purpose, here and now? None where it may.

    Everything `permit` asks that does not depend on the documents, in the same order: where it says no, `permit` does.
    """
    return _first(_approach_steps(source, caller, purpose, node, now))


def chain(
    *, caller: Caller, purpose: str, source: Source, document: DocumentFacts | None, node: Node, now: datetime
) -> Iterator[Step]:
    """Every rule in order with what it says; without a document, those of the source alone."""
    yield from _approach_steps(source, caller, purpose, node, now)
    if document is not None:
        yield Step(rule=Rule.RETENTION, refusal=_of_retention(source.policy, document.anchor, now))
        restricted = Deny(reason=Reason.RESTRICTED) if document.restricted else None
        yield Step(rule=Rule.RESTRICTION, refusal=restricted)
        yield from _access_steps(source, _asking(caller), document.access, now)


def conflicts(*, source: Source, node: Node, now: datetime) -> tuple[Deny | Gap, ...]:
    """All that keeps this node from working with the source, whoever asks: its basis, and where the node is."""
    steps = _node_steps(source.policy, node, now)
    found = (_of_basis(source.policy, now), *(step.refusal for step in steps))
    return tuple(refusal for refusal in found if refusal is not None)


def admit(*, source: Source, anchor: datetime | None, node: Node, now: datetime) -> Deny | Gap | None:
    """May a document with this retention anchor be taken in here and now? None where it may.

    Asks for an active source (serving or not), a basis in force, the regions where this node processes, stores and
    logs, and an anchor whose period has not passed. An anchor that is unknown or in the future is a gap.
    """
    return (
        _of_state(source)
        or _of_basis(source.policy, now)
        or _first(_node_steps(source.policy, node, now))
        or _of_retention(source.policy, anchor, now)
    )


SENTENCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SOURCE_UNKNOWN: "There is no source of this name.",
        Reason.SOURCE_NOT_ACTIVE: "The source's state is not active.",
        Reason.SERVING_OFF: "Serving is switched off for the source.",
        Reason.NO_GENERATION: "The source has no published index yet.",
        Reason.INDEX_UNAVAILABLE: "The source's index is damaged, or was made by another embedder than queries are.",
        Reason.BASIS_NOT_VALID: "The source's lawful basis or Article 9 condition is not in force.",
        Reason.PURPOSE_NOT_OF_SOURCE: "The source was not collected for this purpose.",
        Reason.PURPOSE_NOT_OF_CALLER: "The caller may not act for this purpose.",
        Reason.PROCESS_REGION: "The source may not be processed where this node runs.",
        Reason.STORE_REGION: "The source may not be stored where this home, or its database, lies.",
        Reason.SYSTEM_REGION: "Logs and accounts of the source may not go where this node sends them.",
        Reason.CALLER_REGION_UNKNOWN: "The caller's credential names no region.",
        Reason.CALLER_REGION: "The source may not be served to the caller's region, and no valid transfer leads there.",
        Reason.NOTHING_TO_SHOW: "All that the caller may read is past its retention, restricted or gone.",
        Reason.DOCUMENT_UNKNOWN: "The source has no such document.",
        Reason.NOT_INDEXED: "The document is not in the index: quarantined, gone from its origin or not published yet.",
        Reason.ERASED: "The document was erased, or this content of it purged, and must not come back.",
        Reason.RETENTION_PASSED: "The document's retention period has passed.",
        Reason.RETENTION_UNKNOWN: "The date from which the document's retention counts is not known.",
        Reason.RESTRICTED: "The document's processing is restricted: it is kept and not shown (GDPR Art. 18).",
        Reason.ON_HOLD: "A legal hold stands on the document: it must not be deleted.",
        Reason.ACL_MISSING: "There are no access rules for these documents.",
        Reason.ACL_STALE: "The access rules were mirrored from the origin too long ago.",
        Reason.DENY_RULE: "A deny rule names the caller.",
        Reason.NO_ALLOW_RULE: "No allow rule names the caller.",
        Reason.PURPOSE_NOT_OF_AGENT: "The agent's grant does not name this purpose.",
        Reason.AGENT_REGION_UNKNOWN: "The agent's grant names no region.",
        Reason.AGENT_REGION: "The source may not be served to the agent's region, and no valid transfer leads there.",
        Reason.AGENT_DENY_RULE: "A deny rule names the agent.",
        Reason.AGENT_NO_ALLOW_RULE: "No allow rule names the agent.",
    }
)
"""What each reason means, in one sentence, for those who may read it."""

PASSES: Mapping[Rule, str] = MappingProxyType(
    {
        Rule.STATE: "The source is active.",
        Rule.SERVING: "Serving is on.",
        Rule.BASIS: "The lawful basis, and the Article 9 condition where one is declared, are in force.",
        Rule.SOURCE_PURPOSE: "The source was collected for this purpose.",
        Rule.CALLER_PURPOSE: "The caller may act for this purpose.",
        Rule.AGENT_PURPOSE: "The agent's grant names this purpose.",
        Rule.PROCESSING: "It may be processed where this node runs.",
        Rule.STORAGE: "It may be stored where the home and its database lie.",
        Rule.SYSTEM_DATA: "Logs and accounts may go where this node sends them.",
        Rule.CALLER_REGION: "It may be served where the caller is.",
        Rule.AGENT_REGION: "It may be served where the agent is.",
        Rule.RETENTION: "The retention period has not passed.",
        Rule.RESTRICTION: "Its processing is not restricted.",
        Rule.FRESHNESS: "The access rules are known and fresh.",
        Rule.CALLER_ACCESS: "An allow rule names the caller and no deny rule does.",
        Rule.AGENT_ACCESS: "An allow rule names the agent and no deny rule does.",
    }
)
"""What it means that a rule lets the caller on, in one sentence."""


def _first(steps: Iterator[Step]) -> Deny | Gap | None:
    return next((step.refusal for step in steps if step.refusal is not None), None)


def _permit(source: Source, class_id: ClassId, purpose: str, now: datetime) -> Permit:
    return Permit(
        source=source.name,
        class_id=class_id,
        policy_hash=source.policy_hash,
        purpose=purpose,
        period=source.policy.retention.period,
        at=now,
    )


def _approach_steps(source: Source, caller: Caller, purpose: str, node: Node, now: datetime) -> Iterator[Step]:
    policy, agent = source.policy, caller.agent
    yield Step(rule=Rule.STATE, refusal=_of_state(source))
    yield Step(rule=Rule.SERVING, refusal=None if source.serving else Deny(reason=Reason.SERVING_OFF))
    yield Step(rule=Rule.BASIS, refusal=_of_basis(policy, now))
    # GDPR Art. 5(1)(b): one the source was collected for, and one of those who ask.
    of_source = None if purpose in policy.purposes else Deny(reason=Reason.PURPOSE_NOT_OF_SOURCE)
    yield Step(rule=Rule.SOURCE_PURPOSE, refusal=of_source)
    of_caller = None if purpose in caller.purposes else Deny(reason=Reason.PURPOSE_NOT_OF_CALLER)
    yield Step(rule=Rule.CALLER_PURPOSE, refusal=of_caller)
    if agent is not None:
        of_agent = None if purpose in agent.purposes else Deny(reason=Reason.PURPOSE_NOT_OF_AGENT)
        yield Step(rule=Rule.AGENT_PURPOSE, refusal=of_agent)
    yield from _node_steps(policy, node, now)
    yield Step(rule=Rule.CALLER_REGION, refusal=_of_region(policy, caller, now))
    if agent is not None:
        yield Step(rule=Rule.AGENT_REGION, refusal=_of_region(policy, agent, now))


def _asking(caller: Caller) -> _Asking:
    rules = ((Rule.CALLER_ACCESS, caller), (Rule.AGENT_ACCESS, caller.agent))
    return tuple((rule, party, party.principals()) for rule, party in rules if party is not None)


def _access_steps(source: Source, asking: _Asking, access: Access | None, now: datetime) -> Iterator[Step]:
    yield Step(rule=Rule.FRESHNESS, refusal=_of_freshness(source, access, now))
    if access is not None:
        for rule, party, principals in asking:
            yield Step(rule=rule, refusal=_of_access(source, party, principals, access))


def _of_state(source: Source) -> Deny | None:
    return None if source.state == "active" else Deny(reason=Reason.SOURCE_NOT_ACTIVE)


def _of_basis(policy: Policy, now: datetime) -> Deny | None:
    """Is the lawful basis (GDPR Art. 6), and the Art. 9 condition where there is one, in force?"""
    asked = [(policy.lawful_basis.basis, facts.grounds().lawful_basis)]
    if policy.special_categories is not None:
        asked.append((policy.special_categories.condition, facts.grounds().special_categories))
    for name, rows in asked:
        if not any(row.name == name and row.holds(policy.regime, now) for row in rows):
            return Deny(reason=Reason.BASIS_NOT_VALID)
    return None


def _node_steps(policy: Policy, node: Node, now: datetime) -> Iterator[Step]:
    """Does this node run, does what it keeps lie, and do its logs go, where the source's data may be?"""
    for rule, regions, may, reason in (
        (Rule.PROCESSING, {node.process_region}, may_process, Reason.PROCESS_REGION),
        (Rule.STORAGE, node.store_regions, may_store, Reason.STORE_REGION),
        (Rule.SYSTEM_DATA, {node.system_region}, may_log, Reason.SYSTEM_REGION),
    ):
        known = [region for region in regions if region is not None]
        refusal: Deny | Gap | None = None
        if not known or len(known) < len(regions):
            refusal = Gap(reason=reason)
        elif not all(may(policy, region, now) for region in known):
            refusal = Deny(reason=reason)
        yield Step(rule=rule, refusal=refusal)


def _of_region(policy: Policy, party: Party, now: datetime) -> Deny | Gap | None:
    """May the party be answered where it is? Remote access is a transfer (EDPB Guidelines 05/2021)."""
    is_agent = isinstance(party, Agent)
    if party.region is None:
        return Gap(reason=Reason.AGENT_REGION_UNKNOWN if is_agent else Reason.CALLER_REGION_UNKNOWN)
    if may_serve(policy, party.region, now):
        return None
    return Deny(reason=Reason.AGENT_REGION if is_agent else Reason.CALLER_REGION)


def _of_freshness(source: Source, access: Access | None, now: datetime) -> Gap | None:
    """Are the access rules known, and where they were mirrored, fresh?"""
    if access is None:
        return Gap(reason=Reason.ACL_MISSING)
    mirrored = source.mirrors_access or access.as_of is not None
    fresh = not mirrored or _is_fresh(access.as_of, source.policy.access.max_age, now)
    return None if fresh else Gap(reason=Reason.ACL_STALE)


def _of_access(source: Source, party: Party, principals: frozenset[str], access: Access) -> Deny | None:
    """Do the access rules admit the party, who has these principals? Deny wins over allow."""
    is_agent, rules = isinstance(party, Agent), source.policy.access
    if not (principals.isdisjoint(access.deny) and principals.isdisjoint(rules.deny)):
        return Deny(reason=Reason.AGENT_DENY_RULE if is_agent else Reason.DENY_RULE)
    bounded = source.mirrors_access and principals.isdisjoint(rules.allow)
    if bounded or principals.isdisjoint(access.allow):
        return Deny(reason=Reason.AGENT_NO_ALLOW_RULE if is_agent else Reason.NO_ALLOW_RULE)
    return None


def _is_fresh(as_of: datetime | None, max_age: timedelta | None, now: datetime) -> bool:
    """Whether the mirror is young enough. One dated as far ahead is as little to be believed as one that is too old."""
    return as_of is not None and max_age is not None and abs(now - as_of) <= max_age


def _of_retention(policy: Policy, anchor: datetime | None, now: datetime) -> Deny | Gap | None:
    """Is the document still to be kept (GDPR Art. 5(1)(e))?"""
    if anchor is None or anchor > now + CLOCK_SKEW:
        return Gap(reason=Reason.RETENTION_UNKNOWN)
    passed = retention.passed(anchor, policy.retention.period, now)
    return Deny(reason=Reason.RETENTION_PASSED) if passed else None
