"""What the next generation is made of: rows carried over from the one before, the others opened from the catalog.

A revision never changes. So what a generation holds of one is, to the last bit, what would be made of it again, if
only the generation is whole and was made in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlmodel import Session, SQLModel

from indexer import catalog, lexicon
from indexer.analyse import terms
from indexer.content import VECTOR_DTYPE, open_text, open_vector
from indexer.generation import Generation
from indexer.keyring import KeyId
from indexer.seal import Key
from indexer.tables import VAULT_ORDINAL
from policies.errors import IntegrityError
from policies.model import SourceName

_DOCUMENT, _PASSAGE = (SQLModel.metadata.tables[name] for name in ("document", "passage"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """What decides, beside its text, which vectors and terms a passage has."""

    source: SourceName
    embedder: str
    analyser: str
    dim: int
    languages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """The rows of a generation. Revision i has rows `starts[i]` to `starts[i + 1]`; `starts` has shape (n + 1,).

    `vectors` has a line for every row, `postings` the terms of all rows, in parts.
    """

    starts: NDArray[np.int64]
    vectors: NDArray[np.float16]
    postings: tuple[lexicon.Postings, ...]


def serving(registered: catalog.Registration, folder: Path) -> Generation | None:
    """The generation that serves a source, opened in `folder` where its generations lie; None if it is not whole."""
    if registered.generation is None or registered.generation_digest is None:
        return None
    try:
        return Generation(registered.generation, folder / registered.generation, digest=registered.generation_digest)
    except IntegrityError:
        return None


def gather(
    session: Session,
    keys: Mapping[KeyId, Key],
    revisions: Mapping[KeyId, int],
    *,
    making: Making,
    former: Generation | None,
) -> Contents:
    """The rows of these revisions, in their order; the numbers are of their passages, `keys` has the key of each.

    What `former` holds of them is taken from there if it was made in the same way, anything else from the catalog.

    Raises:
        IntegrityError: the catalog does not have the passages of a revision, or one that is opened does not open.
    """
    _check_complete(session, revisions, making.source)
    starts = np.zeros(len(revisions) + 1, dtype=np.int64)
    np.cumsum(list(revisions.values()), out=starts[1:])
    vectors = np.zeros((int(starts[-1]), making.dim), dtype=VECTOR_DTYPE)
    first_rows = dict(zip(revisions, starts.tolist(), strict=False))
    postings: list[lexicon.Postings] = []
    if former is not None and _made_by(former) == making:
        held = {
            revision: rows
            for revision, rows in former.revisions().items()
            if rows[1] - rows[0] == revisions.get(revision)
        }
        moved = np.full(former.inventory.passages, -1, dtype=np.int64)
        for revision, (first, last) in held.items():
            start = first_rows.pop(revision)
            moved[first:last] = np.arange(start, start + last - first)
        former.vectors.move(moved, vectors)
        postings.append(former.lexicon.moved(moved))
    postings.append(_opened(session, keys, first_rows, making.languages, vectors))
    return Contents(starts=starts, vectors=vectors, postings=tuple(postings))


def _made_by(generation: Generation) -> Making:
    inventory = generation.inventory
    return Making(
        source=inventory.source,
        embedder=inventory.embedder,
        analyser=inventory.analyser,
        dim=inventory.dim,
        languages=inventory.languages,
    )


def _opened(
    session: Session,
    keys: Mapping[KeyId, Key],
    first_rows: Mapping[KeyId, int],
    languages: Sequence[str],
    vectors: NDArray[np.float16],
) -> lexicon.Postings:
    """The postings of revisions as the catalog has them; their vectors go into their rows."""
    rows: list[int] = []
    texts: list[list[str]] = []
    for revision, first in first_rows.items():
        key = keys[revision]
        for passage in catalog.passages(session, revision):
            row = first + passage.ordinal
            vectors[row] = open_vector(key, revision, passage.ordinal, passage.vector)
            text = open_text(key, revision, passage.ordinal, passage.text)
            texts.append(terms(text.indexed_text, languages))
            rows.append(row)
    return lexicon.counted(texts, rows)


def _check_complete(session: Session, revisions: Mapping[KeyId, int], source: SourceName) -> None:
    """Whether the catalog has every passage of every revision, also of those that need not be opened."""
    ordinal = _PASSAGE.c.ordinal
    statement = (
        select(_PASSAGE.c.revision, func.count(), func.min(ordinal), func.max(ordinal))
        .join(_DOCUMENT, _DOCUMENT.c.revision == _PASSAGE.c.revision)
        .where(_DOCUMENT.c.source == source, ordinal != VAULT_ORDINAL)
        .group_by(_PASSAGE.c.revision)
    )
    stored = {KeyId(row[0]): tuple(row[1:]) for row in session.connection().execute(statement)}
    for revision, passages in revisions.items():
        # No two passages of a revision have the same ordinal: the table's key forbids it.
        if passages and stored.get(revision) != (passages, 0, passages - 1):
            raise IntegrityError(
                f"Revision {revision!r} does not have the passages it should have.",
                mend="Restore the catalog from its backup, or sync the source again.",
            )
