"""May this caller search this class of documents now? The only maker of Permit; everything absent denies."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from policies import facts, retention
from policies.manifest import Policy, Source
from policies.model import Access, Caller, ClassId, Deny, Gap, Node, Permit, Reason
from policies.residency import may_process, may_serve, may_store

CLOCK_SKEW = timedelta(days=1)
"""Chosen: file systems that keep local time are up to 14 hours ahead. A date beyond that is not a fact."""


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

    The first rule that says no decides: source, basis, purpose, processing and storing region, caller's region,
    access rules. Retention is per document: the permit carries the period and the instant, and search hides what
    has passed. `access` None denies, an empty allow list denies, a region that is not known denies. Where the origin's
    permissions are mirrored, the caller needs the source's own allow list as well, and a mirror without a date or
    older than `max_age` denies. `now` is UTC, aware.
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
    principals = caller.principals()
    return {
        class_id: refusal
        or _of_access(source, principals, access, now)
        or Permit(
            source=source.name,
            class_id=class_id,
            policy_hash=source.policy_hash,
            purpose=purpose,
            period=source.policy.retention.period,
            at=now,
        )
        for class_id, access in classes.items()
    }


def approach(*, caller: Caller, purpose: str, source: Source, node: Node, now: datetime) -> Deny | Gap | None:
    """May this caller ask this source at all, for this purpose, here and now? None where it may.

    Everything `permit` asks that does not depend on the documents, in the same order: where it says no, `permit` does.
    """
    return (
        _of_state(source)
        or (None if source.serving else Deny(reason=Reason.SERVING_OFF))
        or _of_basis(source.policy, now)
        or _of_purpose(source, caller, purpose)
        or _of_node(source.policy, node, now)
        or _of_caller_region(source.policy, caller, now)
    )


def admit(*, source: Source, anchor: datetime | None, node: Node, now: datetime) -> Deny | Gap | None:
    """May a document with this retention anchor be taken in here and now? None where it may.

    Asks for an active source (serving or not), a basis in force, the regions where this node processes and stores,
    and an anchor whose period has not passed. An anchor that is unknown or in the future is a gap.
    """
    return (
        _of_state(source)
        or _of_basis(source.policy, now)
        or _of_node(source.policy, node, now)
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
        Reason.STORE_REGION: "The source may not be stored where this node's home lies.",
        Reason.CALLER_REGION_UNKNOWN: "The caller's credential names no region.",
        Reason.CALLER_REGION: "The source may not be served to the caller's region, and no valid transfer leads there.",
        Reason.RETENTION_PASSED: "The document's retention period has passed.",
        Reason.RETENTION_UNKNOWN: "The date from which the document's retention counts is not known.",
        Reason.ACL_MISSING: "There are no access rules for these documents.",
        Reason.ACL_STALE: "The access rules were mirrored from the origin too long ago.",
        Reason.DENY_RULE: "A deny rule names the caller.",
        Reason.NO_ALLOW_RULE: "No allow rule names the caller.",
    }
)
"""What each reason means, in one sentence, for those who may read it."""


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


def _of_purpose(source: Source, caller: Caller, purpose: str) -> Deny | None:
    """Is the purpose one the source was collected for (GDPR Art. 5(1)(b)), and one of the caller's?"""
    if purpose not in source.policy.purposes:
        return Deny(reason=Reason.PURPOSE_NOT_OF_SOURCE)
    return None if purpose in caller.purposes else Deny(reason=Reason.PURPOSE_NOT_OF_CALLER)


def _of_node(policy: Policy, node: Node, now: datetime) -> Deny | Gap | None:
    """Does this node run, and does its home lie, where the source's data may be?"""
    if node.process_region is None:
        return Gap(reason=Reason.PROCESS_REGION)
    if not may_process(policy, node.process_region, now):
        return Deny(reason=Reason.PROCESS_REGION)
    if node.store_region is None:
        return Gap(reason=Reason.STORE_REGION)
    return None if may_store(policy, node.store_region, now) else Deny(reason=Reason.STORE_REGION)


def _of_caller_region(policy: Policy, caller: Caller, now: datetime) -> Deny | Gap | None:
    """May the caller be answered where they are? Remote access is a transfer (EDPB Guidelines 05/2021)."""
    if caller.region is None:
        return Gap(reason=Reason.CALLER_REGION_UNKNOWN)
    return None if may_serve(policy, caller.region, now) else Deny(reason=Reason.CALLER_REGION)


def _of_access(source: Source, principals: frozenset[str], access: Access | None, now: datetime) -> Deny | Gap | None:
    """Do the access rules, known and fresh, admit the caller?"""
    if access is None:
        return Gap(reason=Reason.ACL_MISSING)
    rules = source.policy.access
    if (source.mirrors_access or access.as_of is not None) and not _is_fresh(access.as_of, rules.max_age, now):
        return Gap(reason=Reason.ACL_STALE)
    if not principals.isdisjoint(access.deny | set(rules.deny)):
        return Deny(reason=Reason.DENY_RULE)
    bounded = source.mirrors_access and principals.isdisjoint(rules.allow)
    return Deny(reason=Reason.NO_ALLOW_RULE) if bounded or principals.isdisjoint(access.allow) else None


def _is_fresh(as_of: datetime | None, max_age: timedelta | None, now: datetime) -> bool:
    """Whether the mirror is young enough. One dated as far ahead is as little to be believed as one that is too old."""
    return as_of is not None and max_age is not None and abs(now - as_of) <= max_age


def _of_retention(policy: Policy, anchor: datetime | None, now: datetime) -> Deny | Gap | None:
    """Is the document still to be kept (GDPR Art. 5(1)(e))?"""
    if anchor is None or anchor > now + CLOCK_SKEW:
        return Gap(reason=Reason.RETENTION_UNKNOWN)
    passed = retention.passed(anchor, policy.retention.period, now)
    return Deny(reason=Reason.RETENTION_PASSED) if passed else None
