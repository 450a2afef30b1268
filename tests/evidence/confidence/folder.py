"""A set of questions in the uniform format, read as somebody else wrote it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from indexer.analyse import terms
from policies.errors import RefusedError

AWAY = 30
"""The percentage of documents that is held out where a set names none."""
_READ = ("en", "fr")
_SAMPLE = 300
_LEAST_SHARE = 0.1
_FORMAT = (
    "A set is corpus.jsonl {id, title, text}, queries.jsonl {id, text, answerable} and qrels.tsv (query, document, "
    "grade; tabs, no header); title, answerable and grade may be missing."
)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, each with an `id` and a `text`; of documents without a title it is empty.

    Raises:
        RefusedError: it cannot be read, holds none or something else, or an id twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            row = _row(line, f"{path.name} line {number}")
            if row["id"] in found:
                raise RefusedError(f"{path.name} line {number} has the id of an earlier line.", mend=_FORMAT)
            found[row["id"]] = row
    if not found:
        raise RefusedError(f"{path.name} is empty.", mend=_FORMAT)
    return list(found.values())


def judgements(path: Path) -> dict[str, frozenset[str]]:
    """The documents that answer each query, by id: those with a grade above 0.

    Raises:
        RefusedError: it cannot be read, or a line is no judgement.
    """
    found: dict[str, set[str]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        query, *rest = line.rstrip("\r").split("\t")
        if not line.strip() or (number == 1 and len(rest) > 1 and not _grade(rest[-1:])):
            continue  # A header, which other tools write.
        grade = _grade(rest[1:])
        if not rest or len(rest) > len(("document", "grade")) or grade is None:
            raise RefusedError(f"{path.name} line {number} is no judgement.", mend=_FORMAT)
        if grade > 0:
            found.setdefault(query, set()).add(rest[0])
    return {query: frozenset(documents) for query, documents in found.items()}


def held_out(folder: Path) -> frozenset[str]:
    """The documents of a set that are left out of the index, so that what they answer is off its topics.

    Those that holdout30.json names; where there is none, AWAY percent by their ids.

    Raises:
        RefusedError: holdout30.json is damaged.
    """
    path = folder / "holdout30.json"
    if not path.exists():
        return frozenset(row["id"] for row in rows(folder / "corpus.jsonl") if _percentile(row["id"]) < AWAY)
    try:
        return frozenset(map(str, json.loads(_text(path))["holdout_docs"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{path.name} names no holdout_docs.", mend="Mend or delete it.") from error


def languages(corpus: Sequence[Mapping[str, str]]) -> str:
    """Those of the languages with stop words that a tenth of the documents is in, commonest first, as a manifest has
    them: "en" where no other is."""
    spoken = Counter(map(_language, [row["text"] for row in corpus[:: max(1, len(corpus) // _SAMPLE)]]))
    return ",".join(name for name, count in spoken.most_common() if count >= _LEAST_SHARE * spoken.total())


def _language(text: str) -> str:
    words = len(terms(text, ()))
    return max(_READ, key=lambda language: words - len(terms(text, (language,))))


def _row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        plain = {**row, "id": str(row["id"]), "title": row.get("title") or ""}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{place} is no object with an id.", mend=_FORMAT) from error
    if not isinstance(plain.get("text"), str) or not isinstance(plain["title"], str):
        raise RefusedError(f"{place} has no text.", mend=_FORMAT)
    return plain


def _grade(written: Sequence[str]) -> float | None:
    """1 where no grade is written, None where what is written is none."""
    try:
        return float(written[0]) if written else 1.0
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(path)!r} cannot be read as UTF-8.", mend=_FORMAT) from error


def _percentile(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") % 100
