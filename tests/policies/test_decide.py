from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decide import PASSES, SENTENCES, Rule, admit, approach, chain, conflicts, permit, readable
from policies.manifest import Source
from policies.model import Access, Agent, Caller, ClassId, Deny, DocumentFacts, Gap, Node, Permit, Reason
from policies.retention import Period, due
from tests.policies.handbook import AMERICAN, NOW, node, source

SOURCE = source()
CALLER = Caller(
    subject="ann", groups=frozenset({"staff", "paris"}), purposes=frozenset({"employee-support"}), region="gb"
)
STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset({"group:contractors"}))
HERE = node()
MIRRORED = source(
    ('documents: {from: rules, rules: [{match: "board/**", allow: [group:board]}]}', "documents: {from: connector}")
)


def _ask(
    *,
    caller: Caller = CALLER,
    purpose: str = "employee-support",
    of: Source = SOURCE,
    access: Access | None = STAFF,
    node: Node = HERE,
    now: datetime = NOW,
) -> Permit | Deny | Gap:
    return permit(caller=caller, purpose=purpose, source=of, class_id=ClassId("c1"), access=access, node=node, now=now)


def _approach(**asked: Any) -> Deny | Gap | None:  # noqa: ANN401 - what `_ask` takes, less what approach is not told
    source, _ = asked.pop("of"), asked.pop("access")
    return approach(source=source, **asked)


def test_a_permit_says_what_it_is_for() -> None:
    assert _ask() == Permit(
        source=SOURCE.name,
        class_id=ClassId("c1"),
        policy_hash=SOURCE.policy_hash,
        purpose="employee-support",
        period=Period(months=24, days=0),
        at=NOW,
    )


def test_each_reason_has_one_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert len(set(SENTENCES.values())) == len(Reason)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


# In the order of the decision: one rule broken at a time


@pytest.mark.parametrize("state", ["draft", "suspended"])
def test_a_source_that_is_not_active_denies(state: str) -> None:
    assert _ask(of=source(("state: active", f"state: {state}"))) == Deny(reason=Reason.SOURCE_NOT_ACTIVE)


def test_a_source_that_does_not_serve_denies() -> None:
    assert _ask(of=source(("serving: on", "serving: off"))) == Deny(reason=Reason.SERVING_OFF)


def test_a_basis_counts_from_its_first_day() -> None:
    recognised = source(("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime"))
    before, first = datetime(2026, 2, 4, 23, 59, tzinfo=UTC), datetime(2026, 2, 5, tzinfo=UTC)
    assert _ask(of=recognised, now=before) == Deny(reason=Reason.BASIS_NOT_VALID)
    assert isinstance(_ask(of=recognised, now=first), Permit)


def test_a_condition_for_special_categories_counts_from_its_first_day() -> None:
    special = source(
        ("special_categories: none", "special_categories: {condition: health_or_social_care, reference: x}"),
        *AMERICAN,
        ("basis: legitimate_interests", "basis: sector_rule"),
    )
    assert isinstance(_ask(of=special), Permit)
    assert _ask(of=special, now=datetime(2003, 4, 13, tzinfo=UTC)) == Deny(reason=Reason.BASIS_NOT_VALID)


