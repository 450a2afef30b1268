import json
import re
from dataclasses import replace

import pytest

from policies import facts as law
from policies.model import Node
from policies.records import documents
from policies.records.dpia import RISKS
from tests.policies.handbook import AMERICAN
from tests.policies.records.known import FRENCH, FULL, HIPAA, NEVER, SEEN, Swap, facts, known, named

NOTICE = ("basis: legitimate_interests", "basis: notice")


def _made(*swaps: Swap, name: str) -> str:
    return documents(facts(known(*swaps)))[name]


def _section(text: str, heading: str) -> str:
    """What stands under a heading."""
    return text.split(f"## {heading}\n\n")[1].split("\n## ", maxsplit=1)[0]


def test_an_export_has_what_its_sources_need_and_no_more() -> None:
    everything = facts(
        known(FULL),
        named(known(*FRENCH), "france"),
        named(known(*HIPAA), "clinic"),
        named(known(*AMERICAN, NOTICE), "us"),
    )
    assert sorted(documents(everything)) == [
        "data-flow.mmd",
        "data-flow.svg",
        "dpia-input-france.md",
        "dpia-input-hr-handbook.md",
        "flow-checklist-clinic.md",
        "flow-checklist-france.md",
        "flow-checklist-hr-handbook.md",
        "flow-checklist-us.md",
        "record-of-processing-ico.csv",
        "record-of-processing-ico.md",
        "records.json",
        "registre-cnil.csv",
        "registre-cnil.md",
        "uk-checklist.md",
        "us-data-flow-fabrikam-inc.md",
    ]
    assert sorted(documents(facts())) == ["data-flow.mmd", "data-flow.svg", "records.json"]


def test_every_text_ends_with_one_line_end_and_is_the_same_twice() -> None:
    made = documents(facts(known(FULL), named(known(*FRENCH), "france"), named(known(*HIPAA), "clinic")))
    assert made == documents(facts(known(FULL), named(known(*FRENCH), "france"), named(known(*HIPAA), "clinic")))
    assert [name for name, text in made.items() if not text.endswith("\n") or text.endswith("\n\n")] == []


def test_two_customers_that_are_spelt_alike_have_a_file_each() -> None:
    other, nameless = ("Fabrikam Inc.", "fabrikam inc"), ("Fabrikam Inc.", "東京")
    made = documents(facts(*(known(*AMERICAN, *swaps, NOTICE) for swaps in ((), (other,), (nameless,)))))
    assert [name for name in made if name.startswith("us-data-flow")] == [
        "us-data-flow-fabrikam-inc.md",
        "us-data-flow-fabrikam-inc-2.md",
        "us-data-flow-customer.md",
    ]


# Input for the impact assessment


def test_the_assessment_starts_from_its_four_parts() -> None:
    text = _made(FULL, name="dpia-input-hr-handbook.md")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Input for the impact assessment of HR handbook",
        "## Description of the processing and its purposes (Art. 35(7)(a))",
        "## Necessity and proportionality (Art. 35(7)(b))",
        "## Criteria that ask for an assessment (Art. 35(1) and (3), WP 248 rev.01)",
        "## Risks to rights and freedoms (Art. 35(7)(c)) and measures (Art. 35(7)(d))",
        "## What was observed and is not as configured",
        "## Still to do by people",
    ]
    assert "| Necessity and proportionality | Staff ask daily. | operator |" in text
    assert text.count("| yes |") == 2
    assert text.count("| no |") == len(law.assessment().criteria) - 2
    assert all(each.risk in text for each in RISKS)
    assert "Nothing." in _section(text, "What was observed and is not as configured")


def test_necessity_is_for_the_operator_to_say() -> None:
    text = _made(name="dpia-input-hr-handbook.md")
    assert "| Necessity and proportionality | GAP: why the processing is necessary and proportionate" in text
    assert "**GAP: which criteria apply (policy.assessment.criteria)**" in text


def test_a_french_source_goes_through_both_lists() -> None:
    text = _made(*FRENCH, name="dpia-input-hr-handbook.md")
    assert text.count("CNIL délibération 2018-327") == len(law.assessment().french_list)


