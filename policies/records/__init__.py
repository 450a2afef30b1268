"""Records of processing and what goes with them, written from the manifests in force and from what was observed."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from policies.records import american, checklists, dpia, drift, picture, registers
from policies.records.cells import Cell
from policies.records.flow import flows
from policies.records.known import Facts, Known, Observed
from policies.records.registers import Row
from policies.records.words import Language

__all__ = ["Facts", "Known", "Observed", "documents", "gaps"]

_REGISTERS: tuple[tuple[Language, str, Callable[[Facts, Sequence[Row]], str]], ...] = (
    ("en", "record-of-processing-ico", registers.ico),
    ("fr", "registre-cnil", registers.cnil),
)
_UNSAFE = re.compile(r"[^a-z0-9]+")


def documents(facts: Facts) -> Mapping[str, str]:
    """The text of every document of an export by its file name. Those that no source needs are left out."""
    made: dict[str, str] = {}
    for language, name, written in _REGISTERS:
        found = _rows(facts, language)
        if found:
            made |= {f"{name}.csv": registers.csv_of(found, language), f"{name}.md": written(facts, found)}
    for known in facts.sources:
        source = known.source.name
        if registers.language_of(known):
            made[f"dpia-input-{source}.md"] = dpia.document(known, facts)
        made[f"flow-checklist-{source}.md"] = checklists.flow(known, facts)
    if any(known.source.policy.regime == "uk-gdpr" for known in facts.sources):
        made["uk-checklist.md"] = checklists.uk(facts)
    for name, held in american.customers(facts).items():
        made[_free(f"us-data-flow-{_slug(name)}", made)] = american.document(name, held, facts)
    drawn = flows(facts)
    made["data-flow.svg"] = picture.svg(drawn, made_on=f"{facts.now:%Y-%m-%d}")
    made["data-flow.mmd"] = picture.mermaid(drawn)
    made["records.json"] = json.dumps(_plain(facts), indent=2, ensure_ascii=False) + "\n"
    return made


def gaps(facts: Facts) -> Mapping[str, tuple[str, ...]]:
    """What is missing in the record of each source that has a gap."""
    found = {known.source.name: checklists.record_gaps(known, facts) for known in facts.sources}
    return {source: missing for source, missing in found.items() if missing}


def _rows(facts: Facts, language: Language) -> tuple[Row, ...]:
    return registers.rows(facts, (each for each in facts.sources if registers.language_of(each) == language), language)


def _slug(name: str) -> str:
    return _UNSAFE.sub("-", name.lower()).strip("-")[:60] or "customer"


def _free(stem: str, taken: Mapping[str, str]) -> str:
    """A file name that is not taken: two customers may be spelt alike but for signs that no file name has."""
    number = 1
    while (name := f"{stem}{'' if number == 1 else f'-{number}'}.md") in taken:
        number += 1
    return name


def _plain(facts: Facts) -> dict[str, object]:
    return {
        "made_at": facts.now.isoformat(),
        "node": {
            "process": facts.node.process_region,
            "store": sorted(facts.node.store_regions, key=str),
            "system": facts.node.system_region,
        },
        "sources": [_plain_source(known, facts) for known in facts.sources],
    }


def _plain_source(known: Known, facts: Facts) -> dict[str, object]:
    language = registers.language_of(known) or "en"
    seen = known.observed
    return {
        "source": known.source.name,
        "policy_hash": known.source.policy_hash,
        "version": known.source.version,
        "state": known.source.state,
        "policy": known.source.policy.model_dump(mode="json", exclude={"access"}),  # its lists may name people
        "record": [
            {"purpose": row.purpose, "columns": _plain_cells(row, language)}
            for row in registers.rows(facts, [known], language)
        ],
        "gaps": list(checklists.record_gaps(known, facts)),
        "drift": list(drift.sentences(known, facts.node)),
        "gate": {point.text: point.met for point in checklists.gate(known, facts)},
        "observed": {
            "documents": dict(seen.documents),
            "passages": seen.passages,
            "overdue": seen.overdue,
            "spared": seen.spared,
            "orders": dict(seen.orders),
            "purged": seen.purged,
            "redactions": dict(seen.redactions),
            "retrievals": seen.retrievals,
            "purposes": dict(seen.purposes),
            "regions": dict(seen.regions),
            "credentials": len(seen.credentials),
            "agents": len(seen.agents),
            "denied": dict(seen.denied),
            "confidence": seen.confidence,
        }
        | {
            name: at.isoformat() if at else None
            for name, at in (
                ("first_applied", seen.first_applied),
                ("last_applied", seen.last_applied),
                ("last_synced", seen.last_synced),
                ("last_retrieved", seen.last_retrieved),
            )
        },
    }


def _plain_cells(row: Row, language: Language) -> list[dict[str, object]]:
    return [
        {"column": column.heading, "article": f"30(1)({column.letter})" if column.letter else None} | _plain_cell(cell)
        for column, cell in zip(registers.columns(language), row.cells, strict=True)
    ]


def _plain_cell(cell: Cell) -> dict[str, object]:
    return {"parts": [{"text": part.text, "origin": part.origin.value} for part in cell]}
