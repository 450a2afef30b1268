"""What is done to a home of planted documents, and what must be so afterwards. Every check gives what is wrong."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.lookup import Lookup, Opened, UnavailableError
from indexer import build, catalog, erase, keyring, reconcile, revisions, room, tombstones, traces, workshop
from indexer import home as homes
from indexer.reconcile import Fault
from indexer.scan import scan
from indexer.seal import unseal
from indexer.shelf import Shelf
from indexer.tables import DocumentState
from policies.errors import IntegrityError, PenstockError, RefusedError
from policies.manifest import Source
from policies.model import Action, Caller, DocumentId
from policies.purge import ErasureRequest
from tests.evidence.crashing.world import forked
from tests.evidence.purge.planted import IN_CLEAR, Planted, fated, ids, needles_of, reopened
from tests.evidence.purge.scanner import scanned
from tests.indexer.workbench import ACTOR, MODIFIED, Bench, Killed, killed_at

LINES = frozenset(str(module.__file__) for module in (erase, build, workshop))
STEPS: Sequence[tuple[Any, str]] = (
    (erase, "_start"),
    (erase, "needles_of"),
    (erase, "_tombstone"),
    (keyring.Keyring, "entomb"),
    (catalog, "remove"),
    (erase, "_carry_on"),
    (erase, "_publish"),
    (build, "_settle"),
    (catalog, "publish"),
    (build, "_remove"),
    (keyring.Keyring, "destroy"),
    (keyring.Keyring, "sweep"),
    (revisions, "forget"),
    (revisions, "forget_removed"),
    (erase, "_finish"),
    (traces, "check"),
    (erase, "sign"),
    (erase, "_move"),
    (keyring.Keyring, "anchor"),
)
"""Where a real process is killed, before and after: every function that leaves something behind on the disk."""
STAFF = Caller(subject="ann", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")
MORE = b"\nAnother line of it."
FILLING = "filling"
SERVING, DARK, FAILED = "serving", "dark", "failed"
DISK_BYTES = 96 * 2**20


@dataclass(frozen=True, kw_only=True)
class Search:
    """What both scanners found below a folder: the needles, by the plain one and by the product's own."""

    plainly: frozenset[bytes]
    by_scan: frozenset[bytes]

    @property
    def found(self) -> frozenset[bytes]:
        """What either found."""
        return self.plainly | self.by_scan


def search(folder: Path, needles: Collection[bytes]) -> Search:
    """Look for needles in every file, with both scanners."""
    spelt = {needle: {needle, needle.lower()} if needle.isascii() else {needle} for needle in needles}
    hits = scan(folder, sorted(set().union(*spelt.values()))).found.values() if needles else ()
    by_scan = frozenset[bytes]().union(*hits)
    return Search(
        plainly=frozenset(scanned(folder, needles)),
        by_scan=frozenset(needle for needle, forms in spelt.items() if forms & by_scan),
    )


