"""What a purge looks for in every file when it is done: heads of sealed bytes, pieces of text, vectors bit for bit."""

import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from sqlmodel import Session

from indexer import catalog, revisions
from indexer.content import open_description, open_text, open_vector
from indexer.scan import Scan
from indexer.workshop import Workshop

SNIPPET_BYTES = 48
"""Chosen: long enough to be unique, short enough to be found where only a part of a passage survived."""
_SEALED_NEEDLE_BYTES = 28
"""A nonce and the ciphertext behind it: random, so found only where these very bytes still lie."""
_REFERENCE = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{8,}\b")
"""Ticket numbers and part numbers: letters and digits together. Dates alone stand in many places."""
_PSEUDONYM = re.compile(r"\[\w+_[a-p]{20}\]")
"""All of a title or a line, in lower case: what was revealed is on record by its pseudonym."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d")
"""How a time begins, of which every table is full."""
_SEALED = ("document", "revision", "passage", "listed")
"""Tables of what documents say, of which nothing is rightly kept."""
MIN_NAME_BYTES = 16
"""Chosen: a shorter title, path or line can be a word of the tables' own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needles:
    """What must not be in any file any more: heads of sealed bytes, pieces of text, vectors bit for bit."""

    sealed: list[bytes]
    texts: list[bytes]
    vectors: list[bytes]

    def dump(self) -> bytes:
        """As JSON, to be sealed: a killed purge must still know what to look for."""
        plain = {
            name: [base64.b64encode(needle).decode() for needle in needles] for name, needles in asdict(self).items()
        }
        return json.dumps(plain).encode()

    @classmethod
    def load(cls, content: bytes) -> Self:
        """What `dump` gave."""
        plain = json.loads(content)
        return cls(**{name: [base64.b64decode(needle) for needle in needles] for name, needles in plain.items()})


def needles_of(workshop: Workshop, session: Session, held: Sequence[catalog.Revision]) -> Needles:
    """What these revisions leave no trace of once they are deleted."""
    ids = [one.id for one in held]
    keys = workshop.keyring.document_keys(ids)
    sealed = {wrapped[:_SEALED_NEEDLE_BYTES] for wrapped in workshop.keyring.wrapped_document_keys(ids)}
    texts: set[bytes] = set()
    vectors: set[bytes] = set()
    for one in held:
        revision = one.id
        stored = list(catalog.passages(session, revision))
        if one.sealed:
            sealed.add(one.sealed[:_SEALED_NEEDLE_BYTES])
        sealed |= {part[:_SEALED_NEEDLE_BYTES] for passage in stored for part in (passage.text, passage.vector)}
        vault = revisions.vault(session, revision)
        if vault is not None:
            sealed.add(vault[:_SEALED_NEEDLE_BYTES])
        key = keys.get(revision)
        if key is None:
            # A catalog restored from before an earlier purge: nobody can open this any more, here or in a backup.
            continue
        if one.sealed:
            description = open_description(key, revision, one.sealed)
            texts |= _long((description.origin_id, description.name, description.uri, description.title))
        for passage in stored:
            vectors.add(open_vector(key, revision, passage.ordinal, passage.vector).tobytes())
            text = open_text(key, revision, passage.ordinal, passage.text).text
            texts |= {snippet for line in _long([text]) for snippet in _snippets(line)} | _references(text)
    return Needles(sealed=sorted(sealed), texts=sorted(texts), vectors=sorted(vectors))


def _long(names: Iterable[str]) -> set[bytes]:
    # A name of the origin's file system may hold bytes that are no UTF-8.
    encoded = {name.encode("utf-8", "surrogatepass") for name in names}
    return {name for name in encoded if len(name) >= MIN_NAME_BYTES}


def _snippets(line: bytes) -> set[bytes]:
    """The beginning, the middle and the end of a passage."""
    middle = (len(line) - SNIPPET_BYTES) // 2
    return {line[:SNIPPET_BYTES], line[max(middle, 0) :][:SNIPPET_BYTES], line[-SNIPPET_BYTES:]}


def _references(text: str) -> set[bytes]:
    return {reference.encode() for reference in _REFERENCE.findall(text) if not _TIME.match(reference)}


def rightly_kept(workshop: Workshop, found: frozenset[bytes], vectors: Collection[bytes]) -> frozenset[bytes]:
    """Those of the needles found that are rightly there: a remaining document or a manifest holds them as well.

    Of references and pseudonyms also those that a record holds: the number of a request can stand in the document that
    it is about.
    A lexicon has texts in lower case, so that upper and lower case count alike.
    """
    texts = {needle: needle.decode(errors="ignore").casefold() for needle in found}
    with_vectors = not found.isdisjoint(vectors)
    kept: set[bytes] = set()
    with workshop.database.reading() as session:
        held = [registered.manifest for registered in catalog.registrations(session)]
        described = revisions.descriptions(session)
        for revision, key in workshop.keyring.document_keys(described).items():
            description = open_description(key, revision, described[revision])
            held += [description.origin_id, description.uri, description.title]
            for passage in catalog.passages(session, revision):
                held.append(open_text(key, revision, passage.ordinal, passage.text).indexed_text)
                if with_vectors:
                    kept |= found & {open_vector(key, revision, passage.ordinal, passage.vector).tobytes()}
            kept |= _texts_in(held, texts)
            held.clear()
            if kept >= found:
                break
        kept |= _texts_in(held, texts)
        references = {needle: text for needle, text in texts.items() if _may_be_on_record(text)}
        if not kept.issuperset(references):
            kept |= _texts_in(_records(workshop, session), references)
    return frozenset(kept)


def _may_be_on_record(text: str) -> bool:
    return bool(_REFERENCE.fullmatch(text) or _PSEUDONYM.fullmatch(text))


def _records(workshop: Workshop, session: Session) -> list[str]:
    """What is written down beside documents: acts, purges, jobs, orders, keys, grants."""
    with workshop.keyring.database.reading() as keys:
        return [*workshop.database.texts(session, but=_SEALED), *workshop.keyring.database.texts(keys, but=())]


def _texts_in(held: Sequence[str], texts: Mapping[bytes, str]) -> set[bytes]:
    folded = "\n".join(held).casefold()
    return {needle for needle, text in texts.items() if text and text in folded}


def ways(result: Scan) -> str:
    """How a scan looked, and where it could not."""
    ways = ", ".join(result.encodings)
    if not result.unfinished:
        return ways
    return f"{ways} ({result.unfinished} of {result.streams} compressed streams could not be read to their end)"
