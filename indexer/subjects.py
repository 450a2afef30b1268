"""Finding the documents that mention a person, without keeping who it is.

Personal data stands in a source as pseudonyms under a key of its own: what is looked for is turned into the same
pseudonyms, of every type it could have been taken for. What redaction did not know is still there as it was written,
so that is looked for too, and in the names of documents.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexer import catalog, revisions, wordings
from indexer.content import open_description, open_text
from indexer.recognisers import ENTITIES
from indexer.recognisers.canonical import canonical
from indexer.redact import pseudonym
from indexer.workshop import Workshop
from policies import ledger
from policies.errors import RefusedError
from policies.manifest import Source
from policies.model import Action, AuditEvent, DocumentId
from policies.orders import check_reference

MIN_CHARS = 4
"""Chosen: what is shorter stands inside other words, and would erase what has nothing to do with the person."""
_BETWEEN_WORDS = r"[\s_.,+%-]+"
"""Signs that stand for a space in names of files and addresses, and between a family name and a first one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """A document that mentions what was looked for: in its name or title, and in how many passages of its versions."""

    document: DocumentId
    named: bool
    passages: int


def find(
    workshop: Workshop, source: Source, values: Sequence[str], *, reference: str, actor: str
) -> tuple[Mention, ...]:
    """The documents of a source in which one of these values stands: a name, an address, a number. By document id.

    Letter case, the signs between words and, in a name, which of them comes first do not count; words are whole. The
    search is recorded with its reference and what it found, and never with what was looked for.

    Raises:
        RefusedError: a value is too short to tell anybody apart, or there is no reference.
    """
    told = check_reference(reference, "reference of the request")
    pattern = _pattern(workshop, source, values)
    with workshop.database.reading() as session:
        held = revisions.of(session, sorted(revisions.documents(session, source.name)))
        keys = workshop.keyring.document_keys(revision.id for _, revision in held)
        found: dict[DocumentId, Mention] = {}
        for document, revision in held:
            key = keys.get(revision.id)
            if key is None or not revision.sealed:
                continue
            described = open_description(key, revision.id, revision.sealed)
            names = (described.title, described.uri, described.origin_id, described.name)
            texts = (
                open_text(key, revision.id, passage.ordinal, passage.text).indexed_text
                for passage in catalog.passages(session, revision.id)
            )
            before = found.get(document, Mention(document=document, named=False, passages=0))
            mention = Mention(
                document=document,
                named=before.named or any(pattern.search(_folded(name)) for name in names),
                passages=before.passages + sum(pattern.search(_folded(text)) is not None for text in texts),
            )
            if mention.named or mention.passages:
                found[document] = mention
    mentions = tuple(found[document] for document in sorted(found))
    event = AuditEvent(
        actor=actor,
        action=Action.SUBJECT_SEARCHED,
        objects=(source.name, *(mention.document for mention in mentions)),
        policy_hash=source.policy_hash,
        detail={"reference": told, "documents": len(mentions)},
    )
    with workshop.database.writing() as session:
        ledger.append(session, event, now=workshop.clock())
    return mentions


def count_questions(workshop: Workshop, source: Source, values: Sequence[str]) -> int:
    """How many questions `forget_questions` would forget. Raises as `find` does."""
    return wordings.count(workshop, source, _meant(workshop, source, values))


def forget_questions(workshop: Workshop, source: Source, values: Sequence[str], *, reference: str, actor: str) -> int:
    """Delete the kept words of questions in which one of these values stands, as `find` looks for it; how many.

    That is on record, with the reference and never with what was looked for. Raises as `find` does.
    """
    told = check_reference(reference, "reference of the request")
    forgotten = wordings.forget(workshop, source, _meant(workshop, source, values))
    workshop.record(source, actor, Action.QUESTIONS_FORGOTTEN, {"reference": told, "questions": forgotten})
    return forgotten


def _meant(workshop: Workshop, source: Source, values: Sequence[str]) -> Callable[[str], bool]:
    pattern = _pattern(workshop, source, values)
    return lambda query: pattern.search(_folded(query)) is not None


def _pattern(workshop: Workshop, source: Source, values: Sequence[str]) -> re.Pattern[str]:
    key = workshop.keyring.pseudonym_key(source.name)
    known = ENTITIES | {pattern.entity for pattern in source.policy.redaction.patterns}
    alternatives: set[str] = set()
    for value in values:
        words = _folded(value).split()
        if sum(map(str.isalnum, "".join(words))) < MIN_CHARS:
            raise RefusedError(
                f"What is looked for has fewer than {MIN_CHARS} letters and digits.",
                mend="Give the whole name, address or number.",
            )
        for order in _orders(words):
            plain = _BETWEEN_WORDS.join(map(re.escape, order))
            alternatives.add(rf"(?<![^\W_]){plain}(?![^\W_])")
        alternatives |= {
            re.escape(_folded(pseudonym(entity, value, key=key))) for entity in known if canonical(entity, value)
        }
    return re.compile("|".join(sorted(alternatives)))


def _orders(words: Sequence[str]) -> list[Sequence[str]]:
    """The words as given and, without digits among them, as a name may stand elsewhere: Doe, Jane Mary."""
    if any(map(str.isdigit, "".join(words))):
        return [words]
    return [[*words[first:], *words[:first]] for first in range(len(words))]


def _folded(text: str) -> str:
    """One spelling of what reads alike: file systems write accents apart from their letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