def test_a_purpose_is_one_of_the_source_and_of_the_caller() -> None:
    marketer = replace(CALLER, purposes=frozenset({"marketing"}))
    assert _ask(caller=marketer, purpose="marketing") == Deny(reason=Reason.PURPOSE_NOT_OF_SOURCE)
    assert _ask(caller=marketer) == Deny(reason=Reason.PURPOSE_NOT_OF_CALLER)
    assert _ask(caller=replace(CALLER, purposes=frozenset())) == Deny(reason=Reason.PURPOSE_NOT_OF_CALLER)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (node(None, "gb"), Gap(reason=Reason.PROCESS_REGION)),
        (node("fr", "gb"), Deny(reason=Reason.PROCESS_REGION)),
        (node("gb", None), Gap(reason=Reason.STORE_REGION)),
        (node("gb", "fr"), Deny(reason=Reason.STORE_REGION)),
        (node("eu", "gb"), Deny(reason=Reason.PROCESS_REGION)),
        (node(system=None), Gap(reason=Reason.SYSTEM_REGION)),
        (node(system="us"), Deny(reason=Reason.SYSTEM_REGION)),
        (replace(node(), store_regions=frozenset()), Gap(reason=Reason.STORE_REGION)),
        (replace(node(), store_regions=frozenset({"gb", None})), Gap(reason=Reason.STORE_REGION)),
        (replace(node(), store_regions=frozenset({"gb", "fr"})), Deny(reason=Reason.STORE_REGION)),
    ],
)
def test_a_node_elsewhere_or_nowhere_denies(where: Node, expected: Deny | Gap) -> None:
    assert _ask(node=where) == expected
    assert admit(source=SOURCE, anchor=NOW, node=where, now=NOW) == expected


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (None, Gap(reason=Reason.CALLER_REGION_UNKNOWN)),
        ("us", Deny(reason=Reason.CALLER_REGION)),
        ("no", Deny(reason=Reason.CALLER_REGION)),
        ("GB", Deny(reason=Reason.CALLER_REGION)),
        ("", Deny(reason=Reason.CALLER_REGION)),
    ],
)
def test_a_caller_elsewhere_or_nowhere_is_denied(region: str | None, expected: Deny | Gap) -> None:
    assert _ask(caller=replace(CALLER, region=region)) == expected


def test_a_caller_in_a_country_of_a_listed_group_is_served() -> None:
    assert isinstance(_ask(caller=replace(CALLER, region="fr")), Permit)


def test_a_listed_country_is_served_only_while_the_law_finds_it_adequate() -> None:
    union = source(("regime: uk-gdpr", "regime: gdpr"))
    last, after = datetime(2031, 12, 27, 23, tzinfo=UTC), datetime(2031, 12, 28, tzinfo=UTC)
    assert isinstance(_ask(of=union, now=last), Permit)
    assert _ask(of=union, now=after) == Deny(reason=Reason.PROCESS_REGION)


def _with_transfer(checked_on: str, *lists: tuple[str, str]) -> Source:
    transfer = f"transfers: [{{to: us, mechanism: dpf, reference: DPF-1, checked_on: {checked_on}}}]"
    return source(("transfers: []", transfer), *lists)


@pytest.mark.parametrize(
    ("checked_on", "valid"),
    [("2026-11-21", True), ("2025-11-21", True), ("2025-11-20", False), ("2026-11-22", False)],
)
def test_a_transfer_counts_for_a_year_from_its_check(checked_on: str, valid: bool) -> None:  # noqa: FBT001
    of, abroad = _with_transfer(checked_on), replace(CALLER, region="us")
    assert isinstance(_ask(of=of, caller=abroad), Permit) is valid
    listed = _with_transfer(checked_on, ("process: [gb]", "process: [gb, us]"))
    assert isinstance(_ask(of=listed, node=node("us", "gb")), Permit) is valid
    assert _ask(of=of, node=node("us", "gb")) == Deny(reason=Reason.PROCESS_REGION)


def test_a_transfer_reaches_the_country_it_names_and_no_other() -> None:
    of = _with_transfer("2026-03-31")
    assert _ask(of=of, caller=replace(CALLER, region="in")) == Deny(reason=Reason.CALLER_REGION)


def test_a_transfer_lets_data_lie_only_where_store_lists_the_country() -> None:
    abroad = node("us", "us")
    worked_on = ("process: [gb]", "process: [gb, us]")
    assert _ask(of=_with_transfer("2026-03-31", worked_on), node=abroad) == Deny(reason=Reason.STORE_REGION)
    listed = _with_transfer("2026-03-31", worked_on, ("store: [gb]", "store: [gb, us]"))
    assert isinstance(_ask(of=listed, node=abroad), Permit)


def test_a_listed_country_beyond_the_law_closes_when_its_transfer_lapses() -> None:
    listed = ("[gb, eu]", "[gb, us]")
    abroad = replace(CALLER, region="us")
    assert isinstance(_ask(of=_with_transfer("2025-12-01", listed), caller=abroad), Permit)
    assert _ask(of=_with_transfer("2025-11-01", listed), caller=abroad) == Deny(reason=Reason.CALLER_REGION)


