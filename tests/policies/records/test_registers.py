import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from policies import facts as law
from policies import manifest
from policies.records import Facts, Known, Observed, documents, gaps
from policies.records.registers import CNIL, ICO, columns, language_of
from policies.records.words import INTERESTS, MISSING, Language
from tests.policies.handbook import RULES
from tests.policies.records.known import FRENCH, FULL, HIPAA, NEVER, SEEN, Swap, facts, known

MANIFESTS = Path(__file__).parents[3] / "data-samples" / "manifests"


def _csv(text: str, separator: str = ",") -> list[dict[str, str]]:
    assert text[0] == "\ufeff"
    return list(csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=separator))


def _ico(*swaps: Swap, seen: Observed = SEEN) -> dict[str, str]:
    """The first row of the ICO's register of the bent handbook."""
    return _csv(documents(facts(known(*swaps, seen=seen)))["record-of-processing-ico.csv"])[0]


def _samples() -> Facts:
    sources = (manifest.load(path) for path in sorted(MANIFESTS.glob("*.yaml")))
    return facts(*(Known(source=each, observed=NEVER) for each in sources))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_both_layouts_have_everything_that_article_30_asks_for(language: Language) -> None:
    assert {column.letter for column in columns(language)} == {"", "a", "b", "c", "d", "e", "f", "g"}
    asked = {answer for column in columns(language) if column.letter for answer in column.answers}
    assert asked >= {
        "controller", "contact", "representative", "dpo", "joint_controllers", "purpose", "data_subjects", "data",
        "recipients", "third_countries", "safeguards", "retention", "security",
    }  # fmt: skip


def test_a_source_stands_in_the_register_of_its_country() -> None:
    assert language_of(known(FULL)) == "en"
    assert language_of(known(*FRENCH)) == "fr"
    assert language_of(known(("regime: uk-gdpr", "regime: gdpr"))) == "en"
    assert language_of(known(*HIPAA)) is None
    made = documents(facts(known(*HIPAA)))
    assert not [name for name in made if name.startswith(("record-of", "registre", "dpia", "uk"))]


def test_there_is_a_row_for_each_source_and_purpose() -> None:
    two = known(FULL, ("purposes: [employee-support]", "purposes: [employee-support, pay]"))
    found = _csv(documents(facts(two))["record-of-processing-ico.csv"])
    assert [row["Purpose of processing"] for row in found] == [
        "employee-support; Answering staff.",
        "pay; Answering staff.",
    ]
    assert list(found[0]) == [column.heading for column in ICO]


def test_the_british_row_says_everything() -> None:
    assert list(_ico(FULL).values()) == [
        "Northwind Ltd; GB",
        "1 Mill Lane, Leeds",
        "none",
        "dpo@northwind.example",
        "HR handbook (hr-handbook)",
        "Human resources",
        "employee-support; Answering staff.",
        "none",
        "employees; contractors",
        "names; pay grades; observed and replaced: EMAIL_ADDRESS 41, PHONE_NUMBER 28, UK_NINO 6, IBAN_CODE 3",
        (
            "people team; callers in board, staff, rules for single documents: 1; "
            "observed: answered retrievals: 7, credentials: 2, from FR, GB"
        ),
        "Hosting Ltd; DPA-2026-007",
        "EU (answers to callers)",
        "EU: adequacy, Data Protection Act 2018 Sch. 21 para. 4-5",
        (
            "2 years from the last change, then hidden at once, and purged with a signed receipt when an operator runs "
            "it: none is scheduled"
        ),
        (
            "ISMS-1; Penstock: texts, titles and vectors of the catalog sealed with a key for each document "
            "(AES-256-GCM), keys kept apart; words and vectors of the index not sealed, so that it needs an encrypted "
            "volume; people, addresses and identifiers that patterns and a small model recognise are replaced before "
            "indexing (profile balanced); neither finds all; access decided inside every search; tamper-evident audit; "
            "deletion with a checked, signed receipt"
        ),
        "legitimate interests (GDPR Art. 6(1)(f)); LIA-2026-014",
        "none declared",
        "Answering staff.",
        "LIA-2026-014",
        "access, rectification, restriction, erasure, objection; By mail.",
        "none",
        "From managers.",
        "not applicable: the basis is legitimate interests",
        "at rest in GB; in memory in GB; this node stores in GB and processes in GB",
        "required: Data about vulnerable people; Innovative use, or new technological or organisational solutions",
        "made: DPIA-2026-003",
        "none",
        "not needed",
        "yes: no document is past its period",
        "none",
    ]


