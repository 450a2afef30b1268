"""Forgetting questions: those kept long enough, and the words of those that hold what is erased."""

import re
from collections.abc import Callable, Collection

from indexer import asked, catalog
from indexer.content import open_text
from indexer.keyring import KeyId
from indexer.tables import AskedRow, HandoffRow, LabelRow
from indexer.workshop import Workshop
from policies.manifest import Source

TABLES = (AskedRow, LabelRow, HandoffRow)
"""Where questions are kept, and what hangs on them."""
_PSEUDONYM = re.compile(r"\[[A-Z][A-Z0-9_]*_[a-p]{20}\]")


def expire(workshop: Workshop, source: Source) -> None:
    """Delete the questions to a source that are kept no longer. No document, so no receipt counts them."""
    now = workshop.clock()
    with workshop.database.reading() as session:
        if not asked.has_expired(session, source, now):
            return
    with workshop.database.writing() as session:
        asked.expire(session, source, now)
    workshop.database.checkpoint(*TABLES)


def forget(workshop: Workshop, source: Source, is_meant: Callable[[str], bool]) -> int:
    """Delete the kept words of those questions to a source whose redacted text is meant; how many.

    Their features and labels, which nobody can be told from, stay.
    """
    with workshop.database.reading() as session:
        sealed = asked.sealed_of(session, source.name)
    if not sealed:
        return 0
    key = workshop.keyring.asked_key(source.name)
    meant = [request for request, words in sealed.items() if is_meant(asked.open_words(key, request, words).query)]
    if meant:
        with workshop.database.writing() as session:
            asked.drop_words(session, meant)
    return len(meant)


def forget_like(workshop: Workshop, source: Source, revisions: Collection[KeyId]) -> int:
    """Delete the kept words of those questions that hold a pseudonym which these revisions hold as well; how many."""
    held = _pseudonyms(workshop, revisions)
    return forget(workshop, source, lambda query: not held.isdisjoint(_PSEUDONYM.findall(query))) if held else 0


def _pseudonyms(workshop: Workshop, revisions: Collection[KeyId]) -> frozenset[str]:
    keys = workshop.keyring.document_keys(revisions)
    with workshop.database.reading() as session:
        texts = (
            open_text(key, revision, passage.ordinal, passage.text).indexed_text
            for revision, key in keys.items()
            for passage in catalog.passages(session, revision)
        )
        return frozenset(pseudonym for text in texts for pseudonym in _PSEUDONYM.findall(text))
