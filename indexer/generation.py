"""One immutable build of a source's search index: what is in it, who may see which part, and that it is undamaged.

Rows are passages. They lie by visibility class, in a class by the retention anchor of their document, then by
document. So what a caller may see at an instant is one range of rows for each class that was permitted.
"""

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.arrays import unpacked
from indexer.keyring import KeyId
from indexer.lexicon import Lexicon
from indexer.vectors import Block, Ranges, Vectors
from policies.decide import CLOCK_SKEW
from policies.errors import IntegrityError
from policies.model import Access, ClassId, DocumentId, GenerationId, Permit, SourceName
from policies.retention import Period, passed

FORMAT = 1
MANIFEST = "manifest.json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SCOPES_KEPT = 256
"""Chosen: so many combinations of what callers see have a name that need not be made again."""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True, slots=True)
class VisibilityClass:
    """Documents (and rows) of a generation that share one set of access rules, as half-open ranges."""

    id: ClassId
    access: Access
    documents: tuple[int, int]
    rows: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a generation's manifest says of it. `files` gives the SHA-256 in hex of each file.

    `embedder` and `analyser` name what made its vectors and terms: a query made by others must not be put to it.
    """

    source: SourceName
    embedder: str
    analyser: str
    dim: int
    languages: tuple[str, ...]
    classes: tuple[VisibilityClass, ...]
    blocks: tuple[Block, ...]
    documents: int
    passages: int
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A document of a generation: `anchor` is what its retention counts from, `start` its first row."""

    document: DocumentId
    revision: KeyId
    anchor: datetime
    start: int