def test_missing_rules_deny() -> None:
    assert _ask(access=None) == Gap(reason=Reason.ACL_MISSING)


@pytest.mark.parametrize(
    ("as_of", "fresh"),
    [
        (NOW, True),
        (NOW - timedelta(minutes=15), True),
        (NOW - timedelta(minutes=15, microseconds=1), False),
        (NOW + timedelta(minutes=15), True),
        (NOW + timedelta(minutes=16), False),
        (None, False),
    ],
)
def test_mirrored_rules_that_are_old_undated_or_from_the_future_deny(as_of: datetime | None, fresh: bool) -> None:  # noqa: FBT001
    answer = _ask(of=MIRRORED, access=replace(STAFF, as_of=as_of))
    assert answer == Gap(reason=Reason.ACL_STALE) or fresh
    assert isinstance(answer, Permit) is fresh


def test_dated_rules_of_a_source_without_an_age_deny() -> None:
    ageless = source(("    max_age: PT15M\n", ""))
    assert isinstance(_ask(of=ageless), Permit)
    assert _ask(of=ageless, access=replace(STAFF, as_of=NOW)) == Gap(reason=Reason.ACL_STALE)


@pytest.mark.parametrize("denied", ["group:staff", "user:ann", "group:paris"])
def test_deny_wins_over_allow(denied: str) -> None:
    assert _ask(access=replace(STAFF, deny=frozenset({denied}))) == Deny(reason=Reason.DENY_RULE)


def test_the_deny_list_of_the_source_counts_at_once() -> None:
    contractor = replace(CALLER, groups=frozenset({"staff", "contractors"}))
    assert _ask(caller=contractor, access=replace(STAFF, deny=frozenset())) == Deny(reason=Reason.DENY_RULE)


@pytest.mark.parametrize(
    "allow", [frozenset[str](), frozenset({"group:board"}), frozenset({"ann"}), frozenset({"staff"})]
)
def test_who_is_not_named_is_denied(allow: frozenset[str]) -> None:
    assert _ask(access=replace(STAFF, allow=allow)) == Deny(reason=Reason.NO_ALLOW_RULE)


def test_a_group_named_like_a_user_is_not_that_user() -> None:
    assert _ask(access=replace(STAFF, allow=frozenset({"user:staff"}))) == Deny(reason=Reason.NO_ALLOW_RULE)


def test_a_mirrored_permission_needs_the_list_of_the_source_too() -> None:
    shared = Access(allow=frozenset({"user:ann"}), deny=frozenset(), as_of=NOW)
    assert isinstance(_ask(of=MIRRORED, access=shared), Permit)
    outsider = replace(CALLER, groups=frozenset({"guests"}))
    assert _ask(of=MIRRORED, access=shared, caller=outsider) == Deny(reason=Reason.NO_ALLOW_RULE)


def test_a_rule_of_the_manifest_may_admit_whom_the_list_of_the_source_does_not() -> None:
    board = Access(allow=frozenset({"group:board"}), deny=frozenset())
    director = replace(CALLER, groups=frozenset({"board"}))
    assert isinstance(_ask(access=board, caller=director), Permit)