def test_the_french_row_is_french() -> None:
    (row,) = _csv(documents(facts(known(*FRENCH)))["registre-cnil.csv"], ";")
    assert list(row) == [column.heading for column in CNIL]
    assert row["Responsable conjoint du traitement"] == "aucun"
    assert row["Durées de conservation des catégories de données"].startswith(
        "2 ans à compter de la dernière modification"
    )
    assert (
        row["Transferts des données hors de l'Union européenne"]
        == "GB (stockage, traitement, réponses aux appelants, journaux)"
    )
    assert row["Garanties des transferts"].startswith("GB: décision d'adéquation, Decision (EU) 2021/1772")
    assert row["Base légale"] == "intérêts légitimes (RGPD art. 6(1)(f)); LIA-2026-014"
    assert row["Droits des personnes"] == "accès, rectification, limitation, effacement, opposition; By mail."
    assert row["Analyse d'impact"] == "réalisée : DPIA-2026-003"


def test_the_french_register_has_a_first_page_and_a_sheet_for_each_activity() -> None:
    text = documents(facts(known(*FRENCH), known(*FRENCH, ("controller: Northwind Ltd", "controller: Sud SARL"))))[
        "registre-cnil.md"
    ]
    assert text.startswith("# Registre des activités de traitement\n\nArticle 30(1) du RGPD. Établi le 21/11/2026.\n")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Registre des activités de traitement",
        "## Northwind Ltd",
        "### Activités de l'organisme",
        "### Fiche de l'activité 1 : HR handbook",
        "## Sud SARL",
        "### Activités de l'organisme",
        "### Fiche de l'activité 1 : HR handbook",
    ]
    assert "Date de création de la fiche : 01/03/2026. Dernière mise à jour : 02/09/2026." in text
    assert "**0 lacunes.**" in text
    assert "Date de création de la fiche : —." in documents(facts(known(*FRENCH, seen=NEVER)))["registre-cnil.md"]


def test_what_nobody_said_is_a_gap_that_names_its_key() -> None:
    bare = known(("  record: {country: gb}\n", ""))
    found = gaps(facts(bare))["hr-handbook"]
    assert found[0] == "GAP: where the controller is established (policy.record.country)"
    operator_keys = (
        "country", "contact", "representative", "dpo", "joint_controllers", "processor", "function", "objective",
        "data_subjects", "data_categories", "recipients", "data_origin", "security", "automated_decisions", "rights",
        "breaches",
    )  # fmt: skip
    assert set(found) == {f"GAP: {MISSING[name][0]} (policy.record.{name})" for name in operator_keys} | {
        "GAP: which criteria for an impact assessment apply (policy.assessment.criteria)"
    }
    text = documents(facts(bare))["record-of-processing-ico.md"]
    assert f"**{len(found)} gaps.**" in text
    assert "| GAP: the data protection officer, or that there is none (policy.record.dpo) | gap |" in text


def test_a_gap_is_french_in_the_french_register() -> None:
    french = (("regime: uk-gdpr", "regime: gdpr"), ("record: {country: gb}", "record: {country: fr}"))
    bare = known(*french, ("state: active", "state: draft"))
    text = documents(facts(bare))["registre-cnil.csv"]
    assert "LACUNE : les catégories de données (policy.record.data_categories)" in text
    assert "GAP" not in text


