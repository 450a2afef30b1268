"""Of which sources a reviewer may know, what was made of what he may read, and which documents he may name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from gateway.explain import document_facts
from gateway.lookup import dated
from indexer import catalog, serving
from indexer.asked import Purview
from indexer.catalog import Document, Registration
from indexer.generation import read_inventory
from indexer.home import Home
from indexer.keyring import Keyring
from indexer.tables import DocumentState
from policies.decide import permits, readable
from policies.errors import IntegrityError
from policies.manifest import Source, parse
from policies.model import Access, Caller, ClassId, DocumentId, Node, Permit, SourceName
from policies.purge import is_entombed


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The sources that a reviewer may review, and what he may read of them: None is all, of who is at the machine."""

    sources: Mapping[SourceName, Source]
    classes: Purview | None

    def covers(self, purview: Purview) -> bool:
        """Whether he may read all that an answer was made of. Of what nobody knows, or that is there no more, no.

        What an answer says, and the terms of its question that no passage held, tell what its asker could read.
        """
        if self.classes is None:
            return True
        held = self.classes
        return bool(purview) and all(bool(of) and of <= held.get(name, frozenset()) for name, of in purview.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """Decides as retrieval does: whoever may search something of a source, for some purpose, may review that much."""

    home: Home
    keyring: Keyring
    node: Node

    def view(self, session: Session, caller: Caller | None, now: datetime) -> View:
        """What a caller may review; everything for None, who is at the machine."""
        registered = catalog.registrations(session)
        sources = {one.name: parse(one.manifest, path="catalog") for one in registered}
        if caller is None:
            return View(sources=sources, classes=None)
        read = {one.name: self._readable(session, one, sources[one.name], caller, now) for one in registered}
        classes = {name: found for name, found in read.items() if found}
        return View(sources={name: sources[name] for name in classes}, classes=classes)

    def document(
        self, session: Session, source: Source, caller: Caller | None, named: str, now: datetime
    ) -> DocumentId | None:
        """The indexed document of this id or origin id, None where there is none that the caller may read."""
        registered = catalog.require(session, source.name)
        stored = catalog.documents(session, source.name)
        by_origin = self.keyring.document_id(source.name, named)
        found = stored.get(by_origin) or stored.get(DocumentId(named))
        if found is None or found.state is not DocumentState.INDEXED:
            return None
        return found.id if caller is None or self._may_read(session, registered, caller, found, now) else None

    def _readable(
        self, session: Session, registered: Registration, source: Source, caller: Caller, now: datetime
    ) -> frozenset[ClassId]:
        classes = dict(self._classes(registered))
        if serving.unseen(session, self.keyring.database, source.name) is None:
            return frozenset()
        return frozenset(
            class_id
            for purpose in caller.purposes
            for class_id, decision in permits(
                caller=caller, purpose=purpose, source=source, classes=classes, node=self.node, now=now
            ).items()
            if isinstance(decision, Permit)
        )

    def _classes(self, registered: Registration) -> Iterator[tuple[ClassId, Access]]:
        if registered.generation is None or registered.generation_digest is None:
            return
        folder = self.home.generation(registered.name, registered.generation)
        try:
            inventory = read_inventory(folder, digest=registered.generation_digest)
        except IntegrityError:
            return  # of a damaged index nothing is served either
        for visibility in inventory.classes:
            yield visibility.id, dated(visibility.access, registered)

    def _may_read(
        self, session: Session, registered: Registration, caller: Caller, document: Document, now: datetime
    ) -> bool:
        buried = is_entombed(self.keyring.tombstones(), document.id, document.revision.version)
        if buried or document.id in serving.hidden(session, registered.name):
            return False
        source = parse(registered.manifest, path="catalog")
        facts = document_facts(self.keyring, registered, source, document)
        return any(
            isinstance(
                readable(caller=caller, purpose=purpose, source=source, document=facts, node=self.node, now=now),
                Permit,
            )
            for purpose in caller.purposes
        )
