"""One document's way from bytes to sealed passages: parsed, redacted, split, embedded, sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, unquote

from connectors.base import SourceDocument
from indexer.catalog import Revision, SealedPassage
from indexer.content import Description, PassageText, seal_description, seal_text, seal_vector
from indexer.embed import Embedder, EmbedderIdentity
from indexer.keyring import Keyring
from indexer.parse import parse
from indexer.passages import TokenCounter, split
from indexer.redact import Redactor
from indexer.sandbox import Sandbox
from indexer.versions import code_version
from policies.errors import QuarantineError
from policies.manifest import Source

_URI_DELIMITERS = ":/?#[]@!$&'()*+,;="
"""RFC 3986, section 2.2: what gives a URI its parts and stays as it is."""


class Stages(Protocol):
    """What a document passes through. Each is loaded when first asked for: a sync that finds no change needs none."""

    @property
    def parser(self) -> Sandbox:
        """The child process that parses."""

    @property
    def redactor(self) -> Redactor:
        """Finds and replaces personal data."""

    @property
    def tokens(self) -> TokenCounter:
        """Counts tokens as the embedder does."""

    @property
    def embedder_identity(self) -> EmbedderIdentity:
        """What the vectors will have been made with."""

    @property
    def embedder(self) -> Embedder:
        """Text to vectors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingested:
    """A document ready to be stored."""

    revision: Revision
    passages: tuple[SealedPassage, ...]


def fingerprint(stages: Stages, source: Source) -> str:
    """What decides how bytes become passages. A document ingested under another fingerprint is ingested anew."""
    making = code_version(
        ["parse.py", "formats/*.py", "passages.py", "sentences.py"], ["unstructured", "pypdfium2", "lxml"]
    )
    return f"{making}/{stages.redactor.version}/{stages.embedder_identity.key}/{source.redaction}"


def ingest(
    stages: Stages,
    keyring: Keyring,
    source: Source,
    item: SourceDocument,
    content: bytes,
    *,
    version: str,
    made_by: str,
    ingested: datetime,
) -> Ingested:
    """The document as a sealed revision under a fresh key. Nothing unredacted is embedded or kept.

    `ingested` is when this version of it first came, which retention may count from.

    Raises:
        QuarantineError: it cannot be parsed, or not be redacted within its budget, or holds no text.
    """
    redaction = source.policy.redaction
    parsed = parse(stages.parser, data=content, name=item.name, languages=redaction.languages)
    title = parsed.title or item.name
    # An address in a link is written with % signs, which no recogniser reads through.
    read_uri = unquote(item.uri)
    texts = [title, read_uri, *(element.text for element in parsed.elements)]
    redacted = stages.redactor.redact(
        texts, key=keyring.pseudonym_key(source.name), profile=redaction.profile, languages=redaction.languages
    )
    clean_title, clean_uri, *clean_texts = redacted.texts
    elements = [replace(element, text=text) for element, text in zip(parsed.elements, clean_texts, strict=True)]
    passages = split(clean_title, elements, tokens=stages.tokens)
    if not passages:
        raise QuarantineError(
            "It holds no text.", reason="empty", stage="split", mend="Remove it, or add its text at the origin."
        )
    vectors = stages.embedder.embed_document([passage.indexed_text for passage in passages])
    key_id, key = keyring.new_document_key()
    sealed = tuple(
        SealedPassage(
            ordinal=passage.ordinal,
            text=seal_text(
                key,
                key_id,
                passage.ordinal,
                PassageText(
                    text=passage.text,
                    heading=passage.heading,
                    page=passage.page,
                    section=passage.section,
                    start=passage.start,
                    end=passage.end,
                ),
            ),
            vector=seal_vector(key, key_id, passage.ordinal, vector),
        )
        for passage, vector in zip(passages, vectors, strict=True)
    )
    # Where nothing was found it stays to the letter: quoting again would lose a %23 or %3F of a file's name.
    uri = item.uri if clean_uri == read_uri else quote(clean_uri, safe=_URI_DELIMITERS)
    description = Description(origin_id=item.origin_id, name=item.name, uri=uri, title=clean_title)
    revision = Revision(
        id=key_id,
        version=version,
        fingerprint=made_by,
        redaction=source.redaction,
        embedder=stages.embedder_identity.key,
        created=item.created,
        modified=item.modified,
        ingested=ingested,
        passages=len(sealed),
        skipped_parts=parsed.skipped_parts,
        redactions=redacted.counts,
        sealed=seal_description(key, key_id, description),
    )
    return Ingested(revision=revision, passages=sealed)


def empty_revision(
    keyring: Keyring, source_document: SourceDocument, *, version: str, made_by: str, ingested: datetime
) -> Revision:
    """The revision of a quarantined document: its sealed description, for the operator who mends it, and no passage."""
    key_id, key = keyring.new_document_key()
    no_redactions: Mapping[str, int] = {}
    description = Description(origin_id=source_document.origin_id, name=source_document.name, uri="", title="")
    return Revision(
        id=key_id,
        version=version,
        fingerprint=made_by,
        redaction="",
        embedder="",
        created=source_document.created,
        modified=source_document.modified,
        ingested=ingested,
        passages=0,
        skipped_parts=0,
        redactions=no_redactions,
        sealed=seal_description(key, key_id, description),
    )
