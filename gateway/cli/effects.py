"""Showing what a manifest would change."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gateway.cli.shell import show
from gateway.cli.sources import origin_ids
from policies.decide import SENTENCES
from policies.manifest import Source
from policies.model import Caller, DocumentId

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.register import Effect


def effects_of(opened: "Installation", source: Source, effect: "Effect", *, named: bool) -> "Shown":
    """What there is to show of an effect, with the names of the documents it is about where they are wanted."""
    from indexer import catalog

    names: Mapping[DocumentId, str] = {}
    if named and effect.documents:
        with opened.database.reading() as session:
            documents = catalog.documents(session, source.name)
        names = origin_ids(opened, list(documents.values()))
    return Shown(source=source, effect=effect, names=names)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An effect and the names of documents, empty where they are not wanted."""

    source: Source
    effect: "Effect"
    names: Mapping[DocumentId, str]

    def show(self, *, all_keys: bool) -> None:
        """Show it in words. `all_keys` writes a new source's manifest out as well."""
        effect, name = self.effect, self.source.name
        if not all_keys and effect.plan.touches("source"):
            show(f"{name}: a new source.")
        elif not effect.plan.changes:
            show(f"{name}: nothing changes.")
        else:
            show(f"{name}: {effect.documents} documents are indexed.")
            for change in effect.plan.changes:
                before = "" if change.before is None else f"{_value(change.before)} → "
                show(f"  {change.key}: {before}{_value(change.after)}")
            self._show_access()
            self._show_fate()
            for pattern in self.effect.idle_rules:
                show(f"  The rule {pattern!r} matches none of the documents.")
        self._show_outdated()
        self._show_conflicts()

    def plain(self) -> dict[str, object]:
        """Everything, for scripts."""
        effect = self.effect
        return {
            "source": self.source.name,
            "changes": [asdict(change) for change in effect.plan.changes],
            "documents": effect.documents,
            "gaining": {principal: len(documents) for principal, documents in effect.gaining.items()},
            "losing": {principal: len(documents) for principal, documents in effect.losing.items()},
            "callers": [
                {
                    "subject": one.caller.subject,
                    "credential": one.caller.credential,
                    "before": one.before,
                    "after": one.after,
                    "served": one.served,
                }
                for one in effect.callers
            ],
            "due": len(effect.due),
            "kept": sorted(effect.kept),
            "conflicts": [{"code": one.reason, "sentence": SENTENCES[one.reason]} for one in effect.conflicts],
            "lapsed_transfers": [one.reference for one in effect.lapsed],
            "idle_rules": list(effect.idle_rules),
            "rebuild": effect.plan.needs_rebuild,
            "reingest": effect.plan.needs_reingest,
            "outdated": effect.outdated,
            "unredacted": list(self.source.policy.redaction.keep),
            "allowed": len(self.source.policy.redaction.allow),
            "vault": self.source.policy.redaction.vault,
        } | (self._named() if self.names else {})

    def _named(self) -> dict[str, object]:
        effect = self.effect
        return {
            "names": dict(self.names),
            "gaining_documents": {principal: sorted(ids) for principal, ids in effect.gaining.items()},
            "losing_documents": {principal: sorted(ids) for principal, ids in effect.losing.items()},
            "due_documents": sorted(effect.due),
        }

    def _show_access(self) -> None:
        for verb, principals in (("gains", self.effect.gaining), ("loses", self.effect.losing)):
            for principal, documents in principals.items():
                show(f"  {principal} {verb} {len(documents)} documents.")
                self._show_names(documents)
        for one in self.effect.callers:
            if one.before != one.after:
                show(f"  {_called(one.caller)}: {one.before} → {one.after} documents.")

    def _show_fate(self) -> None:
        effect = self.effect
        if effect.due:
            show(f"  {len(effect.due)} documents are past the retention: not shown from then on, deleted by a purge.")
            self._show_names(effect.due)
        if effect.kept:
            show(f"  {len(effect.kept)} of them stay, by a hold or a restriction.")
        if effect.plan.needs_rebuild and effect.documents:
            show("  The index will be laid out anew.")
        if effect.plan.needs_reingest and effect.documents:
            show("  The next sync will read every document again.")
        self._show_redaction()

    def _show_redaction(self) -> None:
        clause = self.source.policy.redaction
        for entity in clause.keep:
            show(f"  Values of the kind {entity} stay in texts, and are found and shown, as they are written.")
        if clause.allow:
            show(f"  {len(clause.allow)} allowed strings stay in texts as they are written.")
        if clause.vault:
            show("  Vault: values behind pseudonyms are kept, sealed, and can be brought back by penstock reveal.")

    def _show_outdated(self) -> None:
        if self.effect.outdated and not self.effect.plan.needs_reingest:
            show(
                f"  {self.effect.outdated} documents were read or redacted by another version of Penstock: the next "
                "sync reads them again."
            )

    def _show_conflicts(self) -> None:
        for refusal in self.effect.conflicts:
            show(f"  Conflict ({refusal.reason}): {SENTENCES[refusal.reason]}")
        for transfer in self.effect.lapsed:
            show(
                f"  Conflict: the transfer to {transfer.to} by {transfer.mechanism} ({transfer.reference}) carries "
                f"nothing: check it again and write checked_on; it was {transfer.checked_on}."
            )
        for one in self.effect.callers:
            if not one.served:
                show(f"  Conflict: {_called(one.caller)} is in {one.caller.region}, which is not served.")

    def _show_names(self, documents: Collection[DocumentId]) -> None:
        for name in sorted(self.names.get(document) or document for document in documents) if self.names else ():
            show(f"    {name}")


def _called(caller: Caller) -> str:
    return f"{caller.subject} ({caller.credential})"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
    return "none" if value is None else str(value)
