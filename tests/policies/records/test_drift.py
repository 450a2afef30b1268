from dataclasses import replace

from policies.model import Node
from policies.records import drift
from policies.records.drift import Station, Usage, Use
from tests.policies.records.known import HIPAA, NEVER, NODE, SEEN, known

TO_US = (
    ("serve: [gb, eu]", "serve: [gb, eu, us]"),
    ("transfers: []", "transfers: [{to: us, mechanism: dpf, reference: x, checked_on: 2026-03-31}]"),
)


def test_what_is_configured_and_happens_is_no_drift() -> None:
    assert drift.sentences(known(), NODE) == ()
    assert drift.purposes(known()) == (Usage(name="employee-support", count=7, use=Use.USED),)
    assert drift.regions_served(known()) == (
        Usage(name="eu", count=1, use=Use.USED),
        Usage(name="gb", count=6, use=Use.USED),
    )


def test_what_is_configured_and_never_happens_shows() -> None:
    assert drift.sentences(known(seen=NEVER), NODE) == (
        "The purpose employee-support is configured, never used.",
        "The region eu is configured, never used.",
        "The region gb is configured, never used.",
    )
    assert drift.strays(known(seen=NEVER), NODE) == ()


def test_patients_numbers_in_a_source_without_special_categories_show() -> None:
    seen = replace(SEEN, redactions={"UK_NHS": 2, "UK_NINO": 1})
    assert drift.sentences(known(seen=seen), NODE) == (
        "UK_NHS was found 2 times, a number for health purposes (GDPR recital 35), and special_categories says none.",
    )
    assert drift.strays(known(seen=seen), NODE) == ()
    declared = ("special_categories: none", "special_categories: {condition: legal_claims, reference: x}")
    assert drift.sentences(known(declared, seen=seen), NODE) == ()
    assert not [each for each in drift.sentences(known(*HIPAA, seen=seen), NODE) if "UK_NHS" in each]


def test_what_happened_and_is_not_configured_any_more_shows() -> None:
    seen = replace(SEEN, purposes={"marketing": 2, "employee-support": 1}, regions={"gb": 1, "fr": 1, "us": 3})
    assert drift.strays(known(seen=seen), NODE) == (
        "The purpose marketing is used, not configured any more.",
        "The region us is used, not configured any more.",
    )


def test_a_region_that_a_transfer_reaches_is_configured_once() -> None:
    seen = replace(SEEN, regions={"gb": 1, "us": 3})
    assert [(each.name, each.count) for each in drift.regions_served(known(*TO_US, seen=seen))] == [
        ("eu", 0),
        ("gb", 1),
        ("us", 3),
    ]


def test_a_country_that_is_listed_beside_its_group_counts_for_itself() -> None:
    seen = replace(SEEN, regions={"fr": 3, "de": 1})
    listed = known(("serve: [gb, eu]", "serve: [eu, fr]"), seen=seen)
    assert [(each.name, each.count) for each in drift.regions_served(listed)] == [("eu", 1), ("fr", 3)]


def test_a_node_outside_the_listed_regions_shows() -> None:
    node = Node(process_region="fr", store_regions=frozenset({"gb", "fr"}), system_region=None)
    assert drift.of_node(known(), node) == (
        Station(work="processes", country="fr", listed=False),
        Station(work="stores", country="fr", listed=False),
        Station(work="stores", country="gb", listed=True),
        Station(work="logs", country=None, listed=False),
    )
    assert drift.strays(known(), node) == (
        "This node processes in fr, which the manifest does not list.",
        "This node stores in fr, which the manifest does not list.",
        "This node logs in an unknown region, which the manifest does not list.",
    )


def test_a_transfer_carries_answers_and_the_node_is_where_the_lists_say() -> None:
    node = Node(process_region="us", store_regions=frozenset({"us"}), system_region="gb")
    assert drift.strays(known(*TO_US), node) == (
        "This node processes in us, which the manifest does not list.",
        "This node stores in us, which the manifest does not list.",
    )
