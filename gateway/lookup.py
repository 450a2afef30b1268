"""One question to one source: decide class by class, open what is permitted, redact the question, search within."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from gateway.confidence import Makers, features
from gateway.problems import RequestError
from gateway.reader import Reader
from indexer import catalog, serving
from indexer.analyse import analyser_version, terms
from indexer.capitals import names
from indexer.content import Description, PassageText, open_description, open_text
from indexer.database import Database
from indexer.embed import Embedder, EmbedderIdentity
from indexer.generation import Generation
from indexer.keyring import Keyring
from indexer.passages import splitter_version
from indexer.redact import Redactor
from indexer.rules import RedactionRules
from indexer.seal import Key
from indexer.search import Found, Hit, Query, search
from indexer.shelf import Shelf
from indexer.vectors import Ranges
from policies.decide import approach, permits
from policies.errors import DependencyError, IntegrityError, QuarantineError, RefusedError
from policies.manifest import Source, parse
from policies.model import Access, Caller, ClassId, DocumentId, Node, Permit, Reason, SourceName

Unseen: TypeAlias = Callable[[Session, Database, SourceName], frozenset[DocumentId] | None]
_MAY_PASS = frozenset({"redaction_timeout", "timeout", "crashed", "out_of_memory"})
_WHY: Mapping[str, tuple[str, str]] = {
    "language_not_covered": (
        "a part of it is in a language or script that is not read here",
        "Put it in a language that the documents are in.",
    ),
    "redaction_not_covered": (
        "what is installed here does not read the languages of a source",
        "Give the request id to the operator: other words would not do.",
    ),
    "too_large": ("too much is found in it", "Shorten it."),
}
_OTHERWISE = ("redaction gives up on it", "Put it in other words, without lists of numbers.")
"""What a caller is told of every other reason."""


class QueryError(RequestError):
    """The query cannot be redacted, so it is not looked up. `reason` is the redactor's, `why` the same in words."""

    code = "query_not_redactable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.why, mend = _WHY.get(reason, _OTHERWISE)
        super().__init__(f"The query cannot be redacted: {self.why}.", mend=mend)


class RedactionError(DependencyError):
    """The query could not be redacted now, for a `reason` that may pass: time, or the process that redacts."""

    def __init__(self, reason: str) -> None:
        super().__init__("The query could not be redacted now.", mend="Retry later.")
        self.reason = reason