def test_a_draft_shows_the_gaps_of_its_papers() -> None:
    draft = ("state: active", "state: draft")
    contract = ("  contract: {processor_agreement: DPA-2026-007, dpia: DPIA-2026-003}\n", "")
    found = gaps(facts(known(FULL, draft, contract)))["hr-handbook"]
    assert found == (
        "GAP: the agreement with the processor (policy.contract.processor_agreement)",
        "GAP: the impact assessment, or why there is none (policy.contract.dpia)",
    )
    special = ("special_categories: none", "special_categories: {condition: public_health, reference: x}")
    assert gaps(facts(known(FULL, draft, special)))["hr-handbook"] == (
        "GAP: the condition of the Data Protection Act 2018, Schedule 1 (policy.special_categories.schedule_1)",
    )


def test_a_reason_stands_in_for_an_impact_assessment() -> None:
    reason = ("dpia: DPIA-2026-003", "dpia_not_required: Public texts.")
    row = _ico(reason)
    assert row["Data Protection Impact Assessment required?"] == "not required: Public texts."
    assert row["Data Protection Impact Assessment"] == "not required: Public texts."
    none = _ico(("record: {country: gb}", "record: {country: gb}\n  assessment: {criteria: none}"), reason)
    assert none["Data Protection Impact Assessment required?"] == "not required: no criterion applies"


def test_special_categories_show_their_conditions() -> None:
    clause = "{condition: public_health, reference: A9, schedule_1: 'Part 1, para. 3'}"
    row = _ico(("special_categories: none", f"special_categories: {clause}"))
    assert row["Article 9 condition for special category data"] == "public health (GDPR Art. 9(2)(i)); A9"
    assert row["Data Protection Act 2018 Schedule 1 condition"] == "Part 1, para. 3"
    plain = _ico(("special_categories: none", "special_categories: {condition: legal_claims, reference: A9}"))
    assert plain["Data Protection Act 2018 Schedule 1 condition"] == "not needed"


def test_a_purge_is_promised_where_one_is_scheduled() -> None:
    row = _ico(("schedule: {", 'schedule: {purge: "0 3 * * *", '))
    assert row["Retention schedule"] == (
        "2 years from the last change, then hidden at once, and purged with a signed receipt by the worker (cron "
        "0 3 * * *, UTC)"
    )


def test_the_record_of_a_source_that_is_not_redacted_gives_the_reason() -> None:
    silent = ("{profile: balanced, languages: [en, fr]}", "{profile: none, reason: Product manuals.}")
    said = _ico(silent)["Technical and organisational security measures"]
    assert "; nothing is replaced before indexing (profile none): Product manuals; access" in said
    assert "are replaced" not in said


def test_a_recognised_interest_says_which_it_is() -> None:
    basis = "basis: legitimate_interests"
    row = _ico((basis, "basis: recognised_legitimate_interest, condition: crime"))
    assert row["Article 6 lawful basis"] == (
        "recognised legitimate interest (UK GDPR Art. 6(1)(ea) and Annex 1); crime (UK GDPR Annex 1 para. 5); "
        "LIA-2026-014"
    )
    draft = (FULL, ("state: active", "state: draft"), (basis, "basis: recognised_legitimate_interest"))
    assert gaps(facts(known(*draft)))["hr-handbook"] == (
        "GAP: which recognised interest it is (UK GDPR Annex 1) (policy.lawful_basis.condition)",
    )
    assert set(INTERESTS) == {each.name for each in law.grounds().recognised_interests}


def test_consent_has_its_record_and_its_rights() -> None:
    row = _ico(("basis: legitimate_interests", "basis: consent"))
    assert row["Record of consent"] == "LIA-2026-014"
    assert row["Legitimate interests for the processing"] == "not applicable: the basis is consent"
    assert row["Rights available to individuals"].startswith(
        "access, rectification, restriction, erasure, portability, withdrawal of consent; "
    )


def test_named_users_are_counted_and_never_named() -> None:
    row = _ico(("allow: [group:staff]", "allow: [user:ann.example]"), seen=replace(SEEN, retrievals=0))
    assert (
        "callers in board, named users: 1, rules for single documents: 1; observed: no retrieval yet"
        in (row["Categories of recipients"])
    )
    made = documents(facts(known(("allow: [group:staff]", "allow: [user:ann.example]"))))
    assert not [name for name, text in made.items() if "ann.example" in text]


