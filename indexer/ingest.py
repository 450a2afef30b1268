"""One document's way from bytes to sealed passages: parsed, redacted, split, embedded, sealed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from connectors.base import SourceDocument
from indexer.catalog import Revision, SealedPassage
from indexer.content import Description, PassageText, seal_description, seal_text, seal_vault, seal_vector
from indexer.embed import Embedder, EmbedderIdentity
from indexer.formats.elements import Part
from indexer.keyring import Keyring
from indexer.parse import parse
from indexer.passages import TokenCounter, split
from indexer.redact import PATTERNS_ONLY, Redactor
from indexer.rules import RedactionRules
from indexer.sandbox import Sandbox
from indexer.tables import VAULT_ORDINAL
from indexer.versions import code_version
from policies.errors import QuarantineError
from policies.manifest import Source

_URI_DELIMITERS = ":/?#[]@!$&'()*+,;="
"""RFC 3986, section 2.2: what gives a URI its parts and stays as it is."""


_MAKING_FILES = ("parse.py", "ocr.py", "formats/**/*.py", "passages.py", "sentences.py")
_MAKING_PACKAGES = (
    *("unstructured", "pypdfium2", "lxml", "markdown", "docutils", "chardet", "pillow"),
    *("python-docx", "python-pptx", "openpyxl", "xlrd", "olefile", "office-oxide"),
)
"""What turns bytes into passages."""


class Stages(Protocol):
    """What a document passes through. Each is loaded when first asked for: a sync that finds no change needs none."""

    def warm(self) -> None:
        """Load those that every document needs, at once."""

    @property
    def parser(self) -> Sandbox:
        """The child process that parses."""

    @property
    def ocr(self) -> Sandbox | None:
        """The child process that reads scanned pages, None where they are not to be read."""

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
    """A document ready to be stored, and the parts that are documents of their own. A vault is among the passages."""

    revision: Revision
    passages: tuple[SealedPassage, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a revision comes from: the version of the bytes, what they were processed by, and when they first came.

    Retention may count from the last.
    """

    version: str
    made_by: str
    ingested: datetime


def fingerprint(stages: Stages, source: Source) -> str:
    """What decides how bytes become passages. A document ingested under another fingerprint is ingested anew."""
    making = code_version(_MAKING_FILES, _MAKING_PACKAGES)
    return f"{making}/{stages.redactor.version}/{stages.embedder_identity.key}/{source.redaction}"


def ingest(
    stages: Stages,
    keyring: Keyring,
    source: Source,
    item: SourceDocument,
    content: bytes,
    *,
    origin: Origin,
    vectors: Callable[[], Mapping[str, NDArray[np.float16]]],
) -> Ingested:
    """The document as a sealed revision under a fresh key. Nothing unredacted is embedded or kept.

    But where the source has a vault, the values behind pseudonyms are kept in it, sealed under that key.
    `vectors` gives those that are known already, by the text that was embedded.

    Raises:
        QuarantineError: it cannot be parsed, or not be redacted within its budget, or holds no text.
    """
    redaction = source.policy.redaction
    stages.warm()
    parsed = parse(stages.parser, data=content, name=item.name, languages=redaction.languages, ocr=stages.ocr)
    title = parsed.title or item.name
    # An address in a link is written with % signs, which no recogniser reads through.
    read_uri = unquote(item.uri)
    texts = [title, read_uri, *(element.text for element in parsed.elements)]
    redacted = stages.redactor.redact(
        texts,
        key=keyring.pseudonym_key(source.name),
        rules=RedactionRules.of(redaction),
        with_values=redaction.vault,
    )
    clean_title, clean_uri, *clean_texts = redacted.texts
    elements = [replace(element, text=text) for element, text in zip(parsed.elements, clean_texts, strict=True)]
    passages = split(clean_title, elements, tokens=stages.tokens)
    if not passages and not parsed.parts:
        raise QuarantineError(
            "It holds no text.", reason="empty", stage="split", mend="Remove it, or add its text at the origin."
        )
    embedded = _embed(stages.embedder, [passage.indexed_text for passage in passages], vectors())
    key_id, key = keyring.new_document_key(source.name)
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
        for passage, vector in zip(passages, embedded, strict=True)
    )
    # Where nothing was found it stays to the letter: quoting again would lose a %23 or %3F of a file's name.
    uri = item.uri if clean_uri == read_uri else quote(clean_uri, safe=_URI_DELIMITERS)
    description = Description(origin_id=item.origin_id, name=item.name, uri=uri, title=clean_title)
    revision = Revision(
        id=key_id,
        version=origin.version,
        fingerprint=origin.made_by,
        redaction=source.redaction,
        embedder=stages.embedder_identity.key,
        created=item.created,
        modified=item.modified,
        ingested=origin.ingested,
        passages=len(sealed),
        skipped_parts=parsed.skipped_parts,
        redactions=dict(redacted.counts) | ({PATTERNS_ONLY: redacted.uncovered} if redacted.uncovered else {}),
        sealed=seal_description(key, key_id, description),
    )
    vault: tuple[SealedPassage, ...] = ()
    if redaction.vault:
        vault = (SealedPassage(ordinal=VAULT_ORDINAL, text=seal_vault(key, key_id, redacted.values), vector=b""),)
    return Ingested(revision=revision, passages=(*sealed, *vault), parts=parsed.parts)


def _embed(
    embedder: Embedder, texts: Sequence[str], known: Mapping[str, NDArray[np.float16]]
) -> list[NDArray[np.float32]]:
    """The vectors of these texts, in order. A text is embedded alone, so that one that is known need not be again."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    made = dict(zip(new, embedder.embed_document(new), strict=True)) if new else {}
    return [made[text] if text in made else known[text].astype(np.float32) for text in texts]


def empty_revision(keyring: Keyring, source: Source, source_document: SourceDocument, *, origin: Origin) -> Revision:
    """The revision of a quarantined document: its sealed description, for the operator who mends it, and no passage."""
    key_id, key = keyring.new_document_key(source.name)
    no_redactions: Mapping[str, int] = {}
    description = Description(origin_id=source_document.origin_id, name=source_document.name, uri="", title="")
    return Revision(
        id=key_id,
        version=origin.version,
        fingerprint=origin.made_by,
        redaction="",
        embedder="",
        created=source_document.created,
        modified=source_document.modified,
        ingested=origin.ingested,
        passages=0,
        skipped_parts=0,
        redactions=no_redactions,
        sealed=seal_description(key, key_id, description),
    )