def test_purposes_are_put_together_and_drift_is_told() -> None:
    two = ("purposes: [employee-support]", "purposes: [employee-support, pay]")
    text = _made(FULL, two, name="dpia-input-hr-handbook.md")
    assert "| Purposes | employee-support; Answering staff; pay | config, operator |" in text
    assert "- The purpose pay is configured, never used." in text


def test_the_assessment_says_what_is_not_sealed() -> None:
    theft = next(each for each in RISKS if each.risk.startswith("Theft"))
    assert "are not sealed: keep sources/ on an encrypted volume and out of backups" in theft.remains
    assert theft.measure.startswith("The catalog's texts, titles and vectors are sealed")
    back = next(each for each in RISKS if each.risk.startswith("Erased data come back"))
    assert "the unsealed index (sources/)" in back.remains


def test_the_assessment_says_what_is_replaced_and_who_purges() -> None:
    text = _made(FULL, name="dpia-input-hr-handbook.md")
    recognised = "People, addresses and identifiers that patterns and a small model recognise are replaced"
    assert f"| {recognised} before indexing (profile balanced); neither finds all" in text
    nameless = ("profile: balanced,", "profile: balanced, keep: [PERSON],")
    text = _made(FULL, nameless, name="dpia-input-hr-handbook.md")
    assert "(profile balanced - PERSON); names of people are not" in text
    by_form = ("profile: balanced", "profile: identifiers")
    text = _made(FULL, by_form, name="dpia-input-hr-handbook.md")
    assert "| Identifiers found by patterns are replaced before indexing (profile identifiers); names of people" in text
    text = _made(FULL, name="dpia-input-hr-handbook.md")
    assert "when an operator runs it: none is scheduled | penstock purge plan" in text
    silent = ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: '{retention} manuals.'}")
    text = _made(FULL, silent, ("schedule: {", 'schedule: {purge: "0 3 * * *", '), name="dpia-input-hr-handbook.md")
    assert r"Nothing is replaced before indexing (profile none): \{retention\} manuals; what cannot" in text
    assert r"by the worker (cron 0 3 \* \* \*, UTC) | penstock purge plan" in text


def test_no_paper_promises_what_a_calibration_does_not_give() -> None:
    made = documents(facts(known(FULL), named(known(*FRENCH), "france"), named(known(*HIPAA), "clinic")))
    assert not [name for name, text in made.items() if re.search(r"certified threshold|Sure of that", text)]
    assert "A threshold placed on labelled questions, provisional" in made["dpia-input-hr-handbook.md"]


# Checklists


def test_the_gate_is_open_where_everything_is_in_order() -> None:
    text = _made(FULL, name="flow-checklist-hr-handbook.md")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Checklist: HR handbook",
        "## Sources",
        "## Constraints",
        "## Guardrails",
        "## Metrics",
        "## Gate: open",
    ]
    assert "- [ ]" not in text
    assert text.count("- [x]") == 6


@pytest.mark.parametrize(
    ("swaps", "observed", "line"),
    [
        ((("state: active", "state: suspended"),), {}, "The manifest is active — state: suspended"),
        ((("dpo: dpo@northwind.example\n    ", ""),), {}, "The record of processing has no gap — GAP: the data prot"),
        ((), {"purposes": {"pay": 1}}, "Nothing is used that is not configured — The purpose pay is used, not"),
        ((), {"documents": {"quarantined": 1}}, "Documents are indexed — run: penstock sync hr-handbook"),
        ((), {"overdue": 2}, "Nothing is past its retention — 2 documents; run: penstock purge run hr-handbook"),
        (
            (),
            {"spared": 2},
            "Nothing is past its retention — 2 past their period, kept by an order; see: penstock hold",
        ),
        ((), {"confidence": "stale"}, "if only a provisional one — stale; run: penstock calibrate hr-handbook"),
    ],
)
def test_one_point_that_is_not_met_closes_the_gate(
    swaps: tuple[Swap, ...], observed: dict[str, object], line: str
) -> None:
    seen = replace(SEEN, **observed)  # type: ignore[arg-type]
    text = documents(facts(known(FULL, *swaps, seen=seen)))["flow-checklist-hr-handbook.md"]
    assert "## Gate: closed" in text
    assert text.count("- [ ]") == 1
    (unmet,) = (each for each in text.splitlines() if each.startswith("- [ ]"))
    assert line in unmet


