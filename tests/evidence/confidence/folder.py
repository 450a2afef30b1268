"""A set of questions in the uniform format, read as somebody else wrote it."""

import hashlib
import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_TREC = 4


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, each with an `id` and a `text`; of documents without a title it is empty, and
    `answerable` is None where it is not said.

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
    """The documents that answer each query, by id: those with a grade above 0, none where all it has are of 0.

    Raises:
        RefusedError: it cannot be read, or a line is no judgement.
    """
    found: dict[str, set[str]] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        query, *rest = (cell.strip() for cell in line.split("\t"))
        if not line.strip() or (number == 1 and len(rest) > 1 and _grade(rest[-1:]) is None):
            continue  # A header, which other tools write.
        grade = _grade(rest[1:])
        if len(line.split("\t" if rest else None)) == _TREC:
            raise RefusedError(f"{path.name} line {number} has four columns, as TREC writes them.", mend=_FORMAT)
        if not rest or len(rest) > len(("document", "grade")) or grade is None:
            raise RefusedError(f"{path.name} line {number} is no judgement.", mend=_FORMAT)
        found.setdefault(query, set()).update(rest[:1] if grade > 0 else ())
    return {query: frozenset(documents) for query, documents in found.items()}


def equals(corpus: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Of each document those that have its title and text, itself among them, in the order of the corpus."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in corpus:
        alike.setdefault((_folded(row["title"]), _folded(row["text"])), []).append(row["id"])
    return {name: tuple(names) for names in alike.values() for name in names}


def widened(documents: Iterable[str], equal: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Those of the documents that the set has, and their equals."""
    return frozenset(name for document in documents for name in equal.get(document, ()))


def held_out(folder: Path) -> frozenset[str]:
    """The documents of a set that are left out of the index, so that what they answer is off its topics.

    Those that holdout30.json names; where there is none, AWAY percent by their ids, equal ones all or none.

    Raises:
        RefusedError: holdout30.json is damaged.
    """
    path = folder / "holdout30.json"
    if not path.exists():
        equal = equals(rows(folder / "corpus.jsonl"))
        return frozenset(name for name, (first, *_) in equal.items() if _percentile(first) < AWAY)
    try:
        named = json.loads(_text(path))["holdout_docs"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(f"{path.name} names no holdout_docs.", mend="Mend or delete it.") from error
    if not isinstance(named, list) or not all(type(name) in (str, int) for name in named):
        raise RefusedError(f"{path.name}: holdout_docs is no list of ids.", mend="Mend or delete it.")
    return frozenset(str(name).strip() for name in named)


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
        title = "" if row.get("title") is None else row["title"]
        name = "" if row["id"] is None else str(row["id"]).strip()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{place} is no object with an id.", mend=_FORMAT) from error
    except RecursionError as error:
        raise RefusedError(f"{place} is nested too deeply.", mend=_FORMAT) from error
    if not name:
        raise RefusedError(f"{place} has an empty id.", mend=_FORMAT)
    if not isinstance(row.get("text"), str) or not isinstance(title, str | int | float):
        raise RefusedError(f"{place} has no text, or a title that is none.", mend=_FORMAT)
    try:
        f"{name}{title}{row['text']}".encode()
    except UnicodeEncodeError as error:
        raise RefusedError(f"{place} holds half a character, a lone surrogate.", mend=_FORMAT) from error
    return {**row, "id": name, "title": str(title), "answerable": _flag(row.get("answerable"), place)}


def _flag(written: object, place: str) -> bool | None:
    if written is not None and str(written).lower() not in _FLAGS:
        raise RefusedError(f"{place} has an answerable that is neither true nor false.", mend=_FORMAT)
    return _FLAGS.get(str(written).lower())


def _grade(written: Sequence[str]) -> float | None:
    """1 where no grade is written, None where what is written is none."""
    try:
        grade = float(written[0]) if written else 1.0
    except ValueError:
        return None
    return grade if math.isfinite(grade) else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        packed = path.with_name(f"{path.name}.gz")
        only = f", only {packed.name}, which is to be unpacked." if packed.exists() else "."
        raise RefusedError(f"{str(path)!r} is not there{only}", mend=_FORMAT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(path)!r} cannot be read as UTF-8.", mend=_FORMAT) from error


def _percentile(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 100


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
