"""What may happen to a home, and to its model as well."""

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

from indexer import erase, protect, revisions, tombstones
from indexer import sync as syncs
from indexer.joblog import Job, JobKind
from indexer.keyring import KeyId
from indexer.workshop import Workshop
from policies.errors import ConflictError, RefusedError
from policies.manifest import Source, parse
from policies.model import GenerationId
from policies.orders import OrderId, OrderKind
from policies.purge import ErasureRequest
from tests.evidence.lifecycle.beside import Beside, inside, said
from tests.evidence.lifecycle.model import Model, Order, Origin, Rules
from tests.indexer.workbench import ACTOR, File, Killed


@dataclass(frozen=True, kw_only=True)
class _Backup:
    catalog: bytes
    model: Model
    keys: dict[str, KeyId]
    pending: dict[str, frozenset[str]]
    records: int


class _Dying(Workshop):
    """The process dies before it publishes."""

    def publish(self, source: Source, *, actor: str) -> GenerationId:
        assert source.name, actor
        raise Killed


class History(Beside):
    """What may happen to a home and its model. Each method is something that happens to both."""

    def __init__(self, template: Path, root: Path) -> None:
        """Begin with a copy of the empty home in `template`."""
        super().__init__(template, root)
        self._backup: _Backup | None = None
        self._pending: dict[str, frozenset[str]] = {}
        self._finished: set[str] = set()

    def write(self, name: str, file: Origin) -> None:
        """The origin has a document, new or changed."""
        self.model.origin[name] = file
        content = {
            "plain": f"# {name}\n{said(name, file.version)}",
            "whole": f"# {name}\n{said(name, file.version)}\n+inner.txt\n{inside(name, file.text)}",
            "broken": f"!encrypted\n{file.text}",
        }[file.kind]
        self._origin.files[name] = File(content=content.encode(), modified=file.modified, created=file.created)

    def delete(self, name: str) -> None:
        """The origin has it no more."""
        self.model.origin.pop(name, None)
        self._origin.files.pop(name, None)

    def pass_time(self, span: timedelta) -> None:
        """The clock goes on, or back, which is put on record."""
        self.model.now += span
        self._bench.set_back(self.model.now)

    def restart(self) -> None:
        """The process ends and another begins."""
        self.close()
        self._open()

    def back_up(self) -> None:
        """A copy of the catalog is put away, as a file."""
        self._bench.database.checkpoint()
        self._backup = _Backup(
            catalog=self._bench.home.catalog.read_bytes(),
            model=deepcopy(self.model),
            keys={name: document.revision.id for name, document in self._documents().items()},
            pending=dict(self._pending),
            records=len(self._bench.audit()),
        )

    def restore(self) -> None:
        """The copy takes the catalog's place; origin, keyring and the rest of the home stay as they are."""
        if self._backup is None:
            return
        self.close()
        path = self._bench.home.catalog
        for tail in ("-wal", "-shm"):
            path.with_name(path.name + tail).unlink(missing_ok=True)
        path.write_bytes(self._backup.catalog)
        now, then = self.model, deepcopy(self._backup.model)
        then.now, then.origin, then.orders = now.now, now.origin, now.orders
        then.erased, then.purged = now.erased, now.purged
        self._open()
        # The copy can be of a time from before the clock was set back.
        self._bench.set_back(now.now)
        held = self._bench.keyring.document_key_ids()
        for name, key in self._backup.keys.items():
            if key not in held:
                then.taken[name] = replace(then.taken[name], lost=True)
        registered = self._bench.registered(self._source)
        self._source = parse(registered.manifest, path="catalog")
        if (
            registered.generation is None
            or not self._bench.home.generation(self._source.name, registered.generation).is_dir()
        ):
            then.served = {}
        self.model = then
        self._pending = dict(self._backup.pending)
        furthest = max((head.sequence for head in self._bench.keyring.anchors()), default=0)
        self._cut |= furthest > self._backup.records
        with self._bench.database.reading() as session:
            there = revisions.ids(session)
        self._lost |= there - held
        self._kept = {name: kept & there for name, kept in self._kept.items()}

    def apply(self, rules: Rules) -> None:
        """Another manifest is put in force."""
        published = not self._is_dark()
        self._source = self._in_force(rules)
        self.model.rules = rules
        if published:
            self.model.publish()

    def sync(self) -> None:
        """A sync from beginning to end."""
        if self._refused(not self.model.rules.active, lambda: self._bench.sync(self._source, confirm_deletes=True)):
            return
        self.model.sync()

    def kill_sync(self, units: int, *, resume: bool) -> None:
        """A sync that dies before the unit of this number or before it publishes; another process may go on."""
        if not self.model.rules.active:
            return
        job = self._bench.ask(JobKind.SYNC, self._source, confirm_deletes=True)
        dying = _dying(self._bench.workshop)
        with suppress(Killed), syncs.opened(dying, self._source, self._origin, job) as run:
            total = run.prepare()
            for unit in range(min(units, total)):
                run.do(unit)
            if units <= total:
                raise Killed
            run.finish()
        assert self.model.sync(units=units) == total, "a sync looks at other documents than it should"
        self.restart()
        if resume:
            self._go_on(job)

    def purge(self) -> None:
        """What is due is deleted, with a receipt."""
        signed: list[str] = []

        def act() -> None:
            signed.extend(erase.purge(self._bench.workshop, self._source, actor=ACTOR))

        dark = self._is_dark()
        if self._refused(self._is_blocked(), act):
            return
        receipts, due = self._finish_pending(), self.model.due()
        if due:
            self.model.tombstone(due, erased=False)
        if due or (dark and self.model.indexed()):
            self.model.publish()
        self._compare_receipts(signed, receipts, due)

    def kill_purge(self) -> None:
        """A purge that dies when its documents have their tombstones."""
        due = self.model.due()
        self._die(lambda dying: erase.purge(dying, self._source, actor=ACTOR), due, erased=False)

    def kill_erase(self, names: Collection[str]) -> None:
        """An erasure that dies when its documents have their tombstones."""
        meant = set[str]() if self._may_not_erase(names) else self.model.meant(names)
        self._die(lambda dying: erase.erase(dying, self._source, self._request(names), actor=ACTOR), meant, erased=True)

    def _die(self, act: Callable[[Workshop], object], names: Collection[str], *, erased: bool) -> None:
        unfinished = self._unfinished()
        with suppress(Killed, RefusedError, ConflictError):
            act(_dying(self._bench.workshop))
        self._pending = unfinished
        if names and not unfinished:
            self.model.tombstone(names, erased=erased)
            self._ids += 1
            self._pending[str(self._ids)] = frozenset(names)
        self.restart()

    def erase(self, names: Collection[str]) -> None:
        """Somebody asks for the erasure of documents."""
        blocked, signed = self._is_blocked(), list[str]()
        receipts = 0 if blocked else self._finish_pending()
        meant = self.model.meant(names)

        def act() -> None:
            signed.extend(erase.erase(self._bench.workshop, self._source, self._request(names), actor=ACTOR))

        if self._refused(blocked or self._may_not_erase(names), act):
            return
        self.model.tombstone(meant, erased=True)
        self.model.publish()
        self._compare_receipts(signed, receipts, meant)

    def lift_erasure(self, name: str) -> None:
        """An erased document may come back."""
        document = self._id(name)

        def act() -> None:
            tombstones.lift(self._bench.workshop, self._source.name, document, reference="DSR-2", actor=ACTOR)

        if not self._refused(name not in self.model.erased, act):
            self.model.erased.discard(name)

    def place(self, kind: OrderKind, names: Collection[str]) -> None:
        """A hold or a restriction is placed; over everything where nothing is named."""
        placed: list[str] = []

        def act() -> None:
            order = protect.place(
                self._bench.workshop, kind, self._source.name, self._named(names), reference="LIT-1", by="ann"
            )
            placed.append(order.id)

        if not self._refused(not set(names) <= self.model.rows, act):
            self.model.orders[placed[0]] = Order(kind=kind.value, names=frozenset(names))

    def end(self, number: int, by: str) -> None:
        """Somebody wants an order to end: a restriction does, a hold when another person wants it too."""
        if not self.model.orders:
            return
        named = sorted(self.model.orders)[number % len(self.model.orders)]
        order, workshop = self.model.orders[named], self._bench.workshop
        if order.kind == "restriction":
            protect.lift(workshop, OrderId(named), by=by, notice="NOTE-1")
            del self.model.orders[named]
        elif not order.is_asked(self.model.now):
            protect.release(workshop, OrderId(named), by=by)
            self.model.orders[named] = replace(order, asked_by=by, asked_at=self.model.now)
        elif not self._refused(order.asked_by == by, lambda: protect.release(workshop, OrderId(named), by=by)):
            del self.model.orders[named]

    def _request(self, names: Collection[str]) -> ErasureRequest:
        return ErasureRequest(documents=self._named(names), reference="DSR-1", ground="objection")

    def _may_not_erase(self, names: Collection[str]) -> bool:
        unknown = not names or not set(names) <= self.model.rows
        return unknown or any(map(self.model.protected, self.model.meant(names)))

    def _go_on(self, job: Job) -> None:
        self._bench.carry_on(self._source, self._bench.job(job.id))
        self.model.sync()

    def _unfinished(self) -> dict[str, frozenset[str]]:
        """Purges that died, with their documents; those that a restored catalog brought back are closed in silence."""
        return {purge: names for purge, names in self._pending.items() if purge not in self._finished}

    def _is_blocked(self) -> bool:
        """Whether a purge that died must wait, because an order was placed since."""
        begun = frozenset[str]().union(*self._unfinished().values())
        return any(map(self.model.protected, begun & self.model.rows))

    def _finish_pending(self) -> int:
        """How many purges that died are finished by the next, and so have receipts."""
        unfinished = self._unfinished()
        if unfinished:
            self.model.publish()
        self._finished |= unfinished.keys()
        self._pending.clear()
        return len(unfinished)

    def _compare_receipts(self, signed: Collection[str], before: int, names: Collection[str]) -> None:
        receipts = [json.loads(receipt)["receipt"] for receipt in signed]
        assert len(receipts) == before + bool(names), "there are other receipts"
        if names:
            assert set(receipts[-1]["documents"]) == self._named(names), "the receipt is about other documents"

    def _refused(self, expected: bool, act: Callable[[], object]) -> bool:  # noqa: FBT001 - whether it must be
        """Whether an act is refused, which must be so exactly where it is expected."""
        try:
            act()
        except (RefusedError, ConflictError):
            if not expected:
                raise
            return True
        assert not expected, "it was not refused"
        return False


def _dying(workshop: Workshop) -> Workshop:
    return _Dying(**{field.name: getattr(workshop, field.name) for field in fields(workshop)})