def test_the_first_rule_broken_is_the_reason() -> None:
    """Everything is wrong at first; each mend uncovers the next reason of the documented order."""
    nobody = Caller(subject="x", groups=frozenset({"contractors"}), purposes=frozenset(), region=None)
    nowhere = node(None, None)
    broken = source(
        ("state: active", "state: draft"),
        ("serving: on", "serving: off"),
        ("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime"),
    )
    asked = {
        "of": broken,
        "caller": nobody,
        "node": nowhere,
        "access": None,
        "purpose": "x",
        "now": NOW.replace(year=2025),
    }
    serving = source(("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime"))
    mends: list[tuple[Reason, Callable[[], None]]] = [
        (Reason.SOURCE_NOT_ACTIVE, lambda: asked.update(of=source(("serving: on", "serving: off")))),
        (Reason.SERVING_OFF, lambda: asked.update(of=serving)),
        (Reason.BASIS_NOT_VALID, lambda: asked.update(now=NOW)),
        (Reason.PURPOSE_NOT_OF_SOURCE, lambda: asked.update(purpose="employee-support")),
        (
            Reason.PURPOSE_NOT_OF_CALLER,
            lambda: asked.update(caller=replace(nobody, purposes=frozenset({"employee-support"}))),
        ),
        (Reason.PROCESS_REGION, lambda: asked.update(node=node("gb", None))),
        (Reason.STORE_REGION, lambda: asked.update(node=HERE)),
        (Reason.CALLER_REGION_UNKNOWN, lambda: asked.update(caller=replace(CALLER, region="us", groups=nobody.groups))),
        (Reason.CALLER_REGION, lambda: asked.update(caller=replace(CALLER, groups=nobody.groups))),
        (Reason.ACL_MISSING, lambda: asked.update(access=replace(STAFF, as_of=NOW - timedelta(days=1)))),
        (Reason.ACL_STALE, lambda: asked.update(access=STAFF)),
        (Reason.DENY_RULE, lambda: asked.update(caller=replace(CALLER, groups=frozenset()))),
        (Reason.NO_ALLOW_RULE, lambda: asked.update(caller=CALLER)),
    ]
    of_documents = {Reason.ACL_MISSING, Reason.ACL_STALE, Reason.DENY_RULE, Reason.NO_ALLOW_RULE}
    for reason, mend in mends:
        answer = _ask(**asked)  # type: ignore[arg-type]
        assert isinstance(answer, Deny | Gap)
        assert answer.reason is reason
        assert _approach(**asked) == (None if reason in of_documents else answer)
        mend()
    assert isinstance(_ask(**asked), Permit)  # type: ignore[arg-type]


# What must hold for every caller and every rule

_GROUPS = st.frozensets(st.sampled_from(["staff", "board", "contractors", "paris", "interns"]))
_PRINCIPALS = st.frozensets(
    st.sampled_from(["group:staff", "group:board", "group:contractors", "group:paris", "user:ann", "user:bob"])
)
_ACCESS = st.builds(Access, allow=_PRINCIPALS, deny=_PRINCIPALS, as_of=st.sampled_from([None, NOW]))
_SOURCES = st.sampled_from([SOURCE, MIRRORED])


def _is_let_in(access: Access, groups: frozenset[str], of: Source) -> bool:
    return isinstance(_ask(access=access, caller=replace(CALLER, groups=groups), of=of), Permit)


@given(
    access=_ACCESS.filter(lambda access: not any(each.startswith("group:") for each in access.deny)),
    groups=_GROUPS,
    lost=_GROUPS,
)
def test_losing_a_group_that_no_rule_denies_never_lets_anybody_in(
    access: Access, groups: frozenset[str], lost: frozenset[str]
) -> None:
    fewer = groups - (lost - {"contractors"})
    assert not _is_let_in(access, fewer, SOURCE) or _is_let_in(access, groups, SOURCE)


@given(access=_ACCESS, groups=_GROUPS, more=_PRINCIPALS, of=_SOURCES)
def test_denying_more_never_lets_anybody_in(
    access: Access, groups: frozenset[str], more: frozenset[str], of: Source
) -> None:
    stricter = replace(access, deny=access.deny | more)
    assert not _is_let_in(stricter, groups, of) or _is_let_in(access, groups, of)


@given(access=_ACCESS, groups=_GROUPS, fewer=_PRINCIPALS, of=_SOURCES)
def test_allowing_less_never_lets_anybody_in(
    access: Access, groups: frozenset[str], fewer: frozenset[str], of: Source
) -> None:
    stricter = replace(access, allow=access.allow - fewer)
    assert not _is_let_in(stricter, groups, of) or _is_let_in(access, groups, of)


