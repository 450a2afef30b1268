"""What is left of deleted revisions: in the catalog, the index, the keyring, and in any file below the home."""

from indexer import catalog, revisions
from indexer.catalog import Registration
from indexer.generation import Generation
from indexer.keyring import KeyId
from indexer.needles import Needles, rightly_kept, ways
from indexer.scan import scan
from indexer.workshop import Workshop
from policies.manifest import Source
from policies.purge import Check


def check(
    workshop: Workshop, source: Source, purged: frozenset[KeyId], needles: Needles
) -> tuple[tuple[Check, ...], int, int]:
    """What was looked for of these revisions and how often it was found, and the files and bytes that were read."""
    with workshop.database.reading() as session:
        registered = catalog.require(session, source.name)
        rows = revisions.ids(session) & purged
    served = purged & _served(workshop, registered)
    keys = workshop.keyring.document_keys(purged)
    result = scan(workshop.home.root, [*needles.sealed, *needles.texts, *needles.vectors])
    found = frozenset().union(*result.found.values())
    kept = rightly_kept(workshop, found, needles.vectors) if found else frozenset()
    everywhere = f"in every file, {ways(result)}"
    less_kept = f"less those that a remaining document, a manifest or a record holds too, {everywhere}"
    sought = {
        f"sealed descriptions, passages, vectors and keys, {everywhere}": needles.sealed,
        f"text of passages (head, middle, end), long titles and names, references, {less_kept}": needles.texts,
        f"vectors bit for bit, {less_kept}": needles.vectors,
    }
    checks = (
        Check(what="revisions and passages in the catalog", searched=len(purged), found=len(rows)),
        Check(what="revisions in the search index", searched=len(purged), found=len(served)),
        Check(what="document keys in the keyring", searched=len(purged), found=len(keys)),
        *(
            Check(what=what, searched=len(wanted), found=len((found & set(wanted)) - kept))
            for what, wanted in sought.items()
        ),
    )
    return checks, result.files, result.bytes_read


def _served(workshop: Workshop, registered: Registration) -> frozenset[KeyId]:
    """The revisions that a source's index holds; none where the disk had no room for one."""
    if registered.generation is None or registered.generation_digest is None:
        return frozenset()
    folder = workshop.home.generation(registered.name, registered.generation)
    generation = Generation(registered.generation, folder, digest=registered.generation_digest)
    return frozenset(member.revision for member in generation.members())
