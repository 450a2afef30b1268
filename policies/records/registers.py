"""The record of processing activities (GDPR Art. 30(1)) as the ICO and the CNIL lay it out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.records.answers import ANSWERS, View
from policies.records.cells import Cell, Origin, escape, gaps_of, origins_of, table, text_of, to_csv
from policies.records.known import Facts, Known
from policies.records.words import Language


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a register: its heading, the questions it answers, and the letter of Art. 30(1) that asks for it."""

    heading: str
    answers: tuple[str, ...]
    letter: str = ""


def _column(heading: str, *answers: str, letter: str = "") -> Column:
    return Column(heading=heading, answers=answers, letter=letter)


ICO = (
    _column("Controller", "controller", letter="a"),
    _column("Controller contact details", "contact", letter="a"),
    _column("Representative", "representative", letter="a"),
    _column("Data protection officer", "dpo", letter="a"),
    _column("Source", "source"),
    _column("Business function", "function"),
    _column("Purpose of processing", "purpose", letter="b"),
    _column("Name and contact details of joint controller", "joint_controllers", letter="a"),
    _column("Categories of individuals", "data_subjects", letter="c"),
    _column("Categories of personal data", "data", letter="c"),
    _column("Categories of recipients", "recipients", letter="d"),
    _column("Contract with processor", "processor"),
    _column("Third countries or international organisations", "third_countries", letter="e"),
    _column("Safeguards for transfers", "safeguards", letter="e"),
    _column("Retention schedule", "retention", letter="f"),
    _column("Technical and organisational security measures", "security", letter="g"),
    _column("Article 6 lawful basis", "basis"),
    _column("Article 9 condition for special category data", "condition"),
    _column("Legitimate interests for the processing", "legitimate_interests"),
    _column("Record of legitimate interests assessment", "lia"),
    _column("Rights available to individuals", "rights"),
    _column("Automated decision-making, including profiling", "automated_decisions"),
    _column("Source of the personal data", "data_origin"),
    _column("Record of consent", "consent_record"),
    _column("Location of personal data", "location"),
    _column("Data Protection Impact Assessment required?", "dpia_required"),
    _column("Data Protection Impact Assessment", "dpia"),
    _column("Has a personal data breach occurred? Record of it", "breaches"),
    _column("Data Protection Act 2018 Schedule 1 condition", "schedule_1"),
    _column("Retained and erased in accordance with the schedule?", "adherence"),
    _column("Reasons for not adhering to the schedule", "adherence_reason"),
)
"""The columns of the ICO's template for controllers, after the particulars that its first page asks for."""

CNIL = (
    _column("Responsable du traitement", "controller", letter="a"),
    _column("Coordonnées du responsable", "contact", letter="a"),
    _column("Représentant", "representative", letter="a"),
    _column("Délégué à la protection des données", "dpo", letter="a"),
    _column("Activité (source Penstock)", "source"),
    _column("Fonction", "function"),
    _column("Responsable conjoint du traitement", "joint_controllers", letter="a"),
    _column("Objectifs poursuivis", "purpose", letter="b"),
    _column("Catégories de personnes concernées", "data_subjects", letter="c"),
    _column("Catégories de données collectées", "data", letter="c"),
    _column("Données sensibles", "condition", letter="c"),
    _column("Durées de conservation des catégories de données", "retention", letter="f"),
    _column("Catégories de destinataires des données", "recipients", letter="d"),
    _column("Sous-traitants", "processor", letter="d"),
    _column("Transferts des données hors de l'Union européenne", "third_countries", letter="e"),
    _column("Garanties des transferts", "safeguards", letter="e"),
    _column("Mesures de sécurité", "security", letter="g"),
    _column("Base légale", "basis"),
    _column("Source des données", "data_origin"),
    _column("Droits des personnes", "rights"),
    _column("Décision automatisée, y compris profilage", "automated_decisions"),
    _column("Localisation des données", "location"),
    _column("Analyse d'impact requise ?", "dpia_required"),
    _column("Analyse d'impact", "dpia"),
    _column("Violations de données", "breaches"),
    _column("Durées de conservation respectées ?", "adherence"),
)
"""The headings of the CNIL's model, after its first page, and what the GDPR asks to be told beside."""