@given(access=_ACCESS, groups=_GROUPS, of=_SOURCES)
def test_who_is_let_in_is_named_and_not_denied(access: Access, groups: frozenset[str], of: Source) -> None:
    if _is_let_in(access, groups, of):
        principals = {"user:ann"} | {f"group:{group}" for group in groups}
        assert principals & access.allow
        assert not principals & (access.deny | {"group:contractors"})
        assert not of.mirrors_access or "group:staff" in principals


@given(minutes=st.integers(min_value=0, max_value=60), later=st.integers(min_value=0, max_value=60))
def test_mirrored_rules_that_are_stale_stay_stale(minutes: int, later: int) -> None:
    access = replace(STAFF, as_of=NOW)
    first = _ask(of=MIRRORED, access=access, now=NOW + timedelta(minutes=minutes))
    second = _ask(of=MIRRORED, access=access, now=NOW + timedelta(minutes=minutes + later))
    assert isinstance(first, Permit) or not isinstance(second, Permit)


# Taking in


def _admit(anchor: datetime | None, of: Source = SOURCE, now: datetime = NOW) -> Deny | Gap | None:
    return admit(source=of, anchor=anchor, node=HERE, now=now)


def test_a_document_within_its_period_is_taken_in_whether_the_source_serves_or_not() -> None:
    assert _admit(NOW - timedelta(days=1)) is None
    assert _admit(NOW, source(("serving: on", "serving: off"))) is None


def test_a_source_that_is_not_active_takes_nothing_in() -> None:
    assert _admit(NOW, source(("state: active", "state: suspended"))) == Deny(reason=Reason.SOURCE_NOT_ACTIVE)


def test_a_source_without_a_basis_in_force_takes_nothing_in() -> None:
    recognised = source(("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime"))
    early = datetime(2026, 1, 1, tzinfo=UTC)
    assert _admit(early, recognised, early) == Deny(reason=Reason.BASIS_NOT_VALID)


def test_a_document_without_a_date_is_a_gap() -> None:
    assert _admit(None) == Gap(reason=Reason.RETENTION_UNKNOWN)


def test_a_date_in_the_future_is_no_date_beyond_the_skew_of_a_clock() -> None:
    assert _admit(NOW + timedelta(days=1)) is None
    assert _admit(NOW + timedelta(days=1, seconds=1)) == Gap(reason=Reason.RETENTION_UNKNOWN)


def test_a_document_past_its_period_is_not_taken_in() -> None:
    anchor = datetime(2024, 11, 21, 12, 0, tzinfo=UTC)
    assert due(anchor, SOURCE.policy.retention.period) == NOW
    assert _admit(anchor) == Deny(reason=Reason.RETENTION_PASSED)
    assert _admit(anchor + timedelta(seconds=1)) is None


@given(
    anchor=st.datetimes(min_value=datetime(2019, 1, 1), max_value=datetime(2026, 11, 21), timezones=st.just(UTC)),  # noqa: DTZ001
    later=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=900)),
)
def test_what_is_no_longer_taken_in_never_is_again(anchor: datetime, later: timedelta) -> None:
    passed = Deny(reason=Reason.RETENTION_PASSED)
    assert _admit(anchor) != passed or _admit(anchor, now=NOW + later) == passed


# An agent that acts for the caller

AGENT = Agent(subject="bot", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (replace(AGENT, purposes=frozenset({"marketing"})), Deny(reason=Reason.PURPOSE_NOT_OF_AGENT)),
        (replace(AGENT, region=None), Gap(reason=Reason.AGENT_REGION_UNKNOWN)),
        (replace(AGENT, region="us"), Deny(reason=Reason.AGENT_REGION)),
        (replace(AGENT, groups=frozenset({"staff", "contractors"})), Deny(reason=Reason.AGENT_DENY_RULE)),
        (replace(AGENT, groups=frozenset()), Deny(reason=Reason.AGENT_NO_ALLOW_RULE)),
    ],
)
def test_an_agent_has_to_pass_as_well(agent: Agent, expected: Deny | Gap) -> None:
    assert isinstance(_ask(caller=replace(CALLER, agent=AGENT)), Permit)
    assert _ask(caller=replace(CALLER, agent=agent)) == expected