def copy(home: Path, to: Path) -> Path:
    """A copy of a home that nobody has open, in the place of whatever was there."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(home, to))


def act(bench: Bench, source: Source, planted: Collection[Planted]) -> None:
    """Purge what is due and erase what was asked for, where that is still to be done."""
    erase.purge(bench.workshop, source, actor=ACTOR)
    request = ErasureRequest(
        documents=ids(bench, source, fated(planted, "erased")), reference="DSR-1", ground="objection"
    )
    # An erasure that was begun was finished by the purge, and its documents are not known any more.
    with suppress(RefusedError):
        erase.erase(bench.workshop, source, request, actor=ACTOR)


def problems(bench: Bench, source: Source, planted: Collection[Planted], *, restored: bool = False) -> list[str]:
    """What is not as it must be after both acts; the audit of a restored catalog may say that its end is missing."""
    gone, kept = (ids(bench, source, fated(planted, *fates)) for fates in (("due", "erased"), ("kept",)))
    found = [f"{len(gone & bench.served(source))} deleted documents are served"] if gone & bench.served(source) else []
    found += [] if kept <= bench.served(source) else ["a document that remains is not served"]
    found += [f"deleted documents are indexed: {len(taken)}"] if (taken := gone & _indexed(bench, source)) else []
    allowed = {Fault.AUDIT, Fault.KEY_ORPHANED} if restored else set[Fault]()
    found += [f"verify: {one.fault}" for one in reconcile.verify(bench.workshop) if one.fault not in allowed]
    return found + [f"a {kind} needle is left" for kind in left(bench.home.root, planted)]


def receipts_wrong(bench: Bench, source: Source, planted: Collection[Planted]) -> list[str]:
    """Whether there is one receipt for what was due and one for what was erased."""
    with bench.database.reading() as session:
        signed = [json.loads(receipt)["receipt"] for receipt in erase.receipts(session, source.name)]
    expected = [ids(bench, source, fated(planted, fate)) for fate in ("due", "erased")]
    right = sorted(sorted(receipt["documents"]) for receipt in signed) == sorted(sorted(each) for each in expected)
    return [] if right else [f"there are {len(signed)} receipts, or they are about other documents"]


def left(folder: Path, planted: Collection[Planted]) -> list[str]:
    """The kinds of needles of deleted documents that either scanner finds."""
    gone = fated(planted, "due", "erased")
    found = search(folder, needles_of(gone)).found
    return sorted({kind for document in gone for kind, needle in document.needles.items() if needle in found})


def not_found(folder: Path, planted: Collection[Planted]) -> list[str]:
    """Where the scanners do not find exactly what an index holds as it is."""
    result, expected = search(folder, needles_of(planted)), needles_of(planted, *IN_CLEAR)
    return [
        f"{who}: {len(expected - found)} of {len(expected)} needles not found, {len(found - expected)} sealed ones are"
        for who, found in (("plain scanner", result.plainly), ("indexer.scan", result.by_scan))
        if found != expected
    ]


def killed_at_lines(before: Path, work: Path, planted: Collection[Planted], *, stride: int) -> tuple[int, list[str]]:
    """Die at every so many lines of the acts, resume, and compare. How often, and what was wrong."""
    deaths, wrong = 0, list[str]()
    while True:
        copy(before, work)
        died = True
        with (
            suppress(Killed),
            reopened(work, planted, first_id=1000) as (dying, source),
            killed_at(deaths * stride, LINES),
        ):
            act(dying, source, planted)
            died = False
        if not died:
            return deaths, wrong
        wrong += [f"{problem} (line {deaths * stride})" for problem in _resumed(work, planted)]
        deaths += 1


def killed_for_real(before: Path, work: Path, planted: Collection[Planted]) -> tuple[int, list[str]]:
    """Kill processes by SIGKILL before and after each step, resume in another, and compare."""
    deaths, wrong = 0, list[str]()
    for place, name in STEPS:
        for early in (True, False):
            copy(before, work)
            _, status = os.waitpid(forked(_doomed(work, planted, place, name, early=early)), 0)
            if not os.WIFSIGNALED(status):
                wrong.append(f"nobody was killed at {name}")
            deaths += os.WIFSIGNALED(status)
            wrong += [f"{problem} (killed at {name})" for problem in _resumed(work, planted)]
    return deaths, wrong


def resynced(bench: Bench, source: Source, planted: Collection[Planted]) -> list[str]:
    """Sync again with everything still at the origin, as it was and otherwise; then lift one erasure."""
    bench.sync(source)
    found = [f"{problem} (after a sync)" for problem in problems(bench, source, planted)]
    for one in fated(planted, "due"):
        bench.origin.files[one.origin_id] = replace(one.file, modified=MODIFIED)
    for one in fated(planted, "erased"):
        bench.origin.files[one.origin_id] = replace(one.file, content=one.file.content + MORE)
    bench.sync(source)
    found += [f"{problem} (after a sync with other dates)" for problem in problems(bench, source, planted)]
    lifted = fated(planted, "erased")[:1]
    (document,) = ids(bench, source, lifted)
    tombstones.lift(bench.workshop, source.name, document, reference="DSR-2", actor=ACTOR)
    bench.sync(source)
    if document not in bench.served(source):
        found.append("a document whose erasure was lifted does not come back")
    rest = [one for one in planted if one not in lifted]
    return found + [f"{problem} (after a lifted erasure)" for problem in problems(bench, source, rest)]


def restored(home: Path, backup: Path, planted: Collection[Planted]) -> list[str]:
    """Put the catalog from before in the place of the present one: what is served, and what opens."""
    found = [f"the backup holds a {kind} needle" for kind in left(backup.parent, planted)]
    for tail in ("-wal", "-shm"):
        (home / f"catalog.db{tail}").unlink(missing_ok=True)
    shutil.copyfile(backup, home / "catalog.db")
    with reopened(home, planted, first_id=5000) as (bench, source):
        gone = ids(bench, source, fated(planted, "due", "erased"))
        found += ["a restored catalog serves what was deleted"] if shown(bench, source) & gone else []
        found += [f"{opened} sealed passages open"] if (opened := _opened(bench, source, gone)) else []
        reconcile.repair(bench.workshop, reconcile.verify(bench.workshop), actor=ACTOR)
        found += ["a repaired catalog serves what was deleted"] if shown(bench, source) & gone else []
        bench.sync(source)
        found += ["a synced catalog serves what was deleted"] if shown(bench, source) & gone else []
        found += [f"a {kind} needle is left (restored, synced)" for kind in left(home, planted)]
        # Rows of what is due are a purge's to delete, though nobody can open them.
        erase.purge(bench.workshop, source, actor=ACTOR)
        found += [f"{problem} (restored, purged)" for problem in problems(bench, source, planted, restored=True)]
    return found


def shown(bench: Bench, source: Source) -> frozenset[DocumentId]:
    """What a member of staff is shown."""
    lookup = Lookup(
        keyring=bench.keyring,
        shelf=Shelf(home=bench.home),
        redactor=bench.stages.redactor,
        embedder=bench.stages.embedder,
        node=bench.workshop.node,
    )
    with bench.database.reading() as session:
        registered = catalog.require(session, source.name)
        try:
            opened = lookup.open(session, registered, STAFF, "employee-support", bench.clock())
        except UnavailableError:
            return frozenset()
    return opened.readable() if isinstance(opened, Opened) else frozenset()


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own, in memory. It takes root to make one."""
    place.mkdir()
    options = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)  # noqa: S607
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607


