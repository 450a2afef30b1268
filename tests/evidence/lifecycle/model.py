"""What a source must be after any history, as plain Python that shares nothing with what it is compared with.

Documents are named as the origin names them, and what lies in one `NAME!TEXT`. Times are UTC, periods are whole days.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

SKEW = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A document at its origin. `text` numbers its content; `whole` ones have another in them, `broken` are refused."""

    text: int
    kind: str
    modified: datetime
    created: datetime | None

    @property
    def version(self) -> str:
        """The same for the same bytes."""
        return f"{self.kind} {self.text}"

    @property
    def stamp(self) -> str:
        """What the origin shows of a change."""
        return f"{self.version} {self.modified}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The part of a manifest that histories change. `board` are the readers of what lies under `board/`."""

    days: int = 730
    anchor: str = "modified"
    allow: str = "staff"
    deny: str = "contractors"
    board: str = "board"
    active: bool = True
    serving: bool = True

    def reads(self, groups: Collection[str], name: str) -> bool:
        """Whether somebody of these groups may read a document."""
        return self.deny not in groups and (self.board if name.startswith("board/") else self.allow) in groups


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A document as it was taken in. `fault` is "" where it is indexed; `lost` says that its key is gone."""

    version: str
    stamp: str
    modified: datetime
    created: datetime | None
    ingested: datetime
    fault: str = ""
    lost: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """A hold or a restriction; over everything where it names nothing."""

    kind: str
    names: frozenset[str]
    asked_by: str = ""
    asked_at: datetime | None = None

    def is_asked(self, now: datetime) -> bool:
        """Whether a second person may end it by now."""
        return self.asked_at is not None and now <= self.asked_at + timedelta(days=30)


@dataclass(kw_only=True)
class Model:
    """The origin, the catalog (`taken`, and `rows` that are only kept), the index (`served` less `hidden`), the law."""

    now: datetime
    rules: Rules = Rules()
    origin: dict[str, Origin] = field(default_factory=dict)
    taken: dict[str, Entry] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    served: dict[str, Entry] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    orders: dict[str, Order] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    purged: set[tuple[str, str]] = field(default_factory=set)

    def shown(self, groups: Collection[str]) -> dict[str, str]:
        """What somebody of these groups finds now, with the version of it."""
        if not (self.rules.active and self.rules.serving):
            return {}
        return {
            name: entry.version
            for name, entry in self.served.items()
            if name not in self.hidden
            and not self._tombstoned(name, entry)
            and self.rules.reads(groups, name)
            and not self._passed(entry)
            and not self._ordered(name, "restriction")
        }

    def protected(self, name: str) -> bool:
        """Whether an order forbids to delete a document."""
        return self._ordered(name, "hold") or self._ordered(name, "restriction")

    def sync(self, *, units: int | None = None) -> int:
        """A sync; one that dies before the unit of this number, or before it publishes. How many units it has."""
        pending = [name for name in sorted(self.origin) if not self._settle(name)]
        for name in pending[:units]:
            self._take(name)
        if units is None or units > len(pending):
            self._remove([name for name in self.taken if name == whole(name) and name not in self.origin])
        if units is None:
            self.publish()
        return len(pending)

    def publish(self) -> None:
        """The index is as the catalog, and what nobody needs any more is gone."""
        self.served = {
            name: entry
            for name, entry in self.taken.items()
            if not entry.fault
            and not entry.lost
            and self._anchor(entry) is not None
            and not self._tombstoned(name, entry)
        }
        self.hidden.clear()
        self.rows = {name for name in self.rows if name in self.taken or self.protected(name)}

    def indexed(self) -> set[str]:
        """What the catalog says is indexed."""
        return {name for name, entry in self.taken.items() if not entry.fault}

    def due(self) -> set[str]:
        """What a purge deletes."""
        return {
            name
            for name, entry in self.taken.items()
            if not entry.fault and self._passed(entry) and not self.protected(name)
        }

    def buried(self) -> set[str]:
        """What a restored catalog says is indexed though it was deleted, and a sync leaves to the next purge."""
        return {name for name, entry in self.taken.items() if not entry.fault and self._tombstoned(name, entry)}

    def meant(self, names: Collection[str]) -> set[str]:
        """What an erasure of these documents is about."""
        return {row for row in self.rows if row in names or whole(row) in names}

    def tombstone(self, names: Collection[str], *, erased: bool) -> None:
        """Documents that are deleted, from the instant on from which they are not shown."""
        if erased:
            self.erased |= set(names)
        else:
            self.purged |= {(name, self.taken[name].version) for name in names}
        self._remove(names)

    def _ordered(self, name: str, kind: str) -> bool:
        return any(
            order.kind == kind and (not order.names or name in order.names or whole(name) in order.names)
            for order in self.orders.values()
        )

    def _tombstoned(self, name: str, entry: Entry) -> bool:
        return name in self.erased or (name, entry.version) in self.purged

    def _anchor(self, entry: Entry) -> datetime | None:
        return {"created": entry.created, "modified": entry.modified, "ingested": entry.ingested}[self.rules.anchor]

    def _passed(self, entry: Entry) -> bool:
        anchor = self._anchor(entry)
        return anchor is not None and anchor + timedelta(days=self.rules.days) <= self.now

    def _refused(self, name: str) -> str:
        known, file = self.taken.get(name), self.origin[name]
        ingested = known.ingested if known and not known.fault else self.now
        present = _entry(file, ingested)
        anchor = self._anchor(present)
        if anchor is None or anchor > self.now + SKEW:
            return "unknown"
        return "passed" if self._passed(present) else ""

    def _settled(self, entry: Entry) -> bool:
        return not entry.lost and entry.fault in ("", "broken")

    def _settle(self, name: str) -> bool:
        known, file = self.taken.get(name), self.origin[name]
        if known and self._ordered(name, "restriction"):
            return True
        as_it_was = known and known.stamp == file.stamp and self._settled(known)
        if not known or not as_it_was or self._tombstoned(name, known) or self._refused(name):
            return False
        self._leave(name, known)
        return True

    def _leave(self, name: str, known: Entry, stamp: str | None = None) -> None:
        file = self.origin[name]
        if known.fault:
            return
        self.taken[name] = replace(known, created=file.created, modified=file.modified, stamp=stamp or known.stamp)
        for part in self._parts(name):
            self.taken[part] = replace(self.taken[part], created=file.created, modified=file.modified)

    def _take(self, name: str) -> None:
        known, file = self.taken.get(name), self.origin[name]
        refused = self._refused(name)
        if name in self.erased:
            self._quarantine(name, "erased", "")
        elif refused == "passed" and known and not known.fault:
            self._leave(name, known)
        elif refused:
            self._quarantine(name, refused, "")
        elif (name, file.version) in self.purged:
            self._quarantine(name, "purged", "")
        elif known and known.version == file.version and self._settled(known):
            self._leave(name, known, file.stamp)
        elif file.kind == "broken":
            self._quarantine(name, "broken", file.version)
        else:
            self._store(name, _entry(file, self._ingested(known, file.version)))
            parts = {f"{name}!{file.text}"} if file.kind == "whole" else set()
            for part in parts:
                if part in self.taken and self._ordered(part, "restriction"):
                    continue
                entry = replace(self.taken[name], version=f"part {file.text}", stamp="")
                purged = (part, entry.version) in self.purged
                fault = "erased" if part in self.erased else "purged" if purged else ""
                self._store(part, replace(entry, fault=fault, version="" if fault else entry.version))
            self._remove(self._parts(name) - parts)

    def _quarantine(self, name: str, fault: str, version: str) -> None:
        known, file = self.taken.get(name), self.origin[name]
        if known and (known.fault, known.stamp) == (fault, file.stamp):
            return
        ingested = self._ingested(known, version)
        self._store(name, replace(_entry(file, ingested), fault=fault, version=version))
        self._remove(self._parts(name))

    def _ingested(self, known: Entry | None, version: str) -> datetime:
        return known.ingested if known and version and known.version == version else self.now

    def _store(self, name: str, entry: Entry) -> None:
        known = self.taken.get(name)
        if known and not known.fault and entry.fault:
            self.hidden.add(name)
        self.taken[name] = entry
        self.rows.add(name)

    def _remove(self, names: Collection[str]) -> None:
        for name in [row for row in self.rows if row in names or whole(row) in names]:
            self.taken.pop(name, None)
            self.hidden.add(name)

    def _parts(self, name: str) -> set[str]:
        return {known for known in self.taken if known != name and whole(known) == name}


def whole(name: str) -> str:
    """The document that one came in, or itself."""
    return name.partition("!")[0]


def _entry(file: Origin, ingested: datetime) -> Entry:
    return Entry(
        version=file.version, stamp=file.stamp, modified=file.modified, created=file.created, ingested=ingested
    )
