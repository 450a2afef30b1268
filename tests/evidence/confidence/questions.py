"""Which questions are asked of a set, and of what part of it, so that it is known which have an answer."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from policies.errors import RefusedError
from tests.evidence.confidence.folder import held_out, judgements, rows

Kind = Literal["answerable", "deleted", "off_topic", "unanswerable"]
SHARES: Mapping[Kind, float] = {"answerable": 0.6, "deleted": 0.2, "off_topic": 0.2}
"""The mix of a set of which a part is held out."""
FEWEST = 20
"""So many questions of either kind are the least that anything is said of."""


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


def asked_of(folder: Path, *, holdout: bool, limit: int, seed: int) -> tuple[list[Asked], frozenset[str]]:
    """The questions to ask of a set, and the documents to leave out: none where the set is asked as it is.

    A set with fewer unanswerable questions than FEWEST is treated like one of which a part is to be held out.

    Raises:
        RefusedError: there are fewer than FEWEST of either kind.
    """
    asked = [] if holdout else natural(folder, limit=limit, seed=seed)
    as_it_is = _fewest(asked) >= FEWEST
    if not as_it_is:
        asked = mixed(folder, limit=limit, seed=seed)
    if _fewest(asked) < FEWEST:
        raise RefusedError(
            f"{folder.name} gives {len(asked)} questions, fewer than {FEWEST} of them with, or without, an answer.",
            mend="Add queries, and for each the documents that answer it to qrels.tsv.",
        )
    return asked, frozenset() if as_it_is else held_out(folder)


def mixed(folder: Path, *, limit: int, seed: int) -> list[Asked]:
    """Questions of a set of which a part is held out: 60 % have an answer in it, of 20 % the answer is hidden, and 20 %
    ask for what was held out."""
    away, there = held_out(folder), frozenset(row["id"] for row in rows(folder / "corpus.jsonl"))
    known = [(text, documents & there) for text, documents in labelled(folder, seed=seed) if documents & there]
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
    """Questions of a set as it is: unanswerable are those that it says have no answer, or one that is not in it."""
    there = frozenset(row["id"] for row in rows(folder / "corpus.jsonl"))
    found = [question(text, "answerable" if documents & there else "unanswerable", documents & there)
             for text, documents in labelled(folder, seed=seed)]  # fmt: skip
    return found[:limit]


def question(text: str, kind: Kind, documents: frozenset[str]) -> Asked:
    """A question whose answer is in these documents: there, or hidden, or not in the index at all."""
    if kind == "answerable":
        return Asked(text=text, kind=kind, documents=documents, hidden=frozenset())
    return Asked(text=text, kind=kind, documents=frozenset(), hidden=documents)


def labelled(folder: Path, *, seed: int, more: bool = False) -> list[tuple[str, frozenset[str]]]:
    """The questions of a set, shuffled, each with the documents that answer it; `more` adds its training ones.

    Questions that are said to have an answer, but not where, are left out.
    """
    questions = _read(folder, "queries.jsonl", "qrels.tsv")
    random.Random(seed).shuffle(questions)  # noqa: S311 - a sample, no secret
    return questions + (_read(folder, "queries_train.jsonl", "qrels_train.tsv") if more else [])


def _read(folder: Path, queries: str, qrels: str) -> list[tuple[str, frozenset[str]]]:
    relevant = judgements(folder / qrels)
    return [
        (row["text"], relevant.get(row["id"], frozenset()))
        for row in rows(folder / queries)
        if row["text"].strip() and (row["id"] in relevant or row.get("answerable") is not True)
    ]


def _fewest(asked: Sequence[Asked]) -> int:
    answerable = sum(one.kind == "answerable" for one in asked)
    return min(answerable, len(asked) - answerable)
