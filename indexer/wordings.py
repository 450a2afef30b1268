"""Forgetting questions: those kept long enough, and the words of those that hold what is erased.

The words of each have a key of their own in the keyring, which goes first: a catalog put back from a backup, whatever
it names, has no words that were forgotten. One with the former keyring does.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from indexer import asked, catalog
from indexer.asked import Asked, Kept
from indexer.content import open_text
from indexer.keyring import KeyId
from indexer.redact import PSEUDONYM
from indexer.tables import AskedRow, HandoffRow, LabelRow
from indexer.workshop import Workshop
from policies.manifest import Source

TABLES = (AskedRow, LabelRow, HandoffRow)
"""Where questions are kept, and what hangs on them."""


def expire(workshop: Workshop, source: Source) -> None:
    """Delete the questions to a source that are kept no longer. No document, so no receipt counts them."""
    now = workshop.clock()
    _expire_keys(workshop, source, asked.kept_from(source.policy.retention.period, now))
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
    questions, words = _worded(workshop, source)
    meant = {request for request, kept in words.items() if is_meant(kept.query)}
    if meant:
        gone = [one for one in questions if one.request in meant]
        workshop.keyring.destroy(asked=[asked.key_owner(one.source, one.asked_at, one.request) for one in gone])
    # With them what a forgetting that was killed, or a catalog put back, left without a key.
    if dropped := {one.request for one in questions} - words.keys() | meant:
        with workshop.database.writing() as session:
            asked.drop_words(session, dropped)
    return len(meant)


def count(workshop: Workshop, source: Source, is_meant: Callable[[str], bool]) -> int:
    """How many questions `forget` would forget."""
    return sum(is_meant(kept.query) for kept in _worded(workshop, source)[1].values())


def forget_like(workshop: Workshop, source: Source, revisions: Collection[KeyId]) -> int:
    """Delete the kept words of those questions that hold a pseudonym which these revisions hold as well; how many."""
    held = _pseudonyms(workshop, revisions)
    return forget(workshop, source, lambda query: not held.isdisjoint(PSEUDONYM.findall(query))) if held else 0


def _worded(workshop: Workshop, source: Source) -> tuple[tuple[Asked, ...], dict[str, Kept]]:
    with workshop.database.reading() as session:
        questions = asked.worded(session, source.name)
    return questions, asked.open_words(workshop.keyring, questions)


def _expire_keys(workshop: Workshop, source: Source, since: datetime) -> None:
    """Destroy the keys of words that are kept no longer, of those too that this catalog, restored, does not name."""
    first = asked.key_owner(source.name, since, "")
    if past := [owner for owner in workshop.keyring.asked_owners(source.name) if owner < first]:
        workshop.keyring.destroy(asked=past)


def _pseudonyms(workshop: Workshop, revisions: Collection[KeyId]) -> frozenset[tuple[str, str]]:
    """Those in the passages: entity and letters."""
    keys = workshop.keyring.document_keys(revisions)
    with workshop.database.reading() as session:
        texts = (
            open_text(key, revision, passage.ordinal, passage.text).indexed_text
            for revision, key in keys.items()
            for passage in catalog.passages(session, revision)
        )
        return frozenset(pseudonym for text in texts for pseudonym in PSEUDONYM.findall(text))
