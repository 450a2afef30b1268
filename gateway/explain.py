"""Why somebody may, or may not, read a source or one of its documents: every step of the decision, in words.

For operators and officers only: a caller is never told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from gateway.lookup import dated
from indexer import catalog, orders
from indexer.catalog import Document, Registration
from indexer.keyring import Keyring
from indexer.serving import hidden
from indexer.shelf import Shelf
from indexer.tables import DocumentState
from policies import orders as law
from policies.decide import PASSES, SENTENCES, Rule, chain
from policies.errors import IntegrityError
from policies.manifest import Source, parse
from policies.model import Caller, DocumentFacts, DocumentId, Node, Reason
from policies.purge import WHOLE_DOCUMENT
from policies.retention import due

INDEX = "index"
"""The step that is no rule of the decision: whether the document is in the index that serves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """One step. `code` is None where it lets the caller on; `facts` is what it was decided by."""

    step: str
    code: Reason | None
    sentence: str
    facts: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Explainer:
    """Explains decisions of one installation."""

    keyring: Keyring
    shelf: Shelf
    node: Node

    def explain(
        self,
        session: Session,
        registered: Registration,
        caller: Caller,
        purpose: str,
        document: DocumentId | None,
        *,
        now: datetime,
    ) -> tuple[Explained, ...]:
        """Every step for this caller and purpose, as things are now; without a document, those of the source."""
        source = parse(registered.manifest, path="catalog")
        found = catalog.documents(session, source.name).get(document) if document else None
        held = self._of_index(session, registered, document, found) if document else None
        # Of a document that is not there the rest of the chain would tell nothing.
        known = (
            document_facts(self.keyring, registered, source, found) if found and held and held.code is None else None
        )
        shown = _shown_facts(source, caller, purpose, known, self.node)
        steps: list[Explained] = []
        for step in chain(caller=caller, purpose=purpose, source=source, document=known, node=self.node, now=now):
            if held and step.rule is Rule.RETENTION:
                steps.append(held)
            steps.append(
                Explained(
                    step=step.rule.value,
                    code=step.refusal.reason if step.refusal else None,
                    sentence=SENTENCES[step.refusal.reason] if step.refusal else PASSES[step.rule],
                    facts=shown.get(step.rule, ""),
                )
            )
        if document is None:
            return (*steps, *self._of_source(registered))
        return (*steps, held) if held and known is None else tuple(steps)

    def _of_source(self, registered: Registration) -> tuple[Explained, ...]:
        """What keeps everything of a source from everybody."""
        code, sentence = None, "An index serves the source."
        try:
            generation = self.shelf.generation(registered)
            if generation is None or not generation.inventory.classes:
                code = Reason.NO_GENERATION
        except IntegrityError:
            code = Reason.INDEX_UNAVAILABLE
        whole = any(not order.documents for order in orders.restrictions(self.keyring.database, registered.name))
        restricted = Reason.RESTRICTED if whole else None
        return (
            Explained(step=INDEX, code=code, sentence=SENTENCES[code] if code else sentence, facts=""),
            Explained(
                step=Rule.RESTRICTION.value,
                code=restricted,
                sentence="The processing of the whole source is restricted." if whole else PASSES[Rule.RESTRICTION],
                facts="",
            ),
        )

    def _of_index(
        self, session: Session, registered: Registration, document: DocumentId, found: Document | None
    ) -> Explained:
        code, facts = None, ""
        versions = {version for entombed, version in self.keyring.tombstones() if entombed == document}
        if WHOLE_DOCUMENT in versions or (found and found.revision.version in versions) or (versions and not found):
            code = Reason.ERASED
        elif found is None:
            code = Reason.DOCUMENT_UNKNOWN
        elif not self._is_served(session, registered, found):
            code = Reason.NOT_INDEXED
            facts = f"{found.state} {found.reason}".strip()
        sentence = SENTENCES[code] if code else "The index that serves holds the document as it is now."
        return Explained(step=INDEX, code=code, sentence=sentence, facts=facts)

    def _is_served(self, session: Session, registered: Registration, document: Document) -> bool:
        try:
            generation = self.shelf.generation(registered)
        except IntegrityError:
            return False
        held = generation is not None and generation.rows_of(document.id) is not None
        return held and document.state is DocumentState.INDEXED and document.id not in hidden(session, registered.name)


def document_facts(keyring: Keyring, registered: Registration, source: Source, document: Document) -> DocumentFacts:
    """What a decision asks of a document, as it is now."""
    revision, restrictions = document.revision, orders.restrictions(keyring.database, registered.name)
    return DocumentFacts(
        access=dated(document.access, registered),
        anchor=source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested),
        restricted=law.standing(restrictions, document.id, document.parent) is not None,
    )


def _shown_facts(
    source: Source, caller: Caller, purpose: str, document: DocumentFacts | None, node: Node
) -> Mapping[Rule, str]:
    """What each rule looked at, for a reader."""
    policy, agent = source.policy, caller.agent
    residency, basis = policy.residency, policy.lawful_basis
    stored = ", ".join(sorted(region or "unknown" for region in node.store_regions))
    transfers = "".join(f", by {one.mechanism} to {one.to} ({one.reference})" for one in residency.transfers)
    facts = {
        Rule.STATE: source.state,
        Rule.SERVING: "on" if source.serving else "off",
        Rule.BASIS: f"{basis.basis} ({basis.reference}), {policy.regime}",
        Rule.SOURCE_PURPOSE: f"{purpose} of {', '.join(policy.purposes)}",
        Rule.CALLER_PURPOSE: f"{purpose} of {', '.join(sorted(caller.purposes)) or 'none'}",
        Rule.PROCESSING: f"{node.process_region or 'unknown'} in {', '.join(residency.process)}{transfers}",
        Rule.STORAGE: f"{stored} in {', '.join(residency.store)}",
        Rule.SYSTEM_DATA: f"{node.system_region or 'unknown'} in {', '.join(residency.system or residency.store)}",
        Rule.CALLER_REGION: f"{caller.region or 'unknown'} in {', '.join(residency.serve)}{transfers}",
    }
    if agent is not None:
        facts |= {
            Rule.AGENT_PURPOSE: f"{purpose} of {', '.join(sorted(agent.purposes)) or 'none'}",
            Rule.AGENT_REGION: f"{agent.region or 'unknown'} in {', '.join(residency.serve)}{transfers}",
        }
    if document is not None:
        facts |= _document_facts(source, caller, document)
    return facts


def _document_facts(source: Source, caller: Caller, document: DocumentFacts) -> Mapping[Rule, str]:
    retention, access = source.policy.retention, document.access
    facts: dict[Rule, str] = {Rule.RETENTION: f"{retention.period} from {retention.anchor}"}
    if document.anchor is not None:
        facts[Rule.RETENTION] += f", until {due(document.anchor, retention.period):%Y-%m-%d %H:%M} UTC"
    if access is not None:
        rules = f"allow {_listed(access.allow)}; deny {_listed(access.deny | set(source.policy.access.deny))}"
        if source.mirrors_access:
            rules += f"; of the source: allow {_listed(frozenset(source.policy.access.allow))}"
        facts[Rule.FRESHNESS] = f"as of {access.as_of:%Y-%m-%d %H:%M} UTC" if access.as_of else "by the manifest"
        facts[Rule.CALLER_ACCESS] = f"{_listed(caller.principals())} against {rules}"
        if caller.agent is not None:
            facts[Rule.AGENT_ACCESS] = f"{_listed(caller.agent.principals())} against {rules}"
    return facts


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
