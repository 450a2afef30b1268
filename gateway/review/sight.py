"""Of which sources a reviewer may know, and which of their documents he may name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from gateway.explain import document_facts
from gateway.lookup import dated
from indexer import catalog, serving
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
class Sight:
    """Decides as retrieval does: whoever may search something of a source, for some purpose, may review it."""

    home: Home
    keyring: Keyring
    node: Node

    def sources(self, session: Session, caller: Caller | None, now: datetime) -> Mapping[SourceName, Source]:
        """The sources that a caller may review; all of them for None, who is at the machine."""
        return {
            registered.name: parse(registered.manifest, path="catalog")
            for registered in catalog.registrations(session)
            if caller is None or self._may_review(session, registered, caller, now)
        }

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

    def _may_review(self, session: Session, registered: Registration, caller: Caller, now: datetime) -> bool:
        source, classes = parse(registered.manifest, path="catalog"), dict(self._classes(registered))
        granted = any(
            isinstance(decision, Permit)
            for purpose in caller.purposes
            for decision in permits(
                caller=caller, purpose=purpose, source=source, classes=classes, node=self.node, now=now
            ).values()
        )
        return granted and serving.unseen(session, self.keyring.database, source.name) is not None

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
