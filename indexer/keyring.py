"""The keys of every document and the tombstones, apart from the catalog and its backups.

Destroying a document's key ends every copy of its content that a backup of the catalog may hold, and a catalog
restored from before an erasure finds the tombstone still here. Keys are wrapped by a master key that never lies
inside the home. Lose the master key and everything is lost: that is the point.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NewType, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import bindparam, delete, insert, select
from sqlmodel import Field, SQLModel

from indexer.database import MAX_VARIABLES, Database, batched
from indexer.seal import Key, new_key, seal, unseal
from policies.errors import IntegrityError, SettingsError
from policies.ledger import Head
from policies.model import DocumentId, SourceName

_CHECK_PLAIN = b"penstock master key"

KeyId = NewType("KeyId", str)
"""Names one document key: 24 hex digits, of which the first 8 are its source's and 16 are random."""


class KeyKind(StrEnum):
    """What a wrapped key is for."""

    CHECK = "check"
    IDS = "ids"
    SIGNING = "signing"
    PSEUDONYMS = "pseudonyms"
    CURSOR = "cursor"
    DOCUMENT = "document"
    NEEDLES = "needles"


class KeyRow(SQLModel, table=True):
    """A key wrapped by the master key."""

    __tablename__ = "key"

    id: str = Field(primary_key=True)
    wrapped: bytes


class TombstoneRow(SQLModel, table=True):
    """A document that must not come back: this content (`version`) of it."""

    __tablename__ = "tombstone"

    document: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    purge: str
    at: str


class AnchorRow(SQLModel, table=True):
    """A signed head of the audit chain, kept outside the catalog so that cutting the chain's end shows."""

    __tablename__ = "anchor"

    sequence: int = Field(primary_key=True)
    hash: str
    signature: bytes
    at: str


TABLES: tuple[type[SQLModel], ...] = (KeyRow, TombstoneRow, AnchorRow)
_KEY, _TOMBSTONE, _ANCHOR = (SQLModel.metadata.tables[name] for name in ("key", "tombstone", "anchor"))

_WRAPPED = select(_KEY.c.id, _KEY.c.wrapped).where(_KEY.c.id.in_(bindparam("ids", expanding=True)))


