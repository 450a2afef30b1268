"""A manifest in which every key is valid, for tests to bend."""

from datetime import UTC, datetime

import pytest

from policies import manifest
from policies.errors import ManifestError
from policies.manifest import Source
from policies.model import Node

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

TEXT = """\
source: hr-handbook
title: HR handbook
owner: people-team@northwind.example
version: 3
state: active
serving: on
connector: {kind: filesystem, root: hr, include: ["**/*.docx", "**/*.md"]}
schedule: {sync: "*/15 * * * *"}
policy:
  controller: Northwind Ltd
  regime: uk-gdpr
  lawful_basis: {basis: legitimate_interests, reference: LIA-2026-014}
  special_categories: none
  purposes: [employee-support]
  retention: {period: P2Y, from: modified}
  residency: {store: [gb], process: [gb], serve: [gb, eu], transfers: []}
  access:
    allow: [group:staff]
    deny: [group:contractors]
    documents: {from: rules, rules: [{match: "board/**", allow: [group:board]}]}
    max_age: PT15M
  redaction: {profile: balanced, languages: [en, fr]}
  guardrail: {max_risk: 0.05}
  contract: {processor_agreement: DPA-2026-007, dpia: DPIA-2026-003}
  record: {country: gb}
limits: {max_deletes: 0.5}
"""


AMERICAN = (
    ("regime: uk-gdpr", "regime: us"),
    ("record: {country: gb}", "customer: {name: Fabrikam Inc., contract: MSA-2026-11, sector: none}"),
)
"""The swaps that put the source under the law of the United States, but for its lawful basis."""
RULES = 'documents: {from: rules, rules: [{match: "board/**", allow: [group:board]}]}'
"""The clause of `TEXT` with access rules by document."""


def bend(*swaps: tuple[str, str]) -> str:
    """The manifest with each first text, which it must hold, replaced by the second."""
    text = TEXT
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    return text


def source(*swaps: tuple[str, str]) -> Source:
    """The source of the bent manifest."""
    return manifest.parse(bend(*swaps), path="hr.yaml")


def problems(*swaps: tuple[str, str]) -> list[tuple[int, str, str, str]]:
    """Line, key, message and mend of every problem of the bent manifest."""
    text = bend(*swaps)
    found = manifest.check(text, path="hr.yaml")
    with pytest.raises(ManifestError) as caught:
        manifest.parse(text, path="hr.yaml")
    assert str(caught.value) == str(found[0])
    assert {each.path for each in found} == {"hr.yaml"}
    return [(each.line, each.key, each.message, each.mend) for each in found]


def problem(*swaps: tuple[str, str]) -> tuple[int, str, str, str]:
    """The one problem the bent manifest has."""
    found = problems(*swaps)
    assert len(found) == 1, found
    return found[0]


def node(process: str | None = "gb", store: str | None = "gb", system: str | None = "gb") -> Node:
    """An installation in these regions."""
    return Node(process_region=process, store_regions=frozenset({store}), system_region=system)
