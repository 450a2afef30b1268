"""Which questions are asked of a set, and of what part of it, so that it is known which have an answer."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from policies.errors import RefusedError
from tests.evidence.confidence.folder import equals, held_out, judgements, rows, widened

Kind = Literal["answerable", "deleted", "off_topic", "unanswerable"]
Reason = Literal["blank", "unjudged", "nowhere", "elsewhere"]
_SAID: Mapping[Reason, str] = {
    "blank": "they have no text",
    "unjudged": "they have neither a line in qrels.tsv nor answerable",
    "nowhere": "they are said to have an answer, but not where",
    "elsewhere": "no document that answers them is in corpus.jsonl",
}
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The questions of a set of which it is known what answers them: each with its documents and those equal to them,
    or with none. `left_out` counts the others by why, `example` names one whose documents are not there."""

    known: list[tuple[str, frozenset[str]]]
    left_out: Mapping[Reason, int]
    example: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The questions to ask of a set and the documents to leave out, none where it is asked as it is.

    `duplicates` are documents that equal an earlier one; `remarks` say what whoever reads the figures must know.
    """

    asked: list[Asked]
    away: frozenset[str]
    left_out: Mapping[Reason, int]
    duplicates: int
    remarks: tuple[str, ...]


def asked_of(folder: Path, *, holdout: bool, limit: int, seed: int) -> Chosen:
    """What to ask of a set.

    A set with fewer unanswerable questions than FEWEST is treated like one of which a part is to be held out.

    Raises:
        RefusedError: there are fewer than FEWEST of either kind.
    """
    asked = [] if holdout else natural(folder, limit=limit, seed=seed)
    found, equal = judged(folder), equals(rows(folder / "corpus.jsonl"))
    away: frozenset[str] = frozenset()
    if _fewest(asked) < FEWEST:
        asked, away = mixed(folder, limit=limit, seed=seed), widened(held_out(folder), equal)
    if _fewest(asked) < FEWEST:
        raise _too_few(folder, found, away)
    duplicates = len(equal) - len(set(equal.values()))
    return Chosen(
        asked=asked,
        away=away,
        left_out=found.left_out,
        duplicates=duplicates,
        remarks=tuple(_remarks(found, duplicates, 0 if holdout else len(away))),
    )


def mixed(folder: Path, *, limit: int, seed: int) -> list[Asked]:
    """Questions of a set of which a part is held out: 60 % have an answer in it, of 20 % the answer is hidden, and 20 %
    ask for what was held out."""
    away = widened(held_out(folder), equals(rows(folder / "corpus.jsonl")))
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
    """Questions of a set as it is."""
    found = [question(text, "answerable" if documents else "unanswerable", documents)
             for text, documents in labelled(folder, seed=seed)]  # fmt: skip
    return found[:limit]


def question(text: str, kind: Kind, documents: frozenset[str]) -> Asked:
    """A question whose answer is in these documents: there, or hidden, or not in the index at all."""
    if kind == "answerable":
        return Asked(text=text, kind=kind, documents=documents, hidden=frozenset())
    return Asked(text=text, kind=kind, documents=frozenset(), hidden=documents)


def labelled(folder: Path, *, seed: int, more: bool = False) -> list[tuple[str, frozenset[str]]]:
    """The questions of a set of which it is known what answers them, shuffled; `more` adds its training ones."""
    questions = judged(folder).known
    random.Random(seed).shuffle(questions)  # noqa: S311 - a sample, no secret
    return questions + (judged(folder, "queries_train.jsonl", "qrels_train.tsv").known if more else [])


def judged(folder: Path, queries: str = "queries.jsonl", qrels: str = "qrels.tsv") -> Judged:
    """The questions of a set, in its order.

    One has no answer where `answerable` is false, whatever is judged of it, or all that is judged has grade 0.
    """
    equal, relevant = equals(rows(folder / "corpus.jsonl")), judgements(folder / qrels)
    known: list[tuple[str, frozenset[str]]] = []
    left_out: Counter[Reason] = Counter()
    example = ""
    for row in rows(folder / queries):
        named = relevant.get(row["id"]) if row["answerable"] is not False else frozenset()
        documents = widened(named or (), equal)
        reason = _reason(row, named, documents)
        if reason is None:
            known.append((row["text"], documents))
        else:
            left_out[reason] += 1
        if reason == "elsewhere" and named and not example:
            example = f"{min(named)!r} of the query {row['id']!r}"
    return Judged(known=known, left_out=left_out, example=example)


def _reason(row: Mapping[str, Any], named: frozenset[str] | None, documents: frozenset[str]) -> Reason | None:
    """Why a question is left out, if it is."""
    if not row["text"].strip():
        return "blank"
    if named and not documents:
        return "elsewhere"
    if not named and row["answerable"]:
        return "nowhere"
    return "unjudged" if named is None else None


def _remarks(found: Judged, duplicates: int, away: int) -> Iterator[str]:
    """What is to be said; `away` documents are held out though nobody asked for it."""
    for reason, count in found.left_out.items():
        such = f", such as {found.example}" if reason == "elsewhere" else ""
        yield f"Questions left out: {count}, for {_SAID[reason]}{such}."
    if duplicates:
        yield f"Documents equal to an earlier one: {duplicates}. They answer, are hidden and are held out with it."
    if away:
        yield (
            f"As it is, the set has fewer than {FEWEST} questions with, or without, an answer. It is measured as with "
            f"--holdout: documents held out: {away}."
        )


def _too_few(folder: Path, found: Judged, away: frozenset[str]) -> RefusedError:
    queries = len(found.known) + sum(found.left_out.values())
    documents = [named for _, named in found.known if named]
    gone = sum(named <= away for named in documents)
    holding = "holdout30.json" if (folder / "holdout30.json").exists() else "the hold-out"
    left_out = "".join(f"; {count} are left out, for {_SAID[reason]}" for reason, count in found.left_out.items())
    return RefusedError(
        f"{folder.name} gives fewer than {FEWEST} questions with, or without, an answer: of {queries} queries "
        f"{len(found.known)} are judged, {len(documents)} of them have a document in corpus.jsonl, and {holding} takes "
        f"{len(away)} documents away, all that answer {gone} of them{left_out}.",
        mend="Add queries, and for each the documents that answer it to qrels.tsv.",
    )


def _fewest(asked: Sequence[Asked]) -> int:
    answerable = sum(one.kind == "answerable" for one in asked)
    return min(answerable, len(asked) - answerable)
