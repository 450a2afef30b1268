"""The keys of every document and the tombstones, apart from the catalog and its backups.

Destroying a document's key ends every copy of its content that a backup of the catalog may hold, and a catalog
restored from before an erasure finds the tombstone still here. Every key is wrapped by one that lies here too, which
is wrapped by a master key that never lies inside the home. Lose the master key and everything is lost: that is the
point. Rotation wraps the same keys anew: with the master key of its day, a backup opens what it always did.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NewType, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import bindparam, delete, insert, select, update
from sqlmodel import Session, SQLModel

from indexer import anchors, burials
from indexer.anchors import Anchors
from indexer.database import MAX_VARIABLES, Database, batched
from indexer.keykinds import KeyKind, KeyRow, key_name
from indexer.master import MasterKey
from indexer.orders import OrderRow
from indexer.seal import Key, new_key, seal, unseal
from indexer.signature import verify_signature
from policies.errors import DependencyError, IntegrityError, SettingsError
from policies.ledger import Head
from policies.model import DocumentId, SourceName

KeyId = NewType("KeyId", str)
"""Names one document key: 24 hex digits, of which the first 8 are its source's and 16 are random."""

TABLES: tuple[type[SQLModel], ...] = (KeyRow, burials.TombstoneRow, *anchors.TABLES, OrderRow)
_KEY = SQLModel.metadata.tables["key"]

_WRAPPING_ID = key_name(KeyKind.WRAPPING)
_WRAPPING = select(_KEY.c.wrapped).where(_KEY.c.id == _WRAPPING_ID)
_REWRAP = update(_KEY).where(_KEY.c.id == bindparam("name")).values(wrapped=bindparam("anew"))
_WRAPPED = select(_KEY.c.id, _KEY.c.wrapped).where(_KEY.c.id.in_(bindparam("ids", expanding=True)))