def on_a_full_disk(before: Path, disk: Path, planted: Collection[Planted]) -> tuple[str, list[str]]:
    """Purge in a process that begins where no byte is free, then give room. What came of it, and what was wrong."""
    with reopened(_copied(before, disk), planted) as (bench, _):
        room.keep(bench.home)
    _fill(disk)
    try:
        # As the commands that delete do: room first, then the home is opened.
        with (
            room.found(homes.find(disk / "home")),
            reopened(disk / "home", planted, first_id=1000) as (bench, source),
        ):
            return _squeezed(bench, source, planted, disk)
    except (PenstockError, OSError) as error:
        return FAILED, [f"the purge failed on a full disk: {error}"]


def with_little_room(
    before: Path, disk: Path, planted: Collection[Planted], *, room_bytes: int
) -> tuple[str, list[str]]:
    """The same in a process that has begun, with so much room set aside; it may fail, if it then resumes."""
    with reopened(_copied(before, disk), planted, first_id=1000) as (bench, source):
        bench.home.ballast.write_bytes(bytes(room_bytes))
        bench.workshop.record(source, ACTOR, Action.SYNC_STARTED, {})
        _fill(disk)
        with suppress(PenstockError, OSError):
            return _squeezed(bench, source, planted, disk)
    (disk / FILLING).unlink()
    return FAILED, [f"{problem} (after {room_bytes} bytes of room)" for problem in _resumed(disk / "home", planted)]


def _squeezed(bench: Bench, source: Source, planted: Collection[Planted], disk: Path) -> tuple[str, list[str]]:
    """Act where there is no room, then publish where there is."""
    act(bench, source, planted)
    outcome = DARK if bench.registered(source).generation is None else SERVING
    found = receipts_wrong(bench, source, planted)
    found += [f"a {kind} needle is left" for kind in left(bench.home.root, planted)]
    (disk / FILLING).unlink()
    bench.workshop.publish(source, actor=ACTOR)
    return outcome, [f"{problem} (full disk)" for problem in found + problems(bench, source, planted)]


def _copied(before: Path, disk: Path) -> Path:
    (disk / FILLING).unlink(missing_ok=True)
    return copy(before, disk / "home")


def _fill(disk: Path) -> None:
    """Leave not a byte."""
    with (disk / FILLING).open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(2**12)):
            pass


def _indexed(bench: Bench, source: Source) -> frozenset[DocumentId]:
    return frozenset(one.id for one in bench.documents(source).values() if one.state is DocumentState.INDEXED)


def _resumed(work: Path, planted: Collection[Planted]) -> list[str]:
    with reopened(work, planted, first_id=2000) as (bench, source):
        act(bench, source, planted)
        found = problems(bench, source, planted) + receipts_wrong(bench, source, planted)
        again = erase.purge(bench.workshop, source, actor=ACTOR)
    return found + (["a second purge did something"] if again else [])


def _doomed(work: Path, planted: Collection[Planted], place: Any, name: str, *, early: bool) -> Callable[[], None]:  # noqa: ANN401
    def run() -> None:
        original = getattr(place, name)

        def deadly(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - it stands for any function
            result = None if early else original(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(place, name, deadly)
        with reopened(work, planted, first_id=1000) as (bench, source):
            act(bench, source, planted)

    return run


def _opened(bench: Bench, source: Source, gone: Collection[DocumentId]) -> int:
    """Sealed passages of deleted documents in a catalog that any key of the keyring opens."""
    keys = bench.keyring.document_keys(bench.keyring.document_key_ids()).values()
    documents = bench.documents(source)
    opened = 0
    with bench.database.reading() as session:
        for document in gone & documents.keys():
            revision = documents[document].revision.id
            for passage in catalog.passages(session, revision):
                for key in keys:
                    with suppress(IntegrityError):
                        unseal(key, passage.text, place=f"{revision}:{passage.ordinal}:text")
                        opened += 1
    return opened