_SEPARATORS: dict[Language, str] = {"en": ",", "fr": ";"}
"""What a spreadsheet takes for the end of a cell where that language is set."""
_ORIGINS: dict[Language, dict[Origin, str]] = {
    "en": {each: each.value for each in Origin},
    "fr": {
        Origin.CONFIG: "configuration",
        Origin.OBSERVED: "constat",
        Origin.OPERATOR: "déclaration",
        Origin.GAP: "lacune",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a register: a source and one of its purposes, with a cell for each column."""

    known: Known
    purpose: str
    cells: tuple[Cell, ...]


def columns(language: Language) -> tuple[Column, ...]:
    """The columns of the register in that language: the ICO's in English, the CNIL's in French."""
    return ICO if language == "en" else CNIL


def language_of(known: Known) -> Language | None:
    """The register a source stands in: the CNIL's in France, the ICO's elsewhere; None where the law asks for none."""
    policy = known.source.policy
    if policy.regime == "us":
        return None
    return "fr" if policy.regime == "gdpr" and policy.record.country == "fr" else "en"


def rows(facts: Facts, sources: Iterable[Known], language: Language) -> tuple[Row, ...]:
    """A row for each purpose of each source."""
    return tuple(
        Row(known=known, purpose=purpose, cells=_cells(facts, known, purpose, language))
        for known in sources
        for purpose in known.source.policy.purposes
    )


def _cells(facts: Facts, known: Known, purpose: str, language: Language) -> tuple[Cell, ...]:
    view = View(known=known, purpose=purpose, language=language, node=facts.node, now=facts.now)
    return tuple(tuple(part for name in column.answers for part in ANSWERS[name](view)) for column in columns(language))


def csv_of(found: Sequence[Row], language: Language) -> str:
    """The register for a spreadsheet, one line for each row."""
    headings = [column.heading for column in columns(language)]
    cells = ([text_of(cell) for cell in row.cells] for row in found)
    return to_csv([headings, *cells], separator=_SEPARATORS[language])


def ico(facts: Facts, found: Sequence[Row]) -> str:
    """The register as the ICO lays it out, to be read: a sheet for each row."""
    parts = [
        "# Record of processing activities",
        (
            "UK GDPR and GDPR Article 30(1), in the columns of the ICO's template for controllers. "
            f"Made on {facts.now:%Y-%m-%d} from the manifests in force and from what was observed."
        ),
        (
            f"**{_count(found, 'gap', 'gaps')}.** Each statement says where it comes from: config (the manifest's "
            "policy), operator (what somebody wrote), observed (what happened) or gap."
        ),
    ]
    for row in found:
        title = f"## {escape(row.known.source.title)}: {escape(row.purpose)}"
        parts += [title, _sheet(row, "en", ("Art. 30(1)", "Column", "Content", "Origin"))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def cnil(facts: Facts, found: Sequence[Row]) -> str:
    """The register as the CNIL lays it out: a first page for each organisation, and a sheet for each activity."""
    parts = ["# Registre des activités de traitement", f"Article 30(1) du RGPD. Établi le {facts.now:%d/%m/%Y}."]
    parts.append(
        f"**{_count(found, 'lacune', 'lacunes')}.** Chaque mention indique son origine : configuration, déclaration, "
        "constat ou lacune."
    )
    by_controller: dict[str, list[Row]] = {}
    for row in found:
        by_controller.setdefault(row.known.source.policy.controller, []).append(row)
    for controller, own in by_controller.items():
        parts += [f"## {escape(controller)}", _first_page(own[0]), "### Activités de l'organisme"]
        parts.append(_activities(own))
        for number, row in enumerate(own, 1):
            parts += [f"### Fiche de l'activité {number} : {escape(row.known.source.title)}", _dates(row)]
            parts.append(_sheet(row, "fr", ("Art. 30(1)", "Rubrique", "Contenu", "Origine")))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _first_page(row: Row) -> str:
    particulars = CNIL[:4]
    return table(
        ("Coordonnées de l'organisme", ""),
        ((column.heading, text_of(cell)) for column, cell in zip(particulars, row.cells, strict=False)),
    )


def _activities(own: Sequence[Row]) -> str:
    return table(
        ("Activité", "Désignation", "Finalité"),
        ((str(number), row.known.source.title, row.purpose) for number, row in enumerate(own, 1)),
    )


def _dates(row: Row) -> str:
    seen = row.known.observed
    made, changed = (f"{at:%d/%m/%Y}" if at else "—" for at in (seen.first_applied, seen.last_applied))
    return f"Date de création de la fiche : {made}. Dernière mise à jour : {changed}. Application : Penstock."


def _sheet(row: Row, language: Language, headings: Sequence[str]) -> str:
    origins = _ORIGINS[language]
    return table(
        headings,
        (
            (
                f"({column.letter})" if column.letter else "",
                column.heading,
                text_of(cell),
                ", ".join(origins[origin] for origin in origins_of(cell)),
            )
            for column, cell in zip(columns(language), row.cells, strict=True)
        ),
    )


def _count(found: Sequence[Row], one: str, several: str) -> str:
    number = sum(len(gaps_of(row.cells)) for row in found)
    return f"{number} {one if number == 1 else several}"
