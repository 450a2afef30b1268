"""Golden questions: questions of people, with the documents that answer them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from indexer import catalog
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from policies.errors import RefusedError
from policies.model import SourceName


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """A question with its label: the origin ids of the documents that answer it, none where none does."""

    query: str
    documents: tuple[str, ...]


def read_golden(path: Path, source: SourceName) -> tuple[Golden, ...]:
    """The questions of a JSON-lines file that are for this source: {"source", "query", "documents": [origin ids]}.

    Raises:
        RefusedError: the file cannot be read, or a line is not such a question.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{str(path)!r} cannot be read as UTF-8.", mend="Name a JSON-lines file.") from error
    found = [_golden(line, number, path) for number, line in enumerate(lines, start=1) if line.strip()]
    return tuple(golden for named, golden in found if named == source)


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
    return source, Golden(query=query.strip(), documents=tuple(documents))


def _not_golden(path: Path, number: int) -> RefusedError:
    return RefusedError(
        f"{path!s}:{number}: this is not a golden question.",
        mend='Write one JSON object a line: {"source": "…", "query": "…", "documents": ["…"]}, [] if not answerable.',
    )
