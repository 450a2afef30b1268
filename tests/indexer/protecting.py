"""A source with a document, another and a mail with an attachment, and orders over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from indexer import catalog, erase, protect, revisions
from indexer.content import open_text
from indexer.keyring import KeyId
from policies.manifest import Source
from policies.model import DocumentId
from policies.orders import Order, OrderKind
from policies.purge import ErasureRequest
from tests import catalogs
from tests.indexer.workbench import ACTOR, MODIFIED, Bench, File, part_id, text

HELD, OTHER, MAIL = "case/held.md", "case/other.md", "case/mail.eml"
WORDS = {"held.md": "The minutes of the meeting", "mail.eml": "The words of the mail", "att.txt": "The inner words"}
NEW = text("Held", "Another text altogether.")
ANN, BOB = "caller:ann", "caller:bob"
DUE = MODIFIED + timedelta(days=800)
ERASURE = ErasureRequest(documents=frozenset(), reference="DSR-2026-031", ground="withdrawn_consent")


def mail(*parts: str) -> File:
    return File(content="\n".join([WORDS["mail.eml"], *parts]).encode())


def att() -> tuple[str, str]:
    return "+att.txt", WORDS["att.txt"]


def prepared(bench: Bench) -> Source:
    applied = bench.apply(("max_deletes: 0.5", "max_deletes: 1.0"))
    bench.origin.files = {
        HELD: text("Held", WORDS["held.md"]),
        OTHER: text("Other", "Words that nobody holds."),
        MAIL: mail(*att()),
    }
    bench.sync(applied)
    return applied


def ids(bench: Bench, source: Source) -> Mapping[str, DocumentId]:
    whole = bench.id(source, MAIL)
    return {
        "held.md": bench.id(source, HELD),
        "other.md": bench.id(source, OTHER),
        "mail.eml": whole,
        "att.txt": part_id(bench.keyring, whole, mail(*att()).content, 1),
    }


def place(bench: Bench, source: Source, *names: str, kind: OrderKind = OrderKind.HOLD) -> Order:
    meant = [ids(bench, source)[name] for name in names]
    return protect.place(bench.workshop, kind, source.name, meant, reference="LIT-2026-014", by=ANN)


def release(bench: Bench, order: Order) -> Order:
    protect.release(bench.workshop, order.id, by=ANN)
    return protect.release(bench.workshop, order.id, by=BOB)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What there is of a document: its revision's key, rows that the key opens, and bytes in the catalog's file."""

    bench: Bench
    document: DocumentId
    revision: KeyId
    words: str
    sealed: bytes

    @property
    def is_whole(self) -> bool:
        keys = self.bench.keyring.document_keys([self.revision])
        with self.bench.database.reading() as session:
            rows = list(catalog.passages(session, self.revision))
            named = self.revision in revisions.ids(session)
        if not (keys and rows and named):
            return False
        texts = [open_text(keys[self.revision], self.revision, row.ordinal, row.text).text for row in rows]
        return self.words in texts[0] and self.sealed in self.files

    @property
    def is_gone(self) -> bool:
        self.bench.database.checkpoint()
        with self.bench.database.reading() as session:
            named = self.revision in revisions.ids(session)
            rows = list(catalog.passages(session, self.revision))
        keys = self.bench.keyring.document_keys([self.revision])
        return not (named or rows or keys or self.sealed in self.files)

    @property
    def files(self) -> bytes:
        catalogs.flush(self.bench.home.catalog)
        folder = catalogs.folder(self.bench.home.catalog)
        return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def kept(bench: Bench, source: Source, name: str) -> Kept:
    document = bench.documents(source)[ids(bench, source)[name]]
    with bench.database.reading() as session:
        (first, *_) = catalog.passages(session, document.revision.id)
    return Kept(
        bench=bench,
        document=document.id,
        revision=document.revision.id,
        words=WORDS[name],
        sealed=first.text[:28],
    )


def is_served(bench: Bench, source: Source, name: str) -> bool:
    return ids(bench, source)[name] in bench.served(source)


def gone_at_the_origin(bench: Bench, source: Source) -> Source:
    bench.origin.files = {OTHER: bench.origin.files[OTHER]}
    bench.sync(source, confirm_deletes=True)
    return source


def changed_at_the_origin(bench: Bench, source: Source) -> Source:
    changed = {HELD: NEW, MAIL: File(content=b"Other words\n+att.txt\nOther inner words")}
    bench.origin.files |= changed
    bench.sync(source)
    return source


def past_its_retention(bench: Bench, source: Source) -> Source:
    bench.clock.now = DUE
    erase.purge(bench.workshop, source, actor=ACTOR)
    return source


def restrict(bench: Bench, source: Source, *names: str) -> Order:
    return place(bench, source, *names, kind=OrderKind.RESTRICTION)


def lift(bench: Bench, order: Order) -> Order:
    return protect.lift(bench.workshop, order.id, by=BOB, notice="letter of 3 May 2026")