class Keyring:
    """The keys of one home, opened with its master key."""

    def __init__(self, path: Path, master: MasterKey) -> None:
        """Open a keyring that was made before. The master key is asked once, here.

        Raises:
            SettingsError: there is none, or the master key is not the one it was made with or rotated to.
            IntegrityError: a key that every home has is missing.
            DependencyError: the service that holds the master key is away.
        """
        if not path.is_file():
            # A new one in its place would know no tombstone, and what was purged would come back.
            raise SettingsError(
                f"The keyring {str(path)!r} is missing.",
                mend="Mount the volume it lies on, or restore it from its backup.",
            )
        self.path = path
        self.database = Database(path, TABLES)
        self._wrapped = self._held_wrapping()
        self._wrapping = master.unwrap(self._wrapped, place=_WRAPPING_ID)
        self._pseudonyms: dict[SourceName, Key] = {}
        self._ids = self._demanded(KeyKind.IDS)
        self._signing = Ed25519PrivateKey.from_private_bytes(self._demanded(KeyKind.SIGNING))

    @classmethod
    def create(cls, path: Path, master: MasterKey) -> Self:
        """Make the keyring of a new home.

        Raises:
            DependencyError: the service that holds the master key is away.
        """
        wrapping = new_key()
        names = (key_name(KeyKind.IDS), key_name(KeyKind.SIGNING))
        wrapped = {_WRAPPING_ID: master.wrap(wrapping, place=_WRAPPING_ID)}
        wrapped |= {name: seal(wrapping, new_key(), place=name) for name in names}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(path, TABLES)
        database.create()
        with database.writing() as session:
            session.connection().execute(insert(_KEY), [{"id": name, "wrapped": key} for name, key in wrapped.items()])
        database.close()
        made = cls(path, master)
        with made.database.writing() as session:
            anchors.begin(session, sign=made.sign)
        return made

    def rotate(self, master: MasterKey) -> int:
        """Wrap every key anew, by a fresh key that this master key wraps, all at once; how many there were.

        Afterwards only this master key opens the keyring, and processes that had it open must open it again. Keys stay
        what they are: nothing that they seal changes. See `sweep` for the bytes that were.

        Raises:
            DependencyError: another process rotated it, or the master key's service is away; nothing was changed.
            IntegrityError: a key does not open, or the master key does not unwrap what it wrapped; as before.
        """
        fresh = new_key()
        wrapped = master.wrap(fresh, place=_WRAPPING_ID)
        if master.unwrap(wrapped, place=_WRAPPING_ID) != fresh:
            raise IntegrityError("The master key does not unwrap what it wrapped.", mend="Use another master key.")
        with self.database.writing() as session:
            self._require_current(session)
            connection = session.connection()
            rows = connection.execute(select(_KEY.c.id, _KEY.c.wrapped).where(_KEY.c.id != _WRAPPING_ID)).all()
            anew = [
                {"name": row.id, "anew": seal(fresh, unseal(self._wrapping, row.wrapped, place=row.id), place=row.id)}
                for row in rows
            ]
            connection.execute(_REWRAP, [*anew, {"name": _WRAPPING_ID, "anew": wrapped}])
        self._wrapped, self._wrapping = wrapped, fresh
        return len(anew)

    def sweep(self) -> None:
        """Leave no byte in the files of keys that were destroyed, or of how others were wrapped before.

        Raises:
            ConflictError, DependencyError: as `Database.compact` does.
        """
        self.database.compact()

    def document_id(self, source: SourceName, origin_id: str) -> DocumentId:
        """The opaque id of a document: the same for the same source and origin id, telling nothing about either."""
        return DocumentId(self._mac("document", source, origin_id)[:32])

    def part_id(self, whole: DocumentId, content: bytes, occurrence: int) -> DocumentId:
        """The opaque id of what lies in a document, by its bytes and how often they came there before.

        So it is the same wherever in the document it lies, and no origin id has the same.
        """
        return DocumentId(self._mac("part", whole, hashlib.sha256(content).hexdigest(), str(occurrence))[:32])

    def version(self, document: DocumentId, content: bytes) -> str:
        """The opaque id of these bytes of this document.

        A plain hash would let anybody test for the presence of a known file, and link equal documents.
        """
        return self._mac("version", document, hashlib.sha256(content).hexdigest())[:24]

    def fingerprint(self, *parts: str) -> str:
        """An opaque id of some text that must be compared but not kept, such as an origin's change stamp."""
        return self._mac("fingerprint", *parts)[:24]

    def pseudonym_key(self, source: SourceName) -> Key:
        """The key that turns personal data of this source into pseudonyms, in documents and in queries alike.

        Raises:
            IntegrityError: it is missing. Another would give everybody another pseudonym, and nobody would be found.
        """
        key = self._pseudonyms.get(source)
        if key is None:
            key = self._pseudonyms[source] = self._demanded(KeyKind.PSEUDONYMS, source)
        return key

    def begin_source(self, source: SourceName) -> None:
        """Make what a source needs before its first document. Nothing for one that has documents."""
        if not self.document_key_ids(source):
            self._obtain(KeyKind.PSEUDONYMS, source)

    def has_pseudonym_key(self, source: SourceName) -> bool:
        """Whether the key of a source's pseudonyms is there."""
        return source in self._owners(KeyKind.PSEUDONYMS)

    def cursor_key(self, source: SourceName) -> Key:
        """The key under which the catalog keeps where a source's next listing may start."""
        return self._obtain(KeyKind.CURSOR, source)

    def asked_key(self, owner: str) -> Key:
        """The key under which the catalog keeps the words of one question, where policy says that they are kept."""
        return self._obtain(KeyKind.ASKED, owner)

    def held_asked_keys(self, owners: Iterable[str]) -> dict[str, Key]:
        """The keys of these questions' words; one that was destroyed is missing from the result."""
        names = {key_name(KeyKind.ASKED, owner): owner for owner in owners}
        return {names[name]: key for name, key in self._unwrapped(names).items()}

    def asked_owners(self, source: SourceName) -> frozenset[str]:
        """Every question to a source whose words can still be opened: what follows its name and a slash is its own."""
        return frozenset(owner for owner in self._owners(KeyKind.ASKED) if owner.startswith(f"{source}/"))

    def golden_key(self, source: SourceName) -> Key:
        """The key under which the catalog keeps the golden questions of a source."""
        return self._obtain(KeyKind.GOLDEN, source)

    def new_document_key(self, source: SourceName) -> tuple[KeyId, Key]:
        """A fresh key for one version of a document of a source.

        Its id goes into the catalog with what it seals. A version has a key of its own, so that a crash between the
        two files leaves the older version readable and at worst an unused key here (see `document_key_ids`).
        """
        key_id, key = KeyId(self._prefix(source) + secrets.token_hex(8)), new_key()
        name = key_name(KeyKind.DOCUMENT, key_id)
        with self.database.writing() as session:
            self._require_current(session)
            session.connection().execute(insert(_KEY).values(id=name, wrapped=seal(self._wrapping, key, place=name)))
        return key_id, key

    def document_keys(self, ids: Iterable[KeyId]) -> dict[KeyId, Key]:
        """The keys with these ids; one that was destroyed is missing from the result."""
        names = {key_name(KeyKind.DOCUMENT, key_id): key_id for key_id in ids}
        return {names[name]: key for name, key in self._unwrapped(names).items()}

    def wrapped_document_keys(self, ids: Iterable[KeyId]) -> frozenset[bytes]:
        """The keys with these ids, as they are stored."""
        names = [key_name(KeyKind.DOCUMENT, one) for one in ids]
        with self.database.reading() as session:
            return frozenset(wrapped for _, wrapped in _stored(session, names))

    def document_key_ids(self, source: SourceName | None = None) -> frozenset[KeyId]:
        """Every document key there is, or every one of a source, so that those nothing names can be destroyed."""
        ids = frozenset(map(KeyId, self._owners(KeyKind.DOCUMENT)))
        return ids if source is None else frozenset(key for key in ids if key.startswith(self._prefix(source)))

    def held_needle_key(self, purge: str) -> Key | None:
        """The key of a purge that began, None where it was finished and its key destroyed."""
        return self._unwrapped([name := key_name(KeyKind.NEEDLES, purge)]).get(name)

    def needle_key(self, purge: str) -> Key:
        """The key under which a purge keeps what it looks for, until it has looked."""
        return self._obtain(KeyKind.NEEDLES, purge)

    def needle_purges(self) -> frozenset[str]:
        """Every purge whose needles can still be opened."""
        return self._owners(KeyKind.NEEDLES)

    def destroy(self, *, keys: Collection[KeyId] = (), purge: str | None = None, asked: Collection[str] = ()) -> int:
        """Delete document keys, the key of a purge's needles, and those of questions. The number that existed."""
        wanted = {KeyKind.DOCUMENT: keys, KeyKind.ASKED: asked, KeyKind.NEEDLES: [purge] if purge else []}
        names = [key_name(kind, owner) for kind, owners in wanted.items() for owner in owners]
        destroyed = 0
        with self.database.writing() as session:
            for some in batched(names, MAX_VARIABLES):
                destroyed += session.connection().execute(delete(_KEY).where(_KEY.c.id.in_(some))).rowcount
        self.database.checkpoint()
        return destroyed

    def entomb(self, versions: Mapping[DocumentId, str], *, purge: str, now: datetime) -> None:
        """Record that this content of these documents must not come back; with "" whatever their content."""
        with self.database.writing() as session:
            burials.bury(session, versions.items(), purge=purge, now=now)

    def entombed(self, purge: str) -> bool:
        """Whether tombstones of a purge were recorded."""
        with self.database.reading() as session:
            return burials.were_made(session, purge)

    def erased_by(self, document: DocumentId) -> str | None:
        """The purge that erased a document whatever its content, None where none did."""
        with self.database.reading() as session:
            return burials.erased_by(session, document)

    def lift_tombstone(self, document: DocumentId) -> None:
        """Let an erased document come back.

        That it was erased once stays recorded: a keyring without a trace of it would be one from before.
        """
        with self.database.writing() as session:
            burials.lift(session, document)

    def burial_count(self) -> int:
        """How many tombstones there are. One that is lifted counts for two, so that it shows."""
        with self.database.reading() as session:
            return burials.count(session)

    def burials(self) -> frozenset[tuple[DocumentId, str]]:
        """Every document that a purge ever buried, with the purge; lifted ones among them."""
        with self.database.reading() as session:
            return burials.made(session)

    def tombstones(self) -> frozenset[tuple[DocumentId, str]]:
        """Every tombstone: a document with a version of it that must not come back."""
        with self.database.reading() as session:
            return burials.standing(session)

    def anchor(self, head: Head, *, now: datetime) -> None:
        """Sign the head of the audit chain and keep it here.

        The first anchor of a sequence number stays: a chain that was cut and grew again must not replace its proof.
        """
        with self.database.writing() as session:
            anchors.append(session, head, at=now.isoformat(), sign=self.sign, verify=self._signed)

    def anchors(self) -> tuple[Head, ...]:
        """Every anchored head, in order.

        Raises:
            IntegrityError: an anchor's signature does not hold, or anchors were taken away.
        """
        found = self.checked_anchors()
        if found.problems:
            raise IntegrityError(
                f"Of the signed heads of the audit, {found.problems[0]}.", mend="Restore the keyring from its backup."
            )
        return found.heads

    def checked_anchors(self) -> Anchors:
        """Every anchored head whose signature holds, in order, and what is wrong with the others."""
        with self.database.reading() as session:
            return anchors.read(session, verify=self._signed)

    def last_anchor(self) -> Head | None:
        """The youngest anchored head, whose signature is not looked at here; None before the first."""
        with self.database.reading() as session:
            return anchors.youngest(session)

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of this home over a message, 64 bytes."""
        return self._signing.sign(message)

    def public_key(self) -> bytes:
        """The 32 bytes that verify this home's signatures."""
        return self._signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _signed(self, message: bytes, signature: bytes) -> bool:
        return verify_signature(self.public_key(), message, signature)

    def _mac(self, *parts: str) -> str:
        # Each part is preceded by its length, so that no two lists of parts make the same message.
        message = b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return hmac.new(self._ids, message, hashlib.sha256).hexdigest()

    def _prefix(self, source: SourceName) -> str:
        return self._mac("keys", source)[:8]

    def _owners(self, kind: KeyKind) -> frozenset[str]:
        prefix = key_name(kind)
        with self.database.reading() as session:
            names = session.connection().execute(select(_KEY.c.id).where(_KEY.c.id.startswith(prefix))).scalars().all()
        return frozenset(name.removeprefix(prefix) for name in names)

    def _demanded(self, kind: KeyKind, owner: str = "") -> Key:
        name = key_name(kind, owner)
        found = self._unwrapped([name]).get(name)
        if found is None:
            # A fresh one would be of other ids, signatures or pseudonyms than all that was made with the lost one.
            raise self._damaged(f"key {name!r}")
        return found

    def _obtain(self, kind: KeyKind, owner: str = "") -> Key:
        name = key_name(kind, owner)
        found = self._unwrapped([name])
        if name in found:
            return found[name]
        with self.database.writing() as session:
            self._require_current(session)
            held = session.connection().execute(select(_KEY.c.wrapped).where(_KEY.c.id == name)).scalar()
            if held is None:
                held = seal(self._wrapping, new_key(), place=name)
                session.connection().execute(insert(_KEY).values(id=name, wrapped=held))
        return Key(unseal(self._wrapping, held, place=name))

    def _unwrapped(self, names: Iterable[str]) -> dict[str, Key]:
        with self.database.reading() as session:
            return {name: self._opened(session, name, wrapped) for name, wrapped in _stored(session, names)}

    def _opened(self, session: Session, name: str, wrapped: bytes) -> Key:
        try:
            return Key(unseal(self._wrapping, wrapped, place=name))
        except IntegrityError:
            self._require_current(session)
            raise

    def _require_current(self, session: Session) -> None:
        """Return if keys are wrapped as this process knows: what it would write otherwise, nobody could open."""
        if session.connection().execute(_WRAPPING).scalar() != self._wrapped:
            raise DependencyError(
                "The keyring was rotated while this process had it open.",
                mend="Restart this process, with the present master key.",
            )

    def _held_wrapping(self) -> bytes:
        with self.database.reading() as session:
            held = session.connection().execute(_WRAPPING).scalar()
        if isinstance(held, bytes):
            return held
        raise self._damaged("wrapping key")

    def _damaged(self, lacking: str) -> IntegrityError:
        return IntegrityError(
            f"The keyring {str(self.path)!r} is damaged: it holds no {lacking}.",
            mend="Restore it from its backup, the youngest there is. Until then it is not used.",
        )


def _stored(session: Session, names: Iterable[str]) -> list[tuple[str, bytes]]:
    """The names of those keys that there are, and how each is wrapped."""
    found = (session.connection().execute(_WRAPPED, {"ids": batch}) for batch in batched(names, MAX_VARIABLES))
    return [(name, wrapped) for rows in found for name, wrapped in rows]
