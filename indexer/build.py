"""Making a generation from the catalog, and putting it in the place of the one before.

Written to a temporary folder, synced, renamed, then made current by one catalog transaction; a process killed at any
point leaves the former generation serving, and at worst a folder that nothing names, which `collect` removes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from indexer import catalog, custody, lexicon, orders, revisions, vectors
from indexer.analyse import analyser_version
from indexer.carry import Making, gather
from indexer.database import Database, batched
from indexer.generation import (
    MANIFEST,
    Generation,
    Inventory,
    VisibilityClass,
    digest_of,
    dump_inventory,
    microseconds_of,
)
from indexer.home import sync_folder
from indexer.keyring import KeyId, Keyring
from indexer.seal import Key
from indexer.tables import DocumentState
from policies import ledger
from policies.errors import ConflictError
from policies.manifest import Source
from policies.model import Access, Action, AuditEvent, ClassId, DocumentId, GenerationId
from policies.purge import is_entombed

_TEMPORARY = ".building-"
FORGOTTEN_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A generation on the disk that does not serve yet.

    `left_out` are documents that cannot be in it (no key, a tombstone, no date to keep them from, made otherwise),
    `changes` is the catalog's count of when it was read.
    """

    id: GenerationId
    digest: str
    documents: int
    passages: int
    changes: int
    left_out: tuple[DocumentId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    document: catalog.Document
    class_id: ClassId
    anchor: datetime


def class_of(access: Access) -> ClassId:
    """The visibility class that these access rules make."""
    # Rules of the manifest and rules of the origin are never one class: only the latter can go stale.
    rules = json.dumps([sorted(access.allow), sorted(access.deny), access.as_of is None], ensure_ascii=False)
    return ClassId(hashlib.sha256(rules.encode()).hexdigest()[:16])


def build(
    database: Database,
    keyring: Keyring,
    source: Source,
    folder: Path,
    *,
    generation: GenerationId,
    embedder: str,
    dim: int,
    former: Generation | None,
) -> Built:
    """Write a generation of every indexed document of a source into `folder`/`generation`.

    What `former` holds of unchanged documents is taken over from it; every file comes out the same, to the last bit,
    as without it.

    Documents of which the key was destroyed, or this content of which has a tombstone, are left out: a catalog
    restored from before an erasure does not bring them back. So are those that another embedder made vectors of, until
    a sync has read them anew.

    Raises:
        IntegrityError: a stored passage does not open with its key.
        DependencyError: the catalog cannot be read. OSError: the disk is full; the former generation serves on.
    """
    temporary = folder / f"{_TEMPORARY}{generation}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        (temporary / "lexicon").mkdir(parents=True)
        making = Making(
            source=source.name,
            embedder=embedder,
            analyser=analyser_version(),
            dim=dim,
            languages=tuple(source.policy.redaction.languages),
        )
        with database.reading() as session:
            changes = catalog.require(session, source.name).changes
            found = catalog.documents(session, source.name)
            entries, left_out, keys = _entries(found, keyring, source, embedder)
            numbers = {entry.document.revision.id: entry.document.revision.passages for entry in entries}
            contents = gather(session, keys, numbers, making=making, former=former)
        starts, passages = contents.starts, int(contents.starts[-1])
        classes = _classes(entries, starts)
        cuts = [visibility.rows[0] for visibility in classes] + [passages]
        blocks = vectors.write(temporary / "vectors.bin", contents.vectors, cuts) if passages else ()
        lexicon.write(temporary / "lexicon", passages, contents.postings)
        np.savez(
            temporary / "documents.npz",
            documents=np.array([entry.document.id for entry in entries], dtype="U32"),
            revisions=np.array([entry.document.revision.id for entry in entries], dtype="U24"),
            anchors=np.array([microseconds_of(entry.anchor) for entry in entries], dtype=np.int64),
            starts=starts,
        )
        inventory = Inventory(
            source=making.source,
            embedder=making.embedder,
            analyser=making.analyser,
            dim=making.dim,
            languages=making.languages,
            classes=classes,
            blocks=blocks,
            documents=len(entries),
            passages=passages,
            files={str(path.relative_to(temporary)): digest_of(path) for path in _files(temporary)},
        )
        manifest = dump_inventory(inventory)
        (temporary / MANIFEST).write_bytes(manifest)
        _settle(temporary, folder / generation)
    except OSError:
        # Half an index would take the room that a purge on a full disk needs.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Built(
        id=generation,
        digest=hashlib.sha256(manifest).hexdigest(),
        documents=len(entries),
        passages=passages,
        changes=changes,
        left_out=left_out,
    )


