"""What an impact assessment of a source starts from (GDPR Art. 35(7)): the facts, the criteria, the risks and measures.

It is input for people who assess, never the assessment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from policies import facts as law
from policies.facts import Criterion
from policies.records import drift
from policies.records.answers import ANSWERS, View, after_retention, redaction
from policies.records.cells import Cell, Origin, escape, origins_of, table, text_of
from policies.records.known import Facts, Known


@dataclass(frozen=True, kw_only=True, slots=True)
class Risk:
    """What may go wrong for people, what Penstock does about it, the command that shows it, and what remains.

    `{redaction}` and `{retention}` in a measure are what the manifest says of them, `{source}` in a command its name.
    """

    risk: str
    measure: str
    shown_by: str
    remains: str


RISKS = (
    Risk(
        risk="Somebody reads what they may not read at its origin",
        measure="Access rules decide inside the search, deny before allow; what is absent denies",
        shown_by="penstock explain --as SUBJECT --source {source}",
        remains="Rules that are wrong at the origin or in the manifest",
    ),
    Risk(
        risk="Data are used for another purpose than they were collected for",
        measure="Every request names its purpose, which source and caller must both have",
        shown_by="penstock audit show --action retrieved",
        remains="A caller who names a purpose and pursues another",
    ),
    Risk(
        risk="Personal data show in answers that do not need them",
        measure="{redaction}; what cannot be read is quarantined",
        shown_by="penstock status {source} --documents",
        remains="Names of people, and whatever no pattern finds",
    ),
    Risk(
        risk="Data are kept longer than needed",
        measure="Expiry is checked at every request; what is past it is {retention}",
        shown_by="penstock purge plan {source}; penstock purge receipts",
        remains="Purges that nobody runs, copies outside Penstock, blocks that a disk keeps",
    ),
    Risk(
        risk="Erased data come back by a sync or a restored backup",
        measure="Tombstones and keys lie outside the catalog; a destroyed key ends the document in every copy of it",
        shown_by="penstock verify",
        remains="A backup or snapshot that holds the keyring from before as well, or the unsealed index (sources/)",
    ),
    Risk(
        risk="Data leave the regions that were agreed",
        measure="Storing, processing, serving and logs are decided apart; a transfer needs a dated mechanism",
        shown_by="penstock explain --as SUBJECT --source {source}",
        remains="What callers do with answers",
    ),
    Risk(
        risk="An answer rests on passages that do not hold it, and people act on it",
        measure="A threshold placed on labelled questions, provisional; hand-off to people where it is not met",
        shown_by="penstock status {source}",
        remains="Questions of another kind than the labelled ones; no guarantee is given",
    ),
    Risk(
        risk="Theft of the disk or of a backup",
        measure="The catalog's texts, titles and vectors are sealed with a key for each document; the master key apart",
        shown_by="penstock doctor",
        remains=(
            "The words and vectors of the index (sources/) are not sealed: keep sources/ on an encrypted volume and "
            "out of backups. Theft of the master key with the home"
        ),
    ),
    Risk(
        risk="Misuse that nobody notices",
        measure="No answer without a durable audit record; the chain shows every change",
        shown_by="penstock audit verify",
        remains="Nobody who looks at it",
    ),
    Risk(
        risk="A hostile document harms the machine or reaches the network",
        measure="Parsers run in a confined process with limits of time and memory",
        shown_by="penstock doctor",
        remains="Faults of the kernel",
    ),
)

_DESCRIPTION = (
    ("Controller", "controller"),
    ("Data protection officer", "dpo"),
    ("Purposes", "purpose"),
    ("Lawful basis", "basis"),
    ("Legitimate interests", "legitimate_interests"),
    ("Special categories", "condition"),
    ("Data subjects", "data_subjects"),
    ("Personal data", "data"),
    ("Origin of the data", "data_origin"),
    ("Recipients", "recipients"),
    ("Processor", "processor"),
    ("Location", "location"),
    ("Transfers", "safeguards"),
    ("Retention", "retention"),
    ("Automated decisions", "automated_decisions"),
    ("Reversal of pseudonyms", "vault"),
)
_NECESSITY = (
    ("Necessity and proportionality", "necessity"),
    ("Rights of the people concerned", "rights"),
    ("Impact assessment", "dpia"),
)


def document(known: Known, facts: Facts) -> str:
    """The input for the assessment of one source, in Markdown."""
    source = known.source
    views = [
        View(known=known, purpose=purpose, language="en", node=facts.node, now=facts.now)
        for purpose in source.policy.purposes
    ]
    found = drift.sentences(known, facts.node)
    parts = (
        f"# Input for the impact assessment of {escape(source.title)}",
        (
            f"Source {escape(source.name)}, manifest version {source.version}, made on {facts.now:%Y-%m-%d}. Whoever "
            "assesses decides; Penstock only says what it knows."
        ),
        "## Description of the processing and its purposes (Art. 35(7)(a))",
        _answers(views, _DESCRIPTION),
        "The way of the data is drawn in data-flow.svg.",
        "## Necessity and proportionality (Art. 35(7)(b))",
        _answers(views, _NECESSITY),
        "## Criteria that ask for an assessment (Art. 35(1) and (3), WP 248 rev.01)",
        _criteria(known),
        "## Risks to rights and freedoms (Art. 35(7)(c)) and measures (Art. 35(7)(d))",
        table(
            ("Risk", "Measure", "Shown by", "Remains"),
            (_risk(each, known) for each in RISKS),
        ),
        "Likelihood and severity are for those who assess: they depend on the people concerned.",
        "## What was observed and is not as configured",
        "".join(f"- {escape(sentence)}\n" for sentence in found) or "Nothing.",
        "## Still to do by people",
        (
            "- Advice of the data protection officer (Art. 35(2)).\n- Views of the people concerned (Art. 35(9)).\n"
            "- Prior consultation, if a high risk remains (Art. 36).\n- Review when the manifest or the drift above "
            "changes (Art. 35(11))."
        ),
    )
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _answers(views: Iterable[View], asked: Iterable[tuple[str, str]]) -> str:
    """The answers to these questions; those to a question that depends on the purpose are put together."""
    views = list(views)
    rows = []
    for heading, name in asked:
        cell: Cell = tuple(dict.fromkeys(part for view in views for part in ANSWERS[name](view)))
        rows.append((heading, text_of(cell), ", ".join(origin.value for origin in origins_of(cell))))
    return table(("", "Content", "Origin"), rows)


def _risk(risk: Risk, known: Known) -> tuple[str, str, str, str]:
    source = known.source
    measure = risk.measure.format(
        redaction=_sentence(redaction(source.policy, "en")),
        retention=after_retention(source, "en").removeprefix("then "),
    )
    return risk.risk, measure, risk.shown_by.format(source=source.name), risk.remains


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _criteria(known: Known) -> str:
    clause, tables = known.source.policy.assessment, law.assessment()
    if clause is None:
        return f"**{Origin.GAP.upper()}: which criteria apply (policy.assessment.criteria)**"
    rows = [_criterion(row, row.title, row.name in clause.criteria) for row in tables.criteria]
    if clause.french_list is not None:
        rows += [_criterion(row, row.title_fr, row.name in clause.french_list) for row in tables.french_list]
    return table(("Criterion", "Law", "Applies"), rows)


def _criterion(row: Criterion, title: str, applies: bool) -> tuple[str, str, str]:  # noqa: FBT001 - a column
    return title, row.law, "yes" if applies else "no"