def test_an_agent_lends_the_caller_nothing() -> None:
    stranger = replace(CALLER, groups=frozenset(), agent=AGENT)
    assert _ask(caller=stranger) == Deny(reason=Reason.NO_ALLOW_RULE)
    assert _ask(caller=replace(CALLER, purposes=frozenset(), agent=AGENT)) == Deny(reason=Reason.PURPOSE_NOT_OF_CALLER)


def test_system_data_may_go_where_the_manifest_says_and_else_only_where_data_lie() -> None:
    wider = source(("serve: [gb, eu], transfers: []", "serve: [gb, eu], system: [gb, ie], transfers: []"))
    assert _ask(node=node(system="ie")) == Deny(reason=Reason.SYSTEM_REGION)
    assert isinstance(_ask(of=wider, node=node(system="ie")), Permit)


# One document

KEPT = DocumentFacts(access=STAFF, anchor=NOW - timedelta(days=1), restricted=False)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (replace(KEPT, anchor=None), Gap(reason=Reason.RETENTION_UNKNOWN)),
        (replace(KEPT, anchor=NOW - timedelta(days=731)), Deny(reason=Reason.RETENTION_PASSED)),
        (replace(KEPT, restricted=True), Deny(reason=Reason.RESTRICTED)),
        (replace(KEPT, access=None), Gap(reason=Reason.ACL_MISSING)),
        (replace(KEPT, access=Access(allow=frozenset(), deny=frozenset())), Deny(reason=Reason.NO_ALLOW_RULE)),
        (replace(KEPT, anchor=None, restricted=True, access=None), Gap(reason=Reason.RETENTION_UNKNOWN)),
    ],
)
def test_of_one_document_the_whole_chain_is_asked(document: DocumentFacts, expected: Deny | Gap) -> None:
    def ask(what: DocumentFacts) -> Permit | Deny | Gap:
        return readable(caller=CALLER, purpose="employee-support", source=SOURCE, document=what, node=HERE, now=NOW)

    assert isinstance(ask(KEPT), Permit)
    assert ask(document) == expected


def test_the_chain_tells_what_each_rule_says() -> None:
    caller = replace(CALLER, region=None, agent=AGENT)
    document = replace(KEPT, restricted=True)
    steps = list(chain(caller=caller, purpose="employee-support", source=SOURCE, document=document, node=HERE, now=NOW))
    assert [step.rule for step in steps] == list(Rule)
    assert {step.rule: step.refusal for step in steps if step.refusal} == {
        Rule.CALLER_REGION: Gap(reason=Reason.CALLER_REGION_UNKNOWN),
        Rule.RESTRICTION: Deny(reason=Reason.RESTRICTED),
    }
    assert set(PASSES) == set(Rule)
    alone = chain(caller=CALLER, purpose="employee-support", source=SOURCE, document=None, node=HERE, now=NOW)
    assert Rule.RETENTION not in {step.rule for step in alone}


def test_a_document_without_rules_is_asked_for_none() -> None:
    document = DocumentFacts(access=None, anchor=NOW, restricted=False)
    steps = list(chain(caller=CALLER, purpose="employee-support", source=SOURCE, document=document, node=HERE, now=NOW))
    assert [step.rule for step in steps if step.refusal] == [Rule.FRESHNESS]
    assert steps[-1].refusal == Gap(reason=Reason.ACL_MISSING)


def test_every_conflict_of_a_node_with_a_source_is_told() -> None:
    assert conflicts(source=SOURCE, node=HERE, now=NOW) == ()
    elsewhere = Node(process_region="us", store_regions=frozenset({"gb", "us"}), system_region=None)
    found = (Deny(reason=Reason.PROCESS_REGION), Deny(reason=Reason.STORE_REGION), Gap(reason=Reason.SYSTEM_REGION))
    assert conflicts(source=SOURCE, node=elsewhere, now=NOW) == found
    unlawful = source(("basis: legitimate_interests", "basis: recognised_legitimate_interest, condition: crime"))
    early = datetime(2025, 1, 1, tzinfo=UTC)
    assert conflicts(source=unlawful, node=HERE, now=early) == (Deny(reason=Reason.BASIS_NOT_VALID),)