class Generation:
    """An opened generation, verified and mapped. Reading it needs no lock; nothing in it ever changes."""

    def __init__(self, generation_id: GenerationId, folder: Path, *, digest: str) -> None:
        """Verify every file of the folder against its manifest and the manifest against `digest`, then map them.

        Raises:
            IntegrityError: a file is missing, or a bit of it changed.
        """
        self.id = generation_id
        self.inventory = inventory = _verified(folder, digest)
        try:
            self.vectors = Vectors(folder / "vectors.bin", inventory.blocks, dim=inventory.dim)
            self.lexicon = Lexicon(folder / "lexicon")
            columns = unpacked((folder / "documents.npz").read_bytes())
        except OSError as error:
            # Another process may have published the next generation and removed this one since it was verified.
            raise IntegrityError(
                f"Generation {generation_id} went away while it was opened ({type(error).__name__}).",
                mend="Ask again. If it stays so, run: penstock verify --repair",
            ) from error
        self._documents: list[str] = columns["documents"].tolist()
        self._revisions: list[str] = columns["revisions"].tolist()
        self._anchors: NDArray[np.int64] = columns["anchors"]
        self._starts: NDArray[np.int64] = columns["starts"]
        self._moments: list[int] = np.unique(self._anchors).tolist()
        self._ages = [_ends(self._anchors[slice(*visibility.documents)]) for visibility in inventory.classes]
        self._scope = lru_cache(maxsize=SCOPES_KEPT)(self._scope_of)
        self._class_ends = [visibility.rows[1] for visibility in inventory.classes]
        self._positions = {document: position for position, document in enumerate(self._documents)}

    def visible(self, permits: Sequence[Permit], hidden: Collection[DocumentId]) -> Ranges:
        """The rows that these permits open: their classes, less what is past retention, less hidden documents.

        A document whose retention counts from a date that is still to come is not shown either: nobody knows its age.
        """
        clocks = {
            permit.class_id: (permit.period, permit.at) for permit in permits if permit.source == self.inventory.source
        }
        return self.kept(clocks, hidden)

    def kept(self, clocks: Mapping[ClassId, tuple[Period, datetime]], hidden: Collection[DocumentId]) -> Ranges:
        """The rows of these classes that are kept by a period at an instant. Who may see them is not asked."""
        pieces: list[tuple[int, int]] = []
        gaps = sorted({position for document in hidden if (position := self._positions.get(document)) is not None})
        told, oldest, newest = None, 0, 0
        for visibility, (earliest, latest) in zip(self.inventory.classes, self._ages, strict=True):
            clock = clocks.get(visibility.id)
            if clock is None:
                continue
            if clock != told:
                told, oldest, newest = clock, self._oldest_kept(*clock), microseconds_of(clock[1] + CLOCK_SKEW)
            since, until = visibility.documents
            if earliest < oldest or latest > newest:
                anchors = self._anchors[since:until]
                until = since + int(np.searchsorted(anchors, newest, side="right"))
                since += int(np.searchsorted(anchors, oldest))
            for first, last in _without(gaps, since, until):
                # Documents of two classes that meet are one range: a search costs something for each.
                met = bool(pieces) and pieces[-1][1] == first
                pieces.append((pieces.pop()[0] if met else first, last))
        rows = [(int(self._starts[first]), int(self._starts[last])) for first, last in pieces]
        return [(first, last) for first, last in rows if first < last]

    def scope(self, visible: Ranges) -> str:
        """Names the documents in these rows: the same for as long as they are the same."""
        return self._scope(tuple(visible))

    def _scope_of(self, visible: tuple[tuple[int, int], ...]) -> str:
        digest = hashlib.sha256()
        # Without documents that have no passage: one between two ranges would count only where the ranges are one.
        held = (revision for revision, passages in self.seen(visible).items() if passages)
        digest.update("".join(f"{revision}\n" for revision in held).encode())
        return digest.hexdigest()[:24]

    def _documents_in(self, low: int, high: int) -> tuple[int, int]:
        """From the document that row `low` is of to the first that begins behind the range."""
        return int(np.searchsorted(self._starts, low, side="right")) - 1, int(np.searchsorted(self._starts, high))

    def seen(self, visible: Ranges) -> dict[KeyId, int]:
        """The documents in these rows, by revision, with the number of their passages."""
        found: dict[KeyId, int] = {}
        for low, high in visible:
            first, last = self._documents_in(low, high)
            numbers = np.diff(self._starts[first : last + 1]).tolist()
            found.update(zip(map(KeyId, self._revisions[first:last]), numbers, strict=True))
        return found

    def member(self, row: int) -> tuple[Member, int]:
        """The document a row belongs to, and the ordinal of the row's passage in it."""
        position = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._member(position), row - int(self._starts[position])

    def members(self) -> list[Member]:
        """Every document, in the order of rows."""
        return [self._member(position) for position in range(len(self._documents))]

    def revisions(self) -> dict[KeyId, tuple[int, int]]:
        """The rows of every document, by its revision."""
        return {
            KeyId(revision): rows
            for revision, rows in zip(self._revisions, pairwise(self._starts.tolist()), strict=True)
        }

    def rows_of(self, document: DocumentId) -> tuple[int, int] | None:
        """The rows of a document, or None where the generation does not hold it."""
        position = self._positions.get(document)
        return None if position is None else (int(self._starts[position]), int(self._starts[position + 1]))

    def check(self, row: int, permits: Sequence[Permit], hidden: Collection[DocumentId]) -> Member:
        """The document of a row that a search returned, looked at once more, in another way than the search did.

        Raises:
            IntegrityError: no permit opens this row. Nothing may be answered.
        """
        if 0 <= row < self.inventory.passages:
            member, _ = self.member(row)
            class_id = self.inventory.classes[bisect_right(self._class_ends, row)].id
            opened = any(
                permit.source == self.inventory.source
                and permit.class_id == class_id
                and member.anchor <= permit.at + CLOCK_SKEW
                and not passed(member.anchor, permit.period, permit.at)
                for permit in permits
            )
            if opened and member.document not in hidden:
                return member
        raise IntegrityError("A search returned a passage that no permit opens.", mend="Run: penstock verify --repair")

    def _member(self, position: int) -> Member:
        return Member(
            document=DocumentId(self._documents[position]),
            revision=KeyId(self._revisions[position]),
            anchor=time_of(int(self._anchors[position])),
            start=int(self._starts[position]),
        )

    def _oldest_kept(self, period: Period, at: datetime) -> int:
        """The earliest anchor whose retention has not passed, in microseconds. One bisection serves all classes."""
        if self._moments and not passed(time_of(self._moments[0]), period, at):
            return self._moments[0]
        kept = bisect_left(self._moments, True, key=lambda anchor: not passed(time_of(anchor), period, at))
        return self._moments[kept] if kept < len(self._moments) else _NEVER


