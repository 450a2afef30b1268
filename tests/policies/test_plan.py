from policies.plan import FieldChange, Plan, changes
from tests.policies.handbook import source


def test_the_same_meaning_changes_nothing() -> None:
    assert changes(source(), source(("P2Y", "P24M"), ("[gb, eu]", "[eu, gb]"))) == Plan(changes=())


def test_a_changed_key_is_named_with_both_values() -> None:
    plan = changes(source(), source(("P2Y", "P1Y"), ("allow: [group:staff]", "allow: [group:staff, user:ann]")))
    assert plan.changes == (
        FieldChange(key="policy.retention.period", before="P2Y", after="P1Y"),
        FieldChange(key="policy.access.allow", before=["group:staff"], after=["group:staff", "user:ann"]),
    )


def test_a_key_that_comes_or_goes_is_absent_on_one_side() -> None:
    special = ("special_categories: none", "special_categories: {condition: legal_claims, reference: x}")
    assert changes(source(), source(special)).changes == (
        FieldChange(key="policy.special_categories.condition", before=None, after="legal_claims"),
        FieldChange(key="policy.special_categories.reference", before=None, after="x"),
    )
    assert changes(source(("root: hr, ", "")), source()).changes == (
        FieldChange(key="connector.root", before=None, after="hr"),
    )
    assert changes(source(), source(("root: hr, ", ""))).changes == (
        FieldChange(key="connector.root", before="hr", after=None),
    )


def test_a_new_source_is_all_change() -> None:
    plan = changes(None, source())
    assert plan.changes[0] == FieldChange(key="source", before=None, after="hr-handbook")
    assert {change.before for change in plan.changes} == {None}
    assert plan.needs_rebuild
    assert plan.needs_reingest


def test_a_change_of_access_asks_for_a_rebuild_and_no_more() -> None:
    plan = changes(source(), source(("group:contractors", "group:interns")))
    assert plan.needs_rebuild
    assert not plan.needs_reingest
    assert plan.touches("policy.access")
    assert plan.touches("policy.access.deny")
    assert not plan.touches("policy.acc")
    assert not plan.touches("policy.retention")


def test_a_change_of_redaction_asks_to_read_everything_again() -> None:
    plan = changes(source(), source(("profile: balanced", "profile: strict")))
    assert plan.needs_reingest
    assert not plan.needs_rebuild