def test_access_of_the_origin_is_told() -> None:
    mirrored = (RULES, "documents: {from: connector}")
    assert "callers in staff, and whom the origin admits to a document" in _ico(mirrored)["Categories of recipients"]
    nobody = ("allow: [group:staff]\n", "allow: [user:a]\n"), (f"    {RULES}\n", "")
    assert "; named users: 1; " in _ico(*nobody)["Categories of recipients"]


def test_records_of_an_earlier_version_name_no_region() -> None:
    assert _ico(seen=replace(SEEN, regions={}))["Categories of recipients"].endswith(
        "answered retrievals: 7, credentials: 2, from ?"
    )


def test_what_is_past_its_period_is_told() -> None:
    row = _ico(seen=replace(SEEN, overdue=3))
    assert row["Retained and erased in accordance with the schedule?"] == (
        "no: documents past their period, all of them hidden: 3 not purged yet"
    )
    assert row["Reasons for not adhering to the schedule"] == "the purge is due: penstock purge run hr-handbook"


def test_what_a_standing_order_keeps_past_its_period_is_told() -> None:
    row = _ico(seen=replace(SEEN, spared=2))
    assert row["Retained and erased in accordance with the schedule?"] == (
        "no: documents past their period, all of them hidden: 2 kept by an order"
    )
    both = _ico(seen=replace(SEEN, spared=2, overdue=3))["Retained and erased in accordance with the schedule?"]
    assert both.endswith(": 3 not purged yet, 2 kept by an order")
    assert row["Reasons for not adhering to the schedule"] == (
        "a legal hold or a restriction: penstock hold list, penstock restrict list"
    )


def test_nothing_replaced_is_told() -> None:
    assert _ico(seen=replace(SEEN, redactions={}))["Categories of personal data"].endswith(
        "observed: nothing was replaced"
    )


def test_who_runs_penstock_himself_has_no_processor() -> None:
    row = _ico(("processor_agreement: DPA-2026-007", "processor_agreement: own operation"))
    assert row["Contract with processor"] == "no processor: the controller runs Penstock itself"


def test_a_source_that_stays_at_home_has_no_third_country() -> None:
    row = _ico(("serve: [gb, eu]", "serve: [gb]"))
    assert (row["Third countries or international organisations"], row["Safeguards for transfers"]) == ("none", "none")


def test_a_transfer_whose_check_is_old_is_told() -> None:
    old = "transfers: [{to: in, mechanism: idta, reference: T-1, checked_on: 2025-03-31}]"
    assert _ico(("serve: [gb, eu]", "serve: [gb]"), ("transfers: []", old))["Safeguards for transfers"] == (
        "IN: international data transfer agreement, T-1 (checked on 2025-03-31) "
        "(not in force, or the check is out of date, so nothing is sent)"
    )


def test_a_hostile_manifest_makes_no_formula_and_no_markup() -> None:
    hostile = (
        ("controller: Northwind Ltd", "controller: '=HYPERLINK(\"x\")|<script>'"),
        ("title: HR handbook", "title: '# <b>|'"),
    )
    made = documents(facts(known(FULL, *hostile)))
    assert _csv(made["record-of-processing-ico.csv"])[0]["Controller"].startswith("'=HYPERLINK")
    shown = [text for name, text in made.items() if name.endswith((".md", ".svg", ".mmd"))]
    assert not [text for text in shown if re.search(r"(?<!\\)<b>\||(?<!\\)<script", text)]


def test_the_samples_in_britain_and_france_have_no_gap() -> None:
    assert gaps(_samples()) == {}
    made = documents(_samples())
    assert "**0 gaps.**" in made["record-of-processing-ico.md"]
    assert "**0 lacunes.**" in made["registre-cnil.md"]
    assert "when an operator runs it" not in "".join(made.values())
    assert "GAP" not in "".join(text for name, text in made.items() if name != "records.json")