def publish(
    database: Database,
    source: Source,
    built: Built,
    *,
    actor: str,
    now: datetime,
    settle: Callable[[Session], None] | None = None,
) -> None:
    """Make a built generation the one that serves, with its audit record and what `settle` writes, in one transaction.

    Raises:
        ConflictError: a document changed since it was built; build again.
    """
    with database.writing() as session:
        # Not the documents: of many, comparing them takes so long that no answer can be recorded meanwhile.
        if catalog.require(session, source.name).changes != built.changes:
            raise ConflictError(
                f"Source {source.name!r} changed while its index was built.", mend="Run the same command again."
            )
        catalog.publish(session, source.name, built.id, digest=built.digest, now=now)
        event = AuditEvent(
            actor=actor,
            action=Action.GENERATION_PUBLISHED,
            objects=(source.name, built.id),
            policy_hash=source.policy_hash,
            detail={"documents": built.documents, "passages": built.passages, "digest": built.digest},
        )
        ledger.append(session, event, now=now)
        if settle is not None:
            settle(session)


def collect(database: Database, keyring: Keyring, source: Source, folder: Path) -> None:
    """Remove what the serving generation no longer names: folders, superseded revisions, their keys.

    What a standing order protects stays, seen by nobody.

    The caller is the source's sole writer. Repeating it is harmless.
    """
    anchor = keyring.last_anchor()
    with database.reading() as session:
        serving = catalog.require(session, source.name).generation
        superseded = revisions.superseded(session, source.name)
        unnamed: frozenset[KeyId] = frozenset()
        if anchor is None or ledger.holds(session, anchor):
            unnamed = custody.unnamed_keys(session, keyring, source.name)
    # Listed while writing: a process that takes over from this one waits for the end of that, so it is nobody else's,
    # nor will be, for no generation is named like another. Deleted after that, and the rest in small transactions:
    # while one lasts, no answer can be recorded.
    with database.writing():
        unserved = [path for path in folder.iterdir() if path.name != serving] if folder.is_dir() else []
    for path in unserved:
        _remove(path)
    if folder.is_dir():
        sync_folder(folder)
    # The keys first: rows without a key are found and forgotten the next time, a key without a row would stay. With
    # them those that a killed process made for a document and did not come to store; not where the catalog is an older
    # one, restored, for that one names fewer keys than are needed.
    gone: list[KeyId] = []
    for keys in batched({*superseded, *unnamed}, FORGOTTEN_AT_ONCE):
        with database.writing() as session:
            spared = orders.protected(session, keyring.database, source.name)
            free = [key for key in keys if superseded.get(key) not in spared]
            keyring.destroy(keys=free)
        gone += (key for key in free if key in superseded)
    for batch in batched(gone, FORGOTTEN_AT_ONCE):
        with database.writing() as session:
            revisions.forget(session, batch)
    with database.writing() as session:
        spared = orders.protected(session, keyring.database, source.name)
        revisions.forget_removed(session, source.name, spare=spared.keys())


def _entries(
    found: dict[DocumentId, catalog.Document], keyring: Keyring, source: Source, embedder: str
) -> tuple[list[_Entry], tuple[DocumentId, ...], dict[KeyId, Key]]:
    indexed = [document for document in found.values() if document.state is DocumentState.INDEXED]
    tombstones = keyring.tombstones()
    keys = keyring.document_keys(document.revision.id for document in indexed)
    entries: list[_Entry] = []
    left_out: list[DocumentId] = []
    for document in indexed:
        revision = document.revision
        anchor = source.anchor(created=revision.created, modified=revision.modified, ingested=revision.ingested)
        gone = revision.id not in keys or is_entombed(tombstones, document.id, revision.version)
        otherwise = (revision.embedder, revision.redaction) != (embedder, source.redaction)
        if gone or otherwise or anchor is None:
            left_out.append(document.id)
        else:
            entries.append(_Entry(document=document, class_id=class_of(document.access), anchor=anchor))
    entries.sort(key=lambda entry: (entry.class_id, entry.anchor, entry.document.id))
    return entries, tuple(left_out), keys


def _classes(entries: Sequence[_Entry], starts: NDArray[np.int64]) -> tuple[VisibilityClass, ...]:
    classes: list[VisibilityClass] = []
    first = 0
    for class_id, members in groupby(entries, key=lambda entry: entry.class_id):
        group = list(members)
        last = first + len(group)
        mirrored = [entry.document.access.as_of for entry in group if entry.document.access.as_of]
        access = group[0].document.access
        classes.append(
            VisibilityClass(
                id=class_id,
                access=Access(allow=access.allow, deny=access.deny, as_of=min(mirrored, default=None)),
                documents=(first, last),
                rows=(int(starts[first]), int(starts[last])),
            )
        )
        first = last
    return tuple(classes)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_pass_over_gone)
    else:
        path.unlink(missing_ok=True)


def _pass_over_gone(_: object, __: str, raised: tuple[type[BaseException], BaseException, TracebackType]) -> None:
    # What goes away meanwhile is being deleted by one that has taken over: this process is told when it writes.
    if not isinstance(raised[1], FileNotFoundError):
        raise raised[1]


def _settle(temporary: Path, final: Path) -> None:
    """Everything on the disk, then the name. A full disk shows before the name does."""
    for path in _files(temporary):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for folder in [temporary, *(path for path in temporary.rglob("*") if path.is_dir())]:
        sync_folder(folder)
    temporary.rename(final)
    sync_folder(final.parent)