def _without(gaps: Sequence[int], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The range from `first` to `last`, broken where one of the ascending `gaps` lies."""
    inside = gaps[bisect_left(gaps, first) : bisect_left(gaps, last)]
    edges = [first, *(edge for gap in inside for edge in (gap, gap + 1)), last]
    return ((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high)


def _ends(ascending: NDArray[np.int64]) -> tuple[int, int]:
    """The first and the last of them."""
    return (int(ascending[0]), int(ascending[-1])) if len(ascending) else (_NEVER, _NEVER)


def microseconds_of(time: datetime) -> int:
    """A time as whole microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """The time, UTC and aware, of so many microseconds since 1970."""
    return _EPOCH + microseconds * _MICROSECOND


def dump_inventory(inventory: Inventory) -> bytes:
    """The content of a generation's manifest."""
    plain = asdict(inventory) | {"format": FORMAT}
    for visibility in plain["classes"]:
        access = visibility.pop("access")
        visibility["allow"], visibility["deny"] = sorted(access["allow"]), sorted(access["deny"])
        visibility["as_of"] = access["as_of"].isoformat() if access["as_of"] else None
    return json.dumps(plain, indent=1, sort_keys=True).encode()


def load_inventory(content: bytes) -> Inventory:
    """The inventory that a manifest holds. The caller has verified the bytes.

    Raises:
        IntegrityError: another version of Penstock wrote it in a format of its own.
    """
    plain = json.loads(content)
    try:
        if plain.pop("format") == FORMAT:
            return _inventory(plain)
    except (KeyError, TypeError):
        pass
    raise IntegrityError("The index has the format of another Penstock.", mend="Run: penstock verify --repair")


def _inventory(plain: dict[str, Any]) -> Inventory:
    classes = tuple(
        VisibilityClass(
            id=ClassId(visibility["id"]),
            access=Access(
                allow=frozenset(visibility["allow"]),
                deny=frozenset(visibility["deny"]),
                as_of=datetime.fromisoformat(visibility["as_of"]) if visibility["as_of"] else None,
            ),
            documents=(visibility["documents"][0], visibility["documents"][1]),
            rows=(visibility["rows"][0], visibility["rows"][1]),
        )
        for visibility in plain["classes"]
    )
    return Inventory(
        source=SourceName(plain["source"]),
        embedder=plain["embedder"],
        analyser=plain["analyser"],
        dim=plain["dim"],
        languages=tuple(plain["languages"]),
        classes=classes,
        blocks=tuple(Block(**block) for block in plain["blocks"]),
        documents=plain["documents"],
        passages=plain["passages"],
        files=plain["files"],
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_inventory(folder: Path, *, digest: str) -> Inventory:
    """The inventory of a generation, its manifest verified and its files not.

    Raises:
        IntegrityError: the manifest is missing, changed, or of another format.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise _damaged(folder, MANIFEST) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(folder, MANIFEST)
    return load_inventory(content)


def _verified(folder: Path, digest: str) -> Inventory:
    inventory = read_inventory(folder, digest=digest)
    for name, expected in inventory.files.items():
        try:
            found = digest_of(folder / name)
        except OSError as error:
            raise _damaged(folder, name) from error
        if found != expected:
            raise _damaged(folder, name)
    return inventory


def _damaged(folder: Path, name: str) -> IntegrityError:
    return IntegrityError(
        f"Generation {folder.name!r} is damaged or incomplete: {Path(name).name!r} is not what was written.",
        mend="It is refused, and is rebuilt from the catalog by: penstock verify --repair",
    )
