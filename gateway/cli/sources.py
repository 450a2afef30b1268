"""The registered sources that a command names."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from policies.errors import RefusedError
from policies.manifest import Source, parse
from policies.model import DocumentId, SourceName

if TYPE_CHECKING:
    from gateway.wiring import Installation
    from indexer.catalog import Document, Registration


def chosen(opened: "Installation", names: Sequence[str], *, every: bool) -> list["Registration"]:
    """The registered sources of these names, or every one.

    Raises:
        RefusedError: no name is given and not every one is wanted, or both, or there is no such source.
    """
    from indexer import catalog

    if bool(names) == every:
        raise RefusedError("It must be clear which sources are meant.", mend="Name them, or write --all.")
    with opened.database.reading() as session:
        if every:
            return list(catalog.registrations(session))
        return [catalog.require(session, SourceName(name)) for name in dict.fromkeys(names)]


def described(registered: "Registration") -> Source:
    """The source as its manifest in force describes it."""
    return parse(registered.manifest, path=str(registered.manifest_path))


def document_ids(opened: "Installation", source: SourceName, names: Sequence[str]) -> list[DocumentId]:
    """The ids of documents that are named by their id, or as their origin calls them.

    Raises:
        RefusedError: the source has, and had, no such document.
    """
    from indexer import catalog, serving

    # What is gone from its origin and kept by an order is known by its id, which follows from its name.
    candidates = {name: (DocumentId(name), opened.keyring.document_id(source, name)) for name in names}
    with opened.database.reading() as session:
        known = catalog.documents(session, source)
        there = serving.with_parts(session, source, {one for pair in candidates.values() for one in pair})
    names_of = origin_ids(opened, list(known.values()))
    ids: dict[DocumentId, None] = {}
    for name in names:
        found = [document for document, origin_id in names_of.items() if name in {document, origin_id}]
        found = found or [document for document in candidates[name] if document in there]
        if not found:
            raise RefusedError(
                f"Source {source!r} has no document {name!r}.", mend="Name one by its id, or as its origin calls it."
            )
        ids |= dict.fromkeys(found)
    return list(ids)


def origin_ids(opened: "Installation", documents: Collection["Document"]) -> dict[DocumentId, str]:
    """What the origin calls these documents, for the operator's eyes only; "" where that is no longer known."""
    from indexer.content import open_description

    keys = opened.keyring.document_keys(document.revision.id for document in documents)
    return {
        document.id: open_description(keys[revision.id], revision.id, revision.sealed).origin_id
        if (revision := document.revision).id in keys and revision.sealed
        else ""
        for document in documents
    }
