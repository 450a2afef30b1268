"""Golden questions: questions of people, with the documents that answer them."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from sqlmodel import Session

from gateway.schemas import MAX_QUERY_CHARS
from indexer import catalog
from indexer.keyring import Keyring
from indexer.seal import seal, unseal
from indexer.tables import DocumentState
from policies.errors import IntegrityError, RefusedError
from policies.model import Caller, DocumentId, SourceName

_WORDS = re.compile(r"\w+")
_SPELT = re.compile(r"[\w+#]+")
SCOPES_KEPT = 500
"""Chosen: five days of a sync every 15 minutes that each changes something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """A question with its label: the origin ids of the documents that answer it, none where none does.

    `line` is where a file has it, 1-based, 0 where it is of none.
    """

    query: str
    documents: tuple[str, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A question with its label, as it is kept to be asked again: by opaque ids, for names can be those of people."""

    query: str
    documents: tuple[DocumentId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """Golden questions of a source, with the caller that they are asked as.

    `scopes` names what that caller saw each time they were asked, the last one last.
    """

    subject: str
    groups: tuple[str, ...]
    purpose: str
    region: str
    asked: tuple[Kept, ...]
    scopes: tuple[str, ...] = ()

    def caller(self) -> Caller:
        """Who asks them."""
        return Caller(
            subject=self.subject, groups=frozenset(self.groups), purposes=frozenset({self.purpose}), region=self.region
        )

    def population(self) -> str:
        """What every figure and promise is about."""
        groups = ", ".join(self.groups) or "no group"
        return f"{len(self.asked)} questions, as {groups} in {self.region}, for {self.purpose}"

    def worded(self, wordings: Sequence[str]) -> Self:
        """They, in these words, one for each: as they were redacted, so that no name is kept that redaction finds."""
        asked = zip(self.asked, wordings, strict=True)
        return replace(self, asked=tuple(replace(one, query=wording) for one, wording in asked))

    def after(self, scope: str) -> Self:
        """They, asked once more where this is seen."""
        return replace(self, scopes=(*(seen for seen in self.scopes if seen != scope), scope)[-SCOPES_KEPT:])

    def seal(self, keyring: Keyring, source: SourceName) -> bytes:
        """Sealed under the source's key, for questions can hold what no catalog may."""
        return seal(keyring.golden_key(source), json.dumps(asdict(self)).encode(), place=_place(source))

    @classmethod
    def unseal(cls, keyring: Keyring, source: SourceName, sealed: bytes) -> Self:
        """What `seal` made.

        Raises:
            IntegrityError: it does not open, or is of another version.
        """
        opened = unseal(keyring.golden_key(source), sealed, place=_place(source))
        try:
            plain = json.loads(opened)
            lists = {name: tuple(plain[name]) for name in ("groups", "scopes")}
            asked = tuple(Kept(query=one["query"], documents=tuple(one["documents"])) for one in plain["asked"])
            return cls(**plain | lists | {"asked": asked})
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"The golden questions of {str(source)!r} are of another version of Penstock.",
                mend=f"Run: penstock calibrate {source} GOLDEN.jsonl",
            ) from error


def keep(keyring: Keyring, source: SourceName, questions: Sequence[Golden]) -> tuple[Kept, ...]:
    """Golden questions as they are asked and kept."""
    return tuple(
        Kept(
            query=golden.query,
            documents=tuple(sorted(keyring.document_id(source, document) for document in golden.documents)),
        )
        for golden in questions
    )


def read_golden(path: Path, source: SourceName) -> tuple[Golden, ...]:
    """The questions of a JSON-lines file that are for this source: {"source", "query", "documents": [origin ids]}.

    One that is asked twice, but for capitals, spaces and punctuation, counts once. C++ and C# are two words.

    Raises:
        RefusedError: the file cannot be read, a line is not such a question or one that no caller could ask, none is
            for this source, or two lines say different things of one question.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(path)!r} cannot be read as UTF-8.", mend="Name a JSON-lines file.") from error
    found: dict[str, Golden] = {}
    others = 0
    for number, line in enumerate(lines, start=1):
        named, golden = _golden(line, number, path) if line.strip() else ("", None)
        if golden is None or named != source:
            others += golden is not None
            continue
        if not _can_be_asked(golden.query):
            raise RefusedError(
                f"{path!s}:{number}: no caller could ask this question.",
                mend=f"Write text of 1 to {MAX_QUERY_CHARS:,} characters, without NUL and without half a pair of "
                "surrogates, such as \\ud83d alone.",
            )
        known = found.setdefault(_plain(golden.query, _SPELT), golden)
        if set(known.documents) != set(golden.documents):
            raise RefusedError(
                f"{path!s}:{number}: the question of line {known.line} is asked again, with other documents.",
                mend="Leave one of the two lines out, or name all the documents in one.",
            )
    if not found:
        raise RefusedError(
            f"{str(path)!r} holds no question for {str(source)!r}, and {others} for other sources.",
            mend='Each line names its source: {"source": "' + source + '", "query": "…", "documents": ["…"]}',
        )
    return tuple(found.values())


def alike(query: str) -> str:
    """The words of a question, the same for two that differ in capitals, spaces and punctuation alone.

    By it is drawn what certifies. Were it to change, what was fitted on before an upgrade could certify after it.
    """
    return _plain(query, _WORDS)


def _plain(query: str, words: re.Pattern[str]) -> str:
    return " ".join(words.findall(query.casefold())) or query


def check_documents(session: Session, keyring: Keyring, source: SourceName, questions: Sequence[Golden]) -> None:
    """Return if every document that a label names is indexed: a label that is out of date would count as a failure.

    Raises:
        RefusedError: one is not.
    """
    stored = catalog.documents(session, source)
    indexed = {document.id for document in stored.values() if document.state is DocumentState.INDEXED}
    named = dict.fromkeys(document for golden in questions for document in golden.documents)
    missing = [document for document in named if keyring.document_id(source, document) not in indexed]
    if missing:
        raise RefusedError(
            f"{len(missing)} documents that golden questions name are not indexed in {source!r}: {missing[0]!r} first.",
            mend="Name documents by their origin ids (for a folder, the path below its root), sync, or mend the file.",
        )


def _place(source: SourceName) -> str:
    return f"golden questions of {source}"


def _golden(line: str, number: int, path: Path) -> tuple[str, Golden]:
    try:
        plain = json.loads(line)
        source, query, documents = plain["source"], plain["query"], plain["documents"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_golden(path, number) from error
    well_formed = (
        isinstance(source, str) and isinstance(query, str) and bool(query.strip()) and isinstance(documents, list)
    )
    if not well_formed or not all(isinstance(document, str) for document in documents):
        raise _not_golden(path, number)
    return source, Golden(query=query.strip(), documents=tuple(documents), line=number)


def _can_be_asked(query: str) -> bool:
    """Whether the API would take it."""
    try:
        query.encode()
    except UnicodeEncodeError:
        return False
    return len(query) <= MAX_QUERY_CHARS and "\0" not in query


def _not_golden(path: Path, number: int) -> RefusedError:
    return RefusedError(
        f"{path!s}:{number}: this is not a golden question.",
        mend='Write one JSON object a line: {"source": "…", "query": "…", "documents": ["…"]}, [] if not answerable.',
    )
