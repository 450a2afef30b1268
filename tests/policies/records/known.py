"""Sources and observations for the records, for tests to bend."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from policies.manifest import Source
from policies.model import Node
from policies.records import Facts, Known, Observed
from tests.policies.handbook import AMERICAN, NOW, source

Swap = tuple[str, str]

NODE = Node(process_region="gb", store_regions=frozenset({"gb"}), system_region="gb")
PROFILES: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "balanced": frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN"}),
    "strict": frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "IP_ADDRESS"}),
}
RECORD = """record:
    country: gb
    contact: 1 Mill Lane, Leeds
    representative: none
    dpo: dpo@northwind.example
    joint_controllers: none
    processor: Hosting Ltd
    function: Human resources
    objective: Answering staff.
    data_subjects: [employees, contractors]
    data_categories: [names, pay grades]
    recipients: [people team]
    data_origin: From managers.
    security: ISMS-1
    automated_decisions: none
    rights: By mail.
    breaches: none
    necessity: Staff ask daily.
  assessment: {criteria: [innovative_technology, vulnerable_subjects]}"""
"""In place of the handbook's record: one without gaps."""
FULL: Swap = ("record: {country: gb}", RECORD)
FRENCH: tuple[Swap, ...] = (
    ("regime: uk-gdpr", "regime: gdpr"),
    ("record: {country: gb}", RECORD.replace("country: gb", "country: fr").replace("]}", "], french_list: none}")),
)
HIPAA: tuple[Swap, ...] = (
    *AMERICAN,
    ("basis: legitimate_interests", "basis: sector_rule"),
    ("sector: none}", "sector: hipaa, agreement: BAA-1}"),
)
SEEN = Observed(
    documents={"indexed": 46, "quarantined": 2},
    passages=311,
    redactions={"EMAIL_ADDRESS": 41, "PHONE_NUMBER": 28, "UK_NINO": 6, "IBAN_CODE": 3},
    retrievals=7,
    purposes={"employee-support": 7},
    regions={"gb": 6, "fr": 1},
    credentials={"key:a": 3, "key:b": 4},
    denied={"caller_region": 1, "no_allow_rule": 2},
    first_applied=datetime(2026, 3, 1, tzinfo=UTC),
    last_applied=datetime(2026, 9, 2, tzinfo=UTC),
    last_synced=NOW,
    last_retrieved=NOW,
    confidence="certified",
)
NEVER = Observed()


def known(*swaps: Swap, seen: Observed = SEEN) -> Known:
    """The bent handbook and what was observed of it."""
    return Known(source=source(*swaps), observed=seen)


def facts(*sources: Known, node: Node = NODE) -> Facts:
    """The facts of an export of these sources."""
    return Facts(sources=sources, node=node, profiles=PROFILES, now=NOW)


def named(one: Known, name: str) -> Known:
    """The same source under another name."""
    return replace(one, source=Source.model_validate(one.source.model_dump(by_alias=True) | {"source": name}))