class UnavailableError(DependencyError):
    """An index cannot be searched: damaged, made by another embedder, or replaced after the catalog was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A source of which a caller may see something, as it is at one instant."""

    source: Source
    generation: Generation
    permits: tuple[Permit, ...]
    hidden: frozenset[DocumentId]
    visible: Ranges

    def classes(self) -> tuple[ClassId, ...]:
        """The visibility classes that the permits open."""
        return tuple(permit.class_id for permit in self.permits)

    def scope(self) -> str:
        """Names what is visible: the same for as long as it is the same."""
        return self.generation.scope(self.visible)

    def readable(self) -> frozenset[DocumentId]:
        """The documents that the permits open."""
        return frozenset(
            member.document
            for member in self.generation.members()
            if any(first <= member.start < last for first, last in self.visible)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Cited:
    """What a hit points to: its passage, and of its document the version and the description."""

    passage: PassageText
    version: str
    description: Description


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query on its way through several sources: redacted under each one's key, embedded once for each wording.

    `wordings` has it as it was redacted for each source that was searched.
    """

    text: str
    wordings: dict[SourceName, str] = field(default_factory=dict, repr=False)
    _vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def vector(self, wording: str, embedder: Embedder) -> NDArray[np.float32]:
        """The vector of one redacted wording of the query."""
        if wording not in self._vectors:
            self._vectors[wording] = embedder.embed_query(wording)
        return self._vectors[wording]


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Searches sources for callers. Safe to use from several threads."""

    keyring: Keyring
    shelf: Shelf
    redactor: Redactor
    embedder: Embedder
    node: Node
    reader: Reader | None = None

    def open(
        self,
        session: Session,
        registered: catalog.Registration,
        caller: Caller,
        purpose: str,
        now: datetime,
        *,
        unseen: Unseen = serving.unseen,
    ) -> Opened | Reason:
        """The part of a source that this caller may search for this purpose now, or why there is none.

        `unseen` tells which documents nobody may see.

        Raises:
            UnavailableError: the source's index cannot be searched, or was replaced meanwhile.
        """
        source = parse(registered.manifest, path="catalog")
        refusal = approach(caller=caller, purpose=purpose, source=source, node=self.node, now=now)
        if refusal is not None:
            # Before the index is touched: what is wrong with it is no business of callers who may not ask it.
            return refusal.reason
        generation = self.generation(registered)
        if generation is None or not generation.inventory.classes:
            return Reason.NO_GENERATION
        classes = {visibility.id: dated(visibility.access, registered) for visibility in generation.inventory.classes}
        decisions = permits(
            caller=caller, purpose=purpose, source=source, classes=classes, node=self.node, now=now
        ).values()
        granted = tuple(decision for decision in decisions if isinstance(decision, Permit))
        if not granted:
            return next(decision.reason for decision in decisions if not isinstance(decision, Permit))
        hidden = unseen(session, self.keyring.database, source.name)
        if hidden is None:
            return Reason.RESTRICTED
        find = partial(serving.entombed, session, self.keyring, generation)
        hidden |= self.shelf.entombed(generation, self.keyring.burial_count(), find)
        visible = generation.visible(granted, hidden)
        if not visible:
            # As if the documents were not there: nothing of the question is redacted or looked up for it.
            return Reason.NOTHING_TO_SHOW
        self._pseudonym_key(source.name)
        return Opened(source=source, generation=generation, permits=granted, hidden=hidden, visible=visible)

    def look(self, opened: Opened, question: Question, *, k: int) -> Found:
        """Search one source within its permits. The question is redacted as the documents were. Raises as `word`."""
        self.word(opened, question)
        return self.find(opened, question, k=k)

    def word(self, opened: Opened, question: Question) -> None:
        """Redact the question as the documents of a source were, which gives it its wording there.

        Raises:
            QueryError: the question is such that it cannot be redacted.
            RedactionError: the process that redacts was lost or too slow.
            DependencyError: that process does not start.
        """
        rules, key = self._rules(opened.source), self._pseudonym_key(opened.source.name)
        try:
            redacted = self.redactor.redact([question.text], key=key, rules=rules)
        except QuarantineError as error:
            raise (RedactionError if error.reason in _MAY_PASS else QueryError)(error.reason) from error
        (question.wordings[opened.source.name],) = redacted.texts

    def find(self, opened: Opened, question: Question, *, k: int) -> Found:
        """Search one source within its permits for a question that has its wording there."""
        wording = question.wordings[opened.source.name]
        # The languages that the index was made with; those of the manifest may be newer.
        languages = opened.generation.inventory.languages
        query = Query(
            vector=question.vector(wording, self.embedder),
            terms=tuple(terms(wording, languages)),
            names=names(wording, languages),
        )
        return search(opened.generation, query, within=opened.permits, hidden=opened.hidden, k=k)

    def features(
        self, opened: Opened, found: Found, question: Question, passages: Sequence[PassageText]
    ) -> tuple[float, ...]:
        """The features of what was found, behind them its score where there is a reader. See `confidence.features`.

        Raises:
            DependencyError: the reader gives none.
        """
        row = features(found.evidence, passages, opened.generation.inventory.languages)
        if self.reader is None:
            return row
        texts = [passage.indexed_text for passage in passages]
        return (*row, self.reader.score(question.wordings[opened.source.name], texts))

    def makers(self, source: Source) -> Makers:
        """What this source is indexed and asked by now."""
        return makers(self.redactor, self.embedder.identity, source, self.reader)

    def _rules(self, source: Source) -> RedactionRules:
        try:
            return RedactionRules.of(source.policy.redaction)
        except RefusedError as error:  # of a manifest that another version put in force
            raise UnavailableError(error.message, mend=error.mend) from error

    def read(self, session: Session, hits: Sequence[Hit]) -> tuple[PassageText, ...]:
        """The passages of these hits.

        Raises:
            UnavailableError: the index was replaced meanwhile.
        """
        return tuple(cited.passage for cited in self.cite(session, hits).values())

    def cite(self, session: Session, hits: Sequence[Hit]) -> dict[Hit, Cited]:
        """What these hits point to, in their order.

        Raises:
            UnavailableError: the index was replaced meanwhile.
        """
        stored = serving.cited(session, [(hit.revision, hit.ordinal) for hit in hits])
        keys = self.keyring.document_keys({hit.revision for hit in hits})
        read: dict[Hit, Cited] = {}
        for hit in hits:
            if (hit.revision, hit.ordinal) not in stored or hit.revision not in keys:
                raise UnavailableError("The index was replaced while it was searched.", mend="Retry.")
            version, description, text = stored[hit.revision, hit.ordinal]
            key = keys[hit.revision]
            read[hit] = Cited(
                passage=open_text(key, hit.revision, hit.ordinal, text),
                version=version,
                description=open_description(key, hit.revision, description),
            )
        return read

    def _pseudonym_key(self, source: SourceName) -> Key:
        try:
            return self.keyring.pseudonym_key(source)
        except IntegrityError as error:
            raise UnavailableError(error.message, mend=error.mend) from error

    def generation(self, registered: catalog.Registration) -> Generation | None:
        """The generation that serves a source, None before the first.

        Raises:
            UnavailableError: it is damaged, made by another embedder, or was replaced meanwhile.
        """
        try:
            generation = self.shelf.generation(registered)
        except IntegrityError as error:
            raise UnavailableError(error.message, mend=error.mend) from error
        made_by = (self.embedder.identity.key, analyser_version())
        if generation and (generation.inventory.embedder, generation.inventory.analyser) != made_by:
            raise UnavailableError(
                f"The index of {registered.name!r} was made by another embedder or analyser than queries are now.",
                mend=f"Run: penstock sync {registered.name}",
            )
        return generation


def makers(redactor: Redactor, embedder: EmbedderIdentity, source: Source, reader: Reader | None = None) -> Makers:
    """What indexes and queries of a source are made by with these."""
    return Makers(
        embedder=embedder.key,
        analyser=analyser_version(),
        splitter=splitter_version(),
        redactor=f"{redactor.version}/{source.redaction}",
        reader="" if reader is None else reader.name,
    )


def dated(access: Access, registered: catalog.Registration) -> Access:
    """Rules of the origin as old as its last mirror, of which an index knows nothing; those of a manifest unchanged."""
    return access if access.as_of is None else replace(access, as_of=registered.mirrored_at or access.as_of)