def test_what_is_due_and_what_is_kept_close_the_gate_together() -> None:
    text = documents(facts(known(FULL, seen=replace(SEEN, overdue=3, spared=2))))["flow-checklist-hr-handbook.md"]
    assert "retention — 3 documents; run: penstock purge run hr-handbook; 2 past their period, kept by an" in text
    assert "| Past retention, kept by an order | 2 |" in text


def test_a_source_under_us_has_no_record_that_could_have_gaps() -> None:
    text = _made(*HIPAA, name="flow-checklist-hr-handbook.md")
    assert "- [x] The record of processing has no gap" in text


def test_what_was_never_done_is_said_in_a_checklist() -> None:
    bare = (('schedule: {sync: "*/15 * * * *"}\n', ""), ("    max_age: PT15M\n", ""))
    silent = ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: Product manuals.}")
    off = ("serving: on", "serving: off")
    text = documents(facts(known(*bare, silent, off, seen=NEVER)))["flow-checklist-hr-handbook.md"]
    for row in (
        "| Read | when asked for |",
        "| Last read | never |",
        "| Serving | off |",
        "| Redaction | nothing is replaced before indexing (profile none): Product manuals |",
        "| Permissions of the origin count for | not mirrored |",
        "| Documents | none |",
    ):
        assert row in text


@pytest.mark.parametrize(
    ("more", "said"), [("", "are not kept (vault off)"), (", vault: true", "on record (vault on)")]
)
def test_the_assessment_and_the_checklist_say_whether_values_can_be_brought_back(more: str, said: str) -> None:
    made = documents(facts(known(FULL, ("languages: [en, fr]", "languages: [en, fr]" + more))))
    for name in ("dpia-input-hr-handbook.md", "flow-checklist-hr-handbook.md"):
        (row,) = (line for line in made[name].splitlines() if line.startswith("| Reversal of pseudonyms |"))
        assert said in row
    assert ("(vault on)" in made["record-of-processing-ico.md"]) is bool(more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", allow: [Ada Lovelace Building, Ann]", "strings that the manifest names are left as written (2)"),
        (", other_languages: patterns", "passages in other languages are kept, and no names are looked for in them"),
    ],
)
def test_what_a_manifest_lets_pass_stands_in_every_paper_that_speaks_of_redaction(more: str, said: str) -> None:
    bent = ("languages: [en, fr]", f"languages: [en, fr]{more}")
    american = documents(facts(known(*HIPAA, bent)))
    (flow,) = (content for name, content in american.items() if name.startswith("us-data-flow"))
    assert said in documents(facts(known(bent)))["record-of-processing-ico.md"]
    assert flow.count(said) == 2  # under its redaction, and under the identifiers of HIPAA


def test_the_british_checklist_tells_of_every_source_under_british_law() -> None:
    made = documents(
        facts(
            known(FULL), named(known(), "bare"), named(known(*FRENCH, ("title: HR handbook", "title: Lyon")), "france")
        )
    )
    text = made["uk-checklist.md"]
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## HR handbook", "## HR handbook"]
    assert text.count("every column is answered") == 1
    assert "GAP: where breaches are recorded" in text
    assert "| UK GDPR Art. 35 | required:" in text


# The United States


def test_a_customer_is_told_the_rule_the_contract_the_flow_and_the_disposal() -> None:
    seen = replace(SEEN, overdue=3, spared=1, purged=5, regions={"us": 1})
    text = documents(facts(known(*HIPAA, seen=seen)))["us-data-flow-fabrikam-inc.md"]
    for row in (
        "| Contract | MSA-2026-11 |",
        "| Permitted by | sector rule: LIA-2026-014 |",
        "| Last use | 2026-11-21 |",
        "| Past the period and not purged yet | 3 |",
        "| Past the period and kept by an order | 1 |",
        "| Purged so far, each with a signed receipt | 5 |",
        "when an operator runs it: none is scheduled |",
        "| At rest | Texts, titles and vectors of the catalog are sealed",
        "| Redaction | people, addresses and identifiers that patterns and a small model recognise are replaced",
        "- The region us is used, not configured any more.",
    ):
        assert row in text
    assert "| Agreement | BAA-1; 45 CFR 164.504(e)" in text
    assert "| Catalog and index | at rest: GB | this node: GB (used); 46 documents;" in text


