"""Which questions are asked of a set, and of what part of it, so that it is known which have an answer."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["answerable", "deleted", "off_topic", "unanswerable"]
SHARES: Mapping[Kind, float] = {"answerable": 0.6, "deleted": 0.2, "off_topic": 0.2}
"""The mix of a set of which a part is held out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question: the documents that answer it, and those that are hidden while it is asked."""

    text: str
    kind: Kind
    documents: frozenset[str]
    hidden: frozenset[str]

    @property
    def group(self) -> str:
        """What it asks for: the first of its documents, or itself."""
        return min(self.documents | self.hidden, default=self.text)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def held_out(folder: Path) -> frozenset[str]:
    """The documents of a set that are left out of the index, so that what they answer is off its topics."""
    held: dict[str, list[str]] = json.loads((folder / "holdout30.json").read_text("utf-8"))
    return frozenset(held["holdout_docs"])


def mixed(folder: Path, *, limit: int, seed: int) -> list[Asked]:
    """Questions of a set of which a part is held out: 60 % have an answer in it, of 20 % the answer is hidden, and 20 %
    ask for what was held out."""
    away = held_out(folder)
    known = [(text, documents) for text, documents in labelled(folder, seed=seed) if documents]
    here = [(text, documents) for text, documents in known if documents - away]
    gone = [(text, documents) for text, documents in known if not documents - away]
    total = int(min(limit, len(here) / (1 - SHARES["off_topic"]), len(gone) / SHARES["off_topic"]))
    answerable, deleted, off_topic = (int(total * share) for share in SHARES.values())
    return [
        *(question(text, "answerable", documents - away) for text, documents in here[:answerable]),
        *(question(text, "deleted", documents - away) for text, documents in here[answerable:][:deleted]),
        *(question(text, "off_topic", documents) for text, documents in gone[:off_topic]),
    ]


def natural(folder: Path, *, limit: int, seed: int) -> list[Asked]:
    """Questions of a set as it is, those that it says have no answer among them."""
    found = [question(text, "answerable" if documents else "unanswerable", documents)
             for text, documents in labelled(folder, seed=seed)]  # fmt: skip
    return found[:limit]


def question(text: str, kind: Kind, documents: frozenset[str]) -> Asked:
    """A question whose answer is in these documents: there, or hidden, or not in the index at all."""
    if kind == "answerable":
        return Asked(text=text, kind=kind, documents=documents, hidden=frozenset())
    return Asked(text=text, kind=kind, documents=frozenset(), hidden=documents)


def labelled(folder: Path, *, seed: int, more: bool = False) -> list[tuple[str, frozenset[str]]]:
    """The questions of a set, shuffled, each with the documents that answer it; `more` adds its training ones."""
    questions = _read(folder, "queries.jsonl", "qrels.tsv")
    random.Random(seed).shuffle(questions)  # noqa: S311 - a sample, no secret
    return questions + (_read(folder, "queries_train.jsonl", "qrels_train.tsv") if more else [])


def _read(folder: Path, queries: str, judgements: str) -> list[tuple[str, frozenset[str]]]:
    relevant: dict[str, set[str]] = {}
    for line in (folder / judgements).read_text("utf-8").splitlines():
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, set()).add(document)
    return [(row["text"], frozenset(relevant.get(row["id"], ()))) for row in rows(folder / queries)]
