"""How well documents are found, by words, by meaning and by both, through the real pipeline.

    python -m tests.evidence.retrieval FOLDER [--languages en] [--redaction none]

FOLDER holds corpus.jsonl {id, title, text}, queries.jsonl {id, text} and qrels.tsv (query, document, grade). Every
document becomes a file that is synced, parsed, redacted, split and embedded as any other; a document ranks where its
best passage does. Bounds: by both is at most .005 worse than the better of the two alone; and where a plain script
(MiniLM and BM25 over whole documents, reciprocal rank fusion) was measured on the set, each figure is at most .005
worse than that script's.
"""

import argparse
import html
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from gateway import settings
from gateway.lookup import Lookup, Opened, Question
from gateway.wiring import Installation, clock, create_installation, open_installation
from indexer import catalog
from indexer.analyse import terms
from indexer.generation import Generation
from indexer.master import create_master_key
from indexer.rules import RedactionRules
from policies.model import Caller, DocumentId, SourceName
from tests.evidence.running import applied, synced

DEPTH = 100
CUT = 10
TOLERANCE = 0.005
PLAIN = {
    "scifact": {"lexical": 0.679, "dense": 0.650, "hybrid": 0.714},
    "clapnq": {"lexical": 0.946, "dense": 0.984, "hybrid": 0.976},
    "squad2_dev": {"lexical": 0.890, "dense": 0.800, "hybrid": 0.878},
}
"""nDCG@10 of the plain script."""
SOURCE = SourceName("evidence")
MANIFEST = """
source: evidence
title: Evidence
owner: evidence@example.com
state: active
serving: on
connector: {{kind: filesystem, root: ., include: ["*.html"]}}
policy:
  controller: Example
  regime: us
  lawful_basis: {{basis: contract, reference: EVIDENCE}}
  special_categories: none
  purposes: [evidence]
  retention: {{period: P50Y, from: modified}}
  residency: {{store: [us], process: [us], serve: [us], transfers: []}}
  access: {{allow: [group:all]}}
  redaction: {{profile: {profile}, languages: [{languages}]{reason}}}
  contract: {{processor_agreement: own operation}}
  customer: {{name: Example, contract: EVIDENCE, sector: none}}
"""
Ranking = Callable[[str], list[DocumentId]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Means over the queries that have a relevant document."""

    ndcg: float
    recall: float
    hit: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was taken in and asked, and the figures by words, by meaning and by both."""

    documents: int
    quarantined: int
    passages: int
    queries: int
    figures: Mapping[str, Figures]


def main() -> int:
    """Measure one set; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--languages", default="en", help="of the set, such as en or fr,en")
    parser.add_argument("--redaction", default="none", choices=["none", "identifiers", "balanced", "strict"])
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    return _report(given.folder.name, measure(given.folder, redaction=given.redaction, languages=given.languages))


def measure(folder: Path, *, redaction: str, languages: str, documents: int | None = None) -> Measured:
    """How well the documents of a set are found. With `documents`, of so many only: the relevant ones, then the first.

    Every query of which a relevant document is there is asked.
    """
    relevant = _relevant(folder / "qrels.tsv")
    corpus = _chosen(_rows(folder / "corpus.jsonl"), relevant, documents)
    relevant = _within(relevant, {row["id"] for row in corpus})
    queries = {row["id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["id"] in relevant}
    with tempfile.TemporaryDirectory(prefix="penstock-evidence-") as temporary:
        names = write_documents(corpus, Path(temporary) / "documents")
        chosen = settings.load({"PENSTOCK_HOME": str(Path(temporary) / "home")})
        create_master_key(Path(temporary) / "master.key")
        create_installation(chosen, store_region="us")
        with open_installation(chosen) as installation:
            policy = manifest(redaction, languages)
            passages, quarantined = _ingest(installation, policy, Path(temporary) / "documents")
            ids = {installation.keyring.document_id(SOURCE, f"{number}.html"): name for name, number in names.items()}
            figures = {
                leg: _measured(ranking, queries, relevant, ids) for leg, ranking in _rankings(installation).items()
            }
    return Measured(
        documents=len(names), quarantined=quarantined, passages=passages, queries=len(queries), figures=figures
    )


def _chosen(
    corpus: list[dict[str, str]], relevant: Mapping[str, Mapping[str, int]], documents: int | None
) -> list[dict[str, str]]:
    if documents is None:
        return corpus
    asked_for = {document for grades in relevant.values() for document in grades}
    return sorted(corpus, key=lambda row: row["id"] not in asked_for)[:documents]


def _within(relevant: Mapping[str, Mapping[str, int]], documents: AbstractSet[str]) -> dict[str, dict[str, int]]:
    """The grades of these documents, of the queries that have any."""
    left = {
        query: {document: grade for document, grade in grades.items() if document in documents}
        for query, grades in relevant.items()
    }
    return {query: grades for query, grades in left.items() if grades}


def _rankings(installation: Installation) -> dict[str, Ranking]:
    lookup = installation.lookup()
    caller = Caller(subject="evidence", groups=frozenset({"all"}), purposes=frozenset({"evidence"}), region="us")
    with installation.database.reading() as session:
        opened = lookup.open(session, catalog.require(session, SOURCE), caller, "evidence", clock())
    if not isinstance(opened, Opened):
        raise SystemExit(f"nothing may be searched: {opened}")
    generation, visible = opened.generation, opened.generation.visible(opened.permits, opened.hidden)
    languages = opened.source.policy.redaction.languages

    def lexical(query: str) -> list[DocumentId]:
        rows, _ = generation.lexicon.score(terms(_redacted(lookup, opened, query), languages), visible).top(DEPTH)
        return _documents(generation, rows.tolist())

    def dense(query: str) -> list[DocumentId]:
        vector = lookup.embedder.embed_query(_redacted(lookup, opened, query))
        rows, _ = generation.vectors.search(vector, visible, DEPTH)
        return _documents(generation, rows.tolist())

    def hybrid(query: str) -> list[DocumentId]:
        found = lookup.look(opened, Question(text=query), k=DEPTH)
        return list(dict.fromkeys(hit.document for hit in found.hits))

    return {"lexical": lexical, "dense": dense, "hybrid": hybrid}


def _redacted(lookup: Lookup, opened: Opened, query: str) -> str:
    rules = RedactionRules.of(opened.source.policy.redaction)
    return lookup.redactor.redact([query], key=lookup.keyring.pseudonym_key(SOURCE), rules=rules).texts[0]


def _documents(generation: Generation, rows: Iterable[int]) -> list[DocumentId]:
    return list(dict.fromkeys(generation.member(row)[0].document for row in rows))


def _measured(
    ranking: Ranking,
    queries: Mapping[str, str],
    relevant: Mapping[str, Mapping[str, int]],
    ids: Mapping[DocumentId, str],
) -> Figures:
    ndcg, recall, hit = [], [], []
    for query, text in queries.items():
        grades = relevant[query]
        gained = [grades.get(ids[document], 0) for document in ranking(text)[:CUT]]
        ideal = sorted(grades.values(), reverse=True)[:CUT]
        ndcg.append(_discounted(gained) / _discounted(ideal))
        recall.append(sum(grade > 0 for grade in gained) / len(grades))
        hit.append(float(gained[:1] > [0]))
    return Figures(ndcg=_mean(ndcg), recall=_mean(recall), hit=_mean(hit))


def _ingest(installation: Installation, manifest: str, documents: Path) -> tuple[int, int]:
    """How many passages came of these documents, and how many documents were quarantined."""
    job = synced(installation, applied(installation, manifest, documents))
    quarantined = job.tally.get("quarantined", 0)
    if quarantined:
        print(f"quarantined: {dict(job.tally)}")
    with installation.database.reading() as session:
        return catalog.counts(session, SOURCE)["passages"], quarantined


def write_documents(rows: Iterable[dict[str, str]], folder: Path) -> dict[str, int]:
    folder.mkdir()
    names: dict[str, int] = {}
    for number, row in enumerate(rows):
        title, text = html.escape(row["title"]), html.escape(row["text"])
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
        (folder / f"{number}.html").write_text(page, "utf-8")
        names[row["id"]] = number
    return names


def _report(name: str, measured: Measured) -> int:
    print(f"{name}: {measured.documents} documents, {measured.passages} passages, {measured.queries} queries\n")
    print(f"{'':8} {'nDCG@10':>8} {'plain':>8} {'recall@10':>10} {'hit@1':>8}")
    plain, figures = PLAIN.get(name, {}), measured.figures
    for leg, row in figures.items():
        print(f"{leg:8} {row.ndcg:8.4f} {plain.get(leg, math.nan):8.3f} {row.recall:10.4f} {row.hit:8.4f}")
    better_leg = max(figures["lexical"].ndcg, figures["dense"].ndcg)
    bounds = {"hybrid_not_worse": figures["hybrid"].ndcg >= better_leg - TOLERANCE}
    bounds |= {f"{leg}_not_below_plain": figures[leg].ndcg >= figure - TOLERANCE for leg, figure in plain.items()}
    rows = {leg: {"ndcg@10": row.ndcg, "recall@10": row.recall, "hit@1": row.hit} for leg, row in figures.items()}
    taken = {"documents": measured.documents, "passages": measured.passages}
    print(json.dumps({"set": name, **taken, "figures": rows, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


def manifest(profile: str, languages: str) -> str:
    reason = ', reason: "Public sets for measuring retrieval."' if profile == "none" else ""
    return MANIFEST.format(profile=profile, languages=languages, reason=reason)


def _relevant(path: Path) -> dict[str, dict[str, int]]:
    relevant: dict[str, dict[str, int]] = {}
    for line in path.read_text("utf-8").splitlines():
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, {})[document] = int(grade)
    return relevant


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _discounted(grades: Sequence[int]) -> float:
    return math.fsum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