class Keyring:
    """The keys of one home, opened with its master key."""

    def __init__(self, path: Path, master: Key) -> None:
        """Open a keyring that was made before.

        Raises:
            SettingsError: there is none, or the master key is not the one it was made with.
        """
        if not path.is_file():
            # A new one in its place would know no tombstone, and what was purged would come back.
            raise SettingsError(
                f"The keyring {str(path)!r} is missing.",
                mend="Mount the volume it lies on, or restore it from its backup.",
            )
        self.path = path
        self._master = master
        self.database = Database(path, TABLES)
        self._check_master()
        self._pseudonyms: dict[SourceName, Key] = {}
        self._ids = self._obtain(KeyKind.IDS)
        self._signing = Ed25519PrivateKey.from_private_bytes(self._obtain(KeyKind.SIGNING))

    @classmethod
    def create(cls, path: Path, master: Key) -> Self:
        """Make the keyring of a new home."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(path, TABLES)
        database.create()
        name = _key_id(KeyKind.CHECK)
        with database.writing() as session:
            session.connection().execute(insert(_KEY).values(id=name, wrapped=seal(master, _CHECK_PLAIN, place=name)))
        database.close()
        return cls(path, master)

    def document_id(self, source: SourceName, origin_id: str) -> DocumentId:
        """The opaque id of a document: the same for the same source and origin id, telling nothing about either."""
        return DocumentId(self._mac("document", source, origin_id)[:32])

    def part_id(self, whole: DocumentId, path: Sequence[int]) -> DocumentId:
        """The opaque id of what lies in a document, by the numbers that lead there. No origin id has the same."""
        return DocumentId(self._mac("part", whole, *map(str, path))[:32])

    def version(self, document: DocumentId, content: bytes) -> str:
        """The opaque id of these bytes of this document.

        A plain hash would let anybody test for the presence of a known file, and link equal documents.
        """
        return self._mac("version", document, hashlib.sha256(content).hexdigest())[:24]

    def fingerprint(self, *parts: str) -> str:
        """An opaque id of some text that must be compared but not kept, such as an origin's change stamp."""
        return self._mac("fingerprint", *parts)[:24]

    def pseudonym_key(self, source: SourceName) -> Key:
        """The key that turns personal data of this source into pseudonyms, in documents and in queries alike."""
        key = self._pseudonyms.get(source)
        if key is None:
            key = self._pseudonyms[source] = self._obtain(KeyKind.PSEUDONYMS, source)
        return key

    def cursor_key(self, source: SourceName) -> Key:
        """The key under which the catalog keeps where a source's next listing may start."""
        return self._obtain(KeyKind.CURSOR, source)

    def new_document_key(self, source: SourceName) -> tuple[KeyId, Key]:
        """A fresh key for one version of a document of a source.

        Its id goes into the catalog with what it seals. A version has a key of its own, so that a crash between the
        two files leaves the older version readable and at worst an unused key here (see `document_key_ids`).
        """
        key_id, key = KeyId(self._prefix(source) + secrets.token_hex(8)), new_key()
        name = _key_id(KeyKind.DOCUMENT, key_id)
        with self.database.writing() as session:
            session.connection().execute(insert(_KEY).values(id=name, wrapped=seal(self._master, key, place=name)))
        return key_id, key

    def document_keys(self, ids: Iterable[KeyId]) -> dict[KeyId, Key]:
        """The keys with these ids; one that was destroyed is missing from the result."""
        names = {_key_id(KeyKind.DOCUMENT, key_id): key_id for key_id in ids}
        return {names[name]: key for name, key in self._unwrapped(names).items()}

    def document_key_ids(self, source: SourceName | None = None) -> frozenset[KeyId]:
        """Every document key there is, or every one of a source, so that those nothing names can be destroyed."""
        ids = frozenset(map(KeyId, self._owners(KeyKind.DOCUMENT)))
        return ids if source is None else frozenset(key for key in ids if key.startswith(self._prefix(source)))

    def held_needle_key(self, purge: str) -> Key | None:
        """The key of a purge that began, None where it was finished and its key destroyed."""
        name = _key_id(KeyKind.NEEDLES, purge)
        return self._unwrapped([name]).get(name)

    def needle_key(self, purge: str) -> Key:
        """The key under which a purge keeps what it looks for, until it has looked."""
        return self._obtain(KeyKind.NEEDLES, purge)

    def needle_purges(self) -> frozenset[str]:
        """Every purge whose needles can still be opened."""
        return self._owners(KeyKind.NEEDLES)

    def destroy(self, *, keys: Collection[KeyId] = (), purge: str | None = None) -> int:
        """Delete document keys, and the key of a purge's needles, from the file. The number that existed."""
        names = [_key_id(KeyKind.DOCUMENT, key_id) for key_id in keys]
        names += [_key_id(KeyKind.NEEDLES, purge)] if purge else []
        destroyed = 0
        with self.database.writing() as session:
            for some in batched(names, MAX_VARIABLES):
                destroyed += session.connection().execute(delete(_KEY).where(_KEY.c.id.in_(some))).rowcount
        self.database.checkpoint()
        return destroyed

    def entomb(self, versions: Mapping[DocumentId, str], *, purge: str, now: datetime) -> None:
        """Record that this content of these documents is gone and must not come back."""
        with self.database.writing() as session:
            for document, version in versions.items():
                session.merge(TombstoneRow(document=document, version=version, purge=purge, at=now.isoformat()))

    def tombstones(self) -> frozenset[tuple[DocumentId, str]]:
        """Every tombstone: a document with a version of it that must not come back."""
        with self.database.reading() as session:
            rows = session.connection().execute(select(_TOMBSTONE.c.document, _TOMBSTONE.c.version)).all()
        return frozenset((DocumentId(row.document), row.version) for row in rows)

    def anchor(self, head: Head, *, now: datetime) -> None:
        """Sign the head of the audit chain and keep it here.

        The first anchor of a sequence number stays: a chain that was cut and grew again must not replace its proof.
        """
        signature = self.sign(_head_bytes(head))
        with self.database.writing() as session:
            if session.get(AnchorRow, head.sequence) is None:
                session.add(AnchorRow(sequence=head.sequence, hash=head.hash, signature=signature, at=now.isoformat()))

    def anchors(self) -> tuple[Head, ...]:
        """Every anchored head, in order.

        Raises:
            IntegrityError: an anchor's signature does not hold.
        """
        with self.database.reading() as session:
            rows = session.connection().execute(select(_ANCHOR).order_by(_ANCHOR.c.sequence)).all()
        heads = tuple(Head(sequence=row.sequence, hash=row.hash) for row in rows)
        for head, row in zip(heads, rows, strict=True):
            if not verify_signature(self.public_key(), _head_bytes(head), row.signature):
                raise IntegrityError(
                    f"Anchor {head.sequence} was not signed by this home.", mend="Restore the keyring from its backup."
                )
        return heads

    def last_anchor(self) -> Head | None:
        """The youngest anchored head, whose signature is not looked at here; None before the first."""
        with self.database.reading() as session:
            row = session.connection().execute(select(_ANCHOR).order_by(_ANCHOR.c.sequence.desc()).limit(1)).first()
        return Head(sequence=row.sequence, hash=row.hash) if row else None

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of this home over a message, 64 bytes."""
        return self._signing.sign(message)

    def public_key(self) -> bytes:
        """The 32 bytes that verify this home's signatures."""
        return self._signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _mac(self, *parts: str) -> str:
        # Each part is preceded by its length, so that no two lists of parts make the same message.
        message = b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return hmac.new(self._ids, message, hashlib.sha256).hexdigest()

    def _prefix(self, source: SourceName) -> str:
        return self._mac("keys", source)[:8]

    def _owners(self, kind: KeyKind) -> frozenset[str]:
        prefix = _key_id(kind)
        with self.database.reading() as session:
            names = session.connection().execute(select(_KEY.c.id).where(_KEY.c.id.startswith(prefix))).scalars().all()
        return frozenset(name.removeprefix(prefix) for name in names)

    def _obtain(self, kind: KeyKind, owner: str = "") -> Key:
        name = _key_id(kind, owner)
        found = self._unwrapped([name])
        if name in found:
            return found[name]
        with self.database.writing() as session:
            held = session.connection().execute(select(_KEY.c.wrapped).where(_KEY.c.id == name)).scalar()
            if held is None:
                held = seal(self._master, new_key(), place=name)
                session.connection().execute(insert(_KEY).values(id=name, wrapped=held))
        return Key(unseal(self._master, held, place=name))

    def _unwrapped(self, names: Iterable[str]) -> dict[str, Key]:
        keys: dict[str, Key] = {}
        with self.database.reading() as session:
            for batch in batched(names, MAX_VARIABLES):
                for row in session.connection().execute(_WRAPPED, {"ids": batch}):
                    keys[row.id] = Key(unseal(self._master, row.wrapped, place=row.id))
        return keys

    def _check_master(self) -> None:
        name = _key_id(KeyKind.CHECK)
        with self.database.reading() as session:
            held = session.connection().execute(select(_KEY.c.wrapped).where(_KEY.c.id == name)).scalar()
        try:
            unseal(self._master, held or b"", place=name)
        except IntegrityError as error:
            raise SettingsError(
                "The master key is not the one this home was made with.",
                mend="Point PENSTOCK_MASTER_KEY_FILE (or PENSTOCK_MASTER_KEY) at the key written by `penstock init`.",
            ) from error


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the home with this public key signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _key_id(kind: KeyKind, owner: str = "") -> str:
    return f"{kind.value}:{owner}"


def _head_bytes(head: Head) -> bytes:
    return f"penstock audit head {head.sequence} {head.hash}".encode()