def test_the_eighteen_identifiers_are_told_and_safe_harbor_is_not_claimed() -> None:
    text = _made(*HIPAA, name="us-data-flow-fabrikam-inc.md")
    table = text.split("### The identifiers")[1]
    assert [line[2] for line in table.splitlines() if line.startswith("| ")][2:] == list("ABCDEFGHIJKLMNOPQR")
    assert "This is no de-identification" in table
    assert "| F | Electronic mail addresses | EMAIL\\_ADDRESS |  |" in table
    assert "IP\\_ADDRESS (not in this profile)" in table
    assert "| A | Names | no |" in table
    strict = _made(*HIPAA, ("profile: balanced", "profile: strict"), name="us-data-flow-fabrikam-inc.md")
    assert "IP\\_ADDRESS |" in strict
    kept = ("profile: balanced,", "profile: strict, keep: [IP_ADDRESS],")
    assert "IP\\_ADDRESS (not in this profile)" in _made(*HIPAA, kept, name="us-data-flow-fabrikam-inc.md")
    added = ("profile: balanced,", "profile: balanced, also: [IP_ADDRESS],")
    assert "IP\\_ADDRESS |" in _made(*HIPAA, added, name="us-data-flow-fabrikam-inc.md")
    assert "The identifiers" not in _made(*AMERICAN, NOTICE, name="us-data-flow-fabrikam-inc.md")


def test_a_customer_under_no_sectors_rule_needs_no_agreement() -> None:
    text = documents(facts(known(*AMERICAN, NOTICE, seen=NEVER)))["us-data-flow-fabrikam-inc.md"]
    assert "| Agreement | none needed |" in text
    assert "| Rule | the rule sets none |" in text
    assert "| Last use | never |" in text
    assert "GAP: the security measures (policy.record.security)" in text


def test_sources_of_one_customer_stand_in_one_document() -> None:
    made = documents(facts(known(*HIPAA), named(known(*HIPAA), "clinic")))
    assert made["us-data-flow-fabrikam-inc.md"].count("### Disposal") == 2
    draft = ("state: active", "state: draft")
    alone = documents(facts(known(("regime: uk-gdpr", "regime: us"), NOTICE, draft)))
    assert not [name for name in alone if name.startswith("us-data-flow")]


# Everything


def test_the_json_has_every_cell_with_its_origins() -> None:
    node = Node(process_region="gb", store_regions=frozenset({"gb", None}), system_region=None)
    plain = json.loads(
        documents(facts(known(FULL), named(known(*HIPAA, seen=NEVER), "clinic"), node=node))["records.json"]
    )
    assert plain["made_at"] == "2026-11-21T12:00:00+00:00"
    assert plain["node"] == {"process": "gb", "store": [None, "gb"], "system": None}
    first, second = plain["sources"]
    columns = {column["column"]: column for column in first["record"][0]["columns"]}
    assert columns["Controller"] == {
        "column": "Controller",
        "article": "30(1)(a)",
        "parts": [{"text": "Northwind Ltd", "origin": "config"}, {"text": "GB", "origin": "operator"}],
    }
    assert {part["origin"] for column in columns.values() for part in column["parts"]} == {
        "config",
        "operator",
        "observed",
    }
    assert (first["gaps"], first["gate"]["The manifest is active"]) == ([], True)
    assert first["drift"][0].startswith("This node stores in an unknown region")
    assert first["observed"]["credentials"] == 2
    assert first["observed"]["last_retrieved"] == "2026-11-21T12:00:00+00:00"
    assert second["observed"]["last_retrieved"] is None
    assert "access" not in first["policy"]
