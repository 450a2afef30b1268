"""OLE2 compound files, the container of doc, xls, ppt and msg, with their chains tied into knots.

[MS-CFB]: a header names the sectors of an allocation table; the table holds, for each sector, the one that follows.
Streams of less than 4096 bytes lie in a mini stream with a table of its own. The directory is a tree of entries.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeAlias

from tests.bombs.bomb import Bomb

Tree: TypeAlias = Mapping[str, "bytes | Tree"]

SECTOR_BYTES = 512
_CUTOFF_BYTES = 4096
_END, _TABLE, _NONE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_PER_SECTOR = SECTOR_BYTES // 4


@dataclass(kw_only=True)
class Layout:
    """A compound file before it is written, so that a bomb can change what it likes."""

    sectors: list[bytes] = field(default_factory=list)
    table: list[int] = field(default_factory=list)
    directory: list[bytearray] = field(default_factory=list)
    directory_start: int = 0

    def chain(self, content: bytes) -> int:
        """The first of new sectors that hold `content`, _END for none."""
        first = len(self.sectors)
        pieces = [content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)]
        self.sectors += [piece.ljust(SECTOR_BYTES, b"\0") for piece in pieces]
        self.table += [*range(first + 1, first + len(pieces)), _END] if pieces else []
        return first if pieces else _END

    def pack(self) -> bytes:
        """The file."""
        sectors, table = list(self.sectors), list(self.table)
        size = next(n for n in count(1) if n * _PER_SECTOR >= len(table) + n)
        starts = [len(sectors) + at for at in range(size)]
        table += [_TABLE] * size
        table += [_NONE] * (size * _PER_SECTOR - len(table))
        raw = struct.pack(f"<{len(table)}I", *table)
        header = (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
        )
        header += struct.pack(
            "<IIIIIIIIII", 0, size, self.directory_start, 0, _CUTOFF_BYTES, _END, 0, _END, 0, starts[0]
        )
        header += struct.pack("<108I", *starts[1:109], *[_NONE] * (108 - len(starts[1:109])))
        return header + b"".join(sectors) + raw


def layout(tree: Tree) -> Layout:
    """The streams and storages of `tree`. Every stream is padded to what needs no mini stream."""
    made = Layout()
    made.directory = [_entry("Root Entry", _ROOT)]
    _add(made, 0, tree)
    raw = b"".join(bytes(entry) for entry in made.directory)
    made.directory_start = made.chain(raw + bytes(-len(raw) % SECTOR_BYTES))
    return made


def _add(made: Layout, parent: int, tree: Tree) -> None:
    """The children of a storage as a list: each the right sibling of the one before."""
    previous = None
    for name, node in tree.items():
        index = len(made.directory)
        if isinstance(node, bytes):
            content = node.ljust(_CUTOFF_BYTES, b"\0")
            made.directory.append(_entry(name, _STREAM, start=made.chain(content), size=len(content)))
        else:
            made.directory.append(_entry(name, _STORAGE))
        if previous is None:
            struct.pack_into("<I", made.directory[parent], 76, index)
        else:
            struct.pack_into("<I", made.directory[previous], 72, index)
        previous = index
        if not isinstance(node, bytes):
            _add(made, index, node)


def _entry(name: str, kind: int, *, start: int = _END, size: int = 0) -> bytearray:
    label = name.encode("utf-16-le")
    links = struct.pack("<III", _NONE, _NONE, _NONE)
    return bytearray(
        label.ljust(64, b"\0")
        + struct.pack("<HBB", len(label) + 2, kind, 1)
        + links
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


_SUBJECT, _BODY, _CLASS = "__substg1.0_0037001F", "__substg1.0_1000001F", "__substg1.0_001A001F"
_PROPERTIES, _ATTACHMENT, _EMBEDDED = "__properties_version1.0", "__attach_version1.0_#00000000", "__substg1.0_3701000D"


def message(inner: Tree | None = None, *, head_bytes: int = 32) -> Tree:
    """An Outlook message, with another attached to it."""
    tree: dict[str, bytes | Tree] = {
        _PROPERTIES: bytes(head_bytes),
        _CLASS: "IPM.Note".encode("utf-16-le"),
        _SUBJECT: "A mail".encode("utf-16-le"),
        _BODY: "An ordinary line.".encode("utf-16-le"),
    }
    if inner is not None:
        method = bytes(8) + struct.pack("<HHIII", 3, 0x3705, 6, 5, 0)  # PR_ATTACH_METHOD: an embedded message
        tree[_ATTACHMENT] = {_PROPERTIES: method, _EMBEDDED: inner}
    return tree


def _records(*records: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HH", kind, len(content)) + content for kind, content in records)


_BOF = (0x0809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 6))
_EOF = (0x000A, b"")
_FIB = struct.pack("<HHHHHHHBB", 0xA5EC, 0xC1, 0, 0x409, 0, 0x1200, 0, 0, 0) + b"\xff" * 1500
_CONTAINER = struct.pack("<HHI", 0x000F, 0x03E8, 2**31 - 1)

TREES: Mapping[str, Tree] = {
    "doc": {"WordDocument": _FIB, "1Table": bytes(100), "0Table": bytes(100)},
    "xls": {"Workbook": _records(_BOF, _EOF)},
    "ppt": {"PowerPoint Document": _CONTAINER, "Current User": bytes(28)},
    "msg": message(),
}
"""What each format must hold to be taken for it."""


def _chains_in_rings(made: Layout) -> None:
    for at, following in enumerate(made.table):
        if following == _END:
            made.table[at] = at


def _directory_in_a_ring(made: Layout) -> None:
    made.table[made.directory_start] = made.directory_start


def _no_directory(made: Layout) -> None:
    made.directory_start = 2**31


def _chains_into_nothing(made: Layout) -> None:
    made.table = [2**31 - 5 for _ in made.table]


KNOTS: Mapping[str, Callable[[Layout], None]] = {
    "chains that end where they are": _chains_in_rings,
    "a directory that follows itself": _directory_in_a_ring,
    "a directory that is not there": _no_directory,
    "chains into nothing": _chains_into_nothing,
}


_OUTCOMES: Mapping[tuple[str, str], str] = {
    ("msg", "chains that end where they are"): "read",  # each stream says how long it is
    ("ppt", "chains into nothing"): "empty",
    ("ppt", "a directory that is its own child"): "empty",
    ("ppt", "streams of four exabytes"): "empty",
}
"""Of those that are not found to be corrupt."""


def _tied(tree: Tree, knot: Callable[[Layout], None]) -> bytes:
    made = layout(tree)
    knot(made)
    return made.pack()


def _changed(tree: Tree, change: Callable[[bytearray], None]) -> bytes:
    """The file with every entry of its directory but the root changed."""
    made = layout(tree)
    for entry in made.directory[1:]:
        change(entry)
    raw = b"".join(bytes(entry) for entry in made.directory)
    begin = made.directory_start
    made.sectors[begin:] = [
        raw[at : at + SECTOR_BYTES].ljust(SECTOR_BYTES, b"\0") for at in range(0, len(raw), SECTOR_BYTES)
    ]
    return made.pack()


def _own_child(entry: bytearray) -> None:
    struct.pack_into("<III", entry, 68, 1, 1, 0)


def _huge(entry: bytearray) -> None:
    struct.pack_into("<Q", entry, 120, 2**62)


def _tables_without_end(tree: Tree) -> bytes:
    file = bytearray(layout(tree).pack())
    struct.pack_into("<I", file, 44, 2**32 - 1)  # sectors of the table
    struct.pack_into("<II", file, 68, 0, 2**32 - 1)  # sectors of the table of the table, which begin at the first
    file[SECTOR_BYTES : 2 * SECTOR_BYTES] = bytes(SECTOR_BYTES)
    return bytes(file)


def _in_each_other(levels: int) -> bytes:
    tree = message()
    for _ in range(levels):
        tree = message(tree, head_bytes=24)
    return layout(tree).pack()


def _knots() -> Iterator[Bomb]:
    makers: Mapping[str, Callable[[Tree], bytes]] = {
        **{name: partial(_tied, knot=knot) for name, knot in KNOTS.items()},
        "a directory that is its own child": partial(_changed, change=_own_child),
        "streams of four exabytes": partial(_changed, change=_huge),
        "four billion tables": _tables_without_end,
    }
    for suffix, tree in TREES.items():
        for name, make in makers.items():
            outcome = _OUTCOMES.get((suffix, name), "corrupt")
            yield Bomb(name=name, file=f"a.{suffix}", outcome=outcome, make=partial(make, tree))


COMPOUNDS = (
    *_knots(),
    Bomb(name="messages in messages, 200 deep", file="a.msg", outcome="corrupt", make=lambda: _in_each_other(200)),
    Bomb(
        name="a billion strings",
        file="a.xls",
        outcome="corrupt",
        make=lambda: layout(
            {"Workbook": _records(_BOF, (0x00FC, struct.pack("<IIHB", 10**9, 10**9, 0xFFFF, 0)), _EOF)}
        ).pack(),
    ),
    Bomb(
        name="2,000,000 empty records",
        file="a.xls",
        outcome="corrupt",
        make=lambda: layout({"Workbook": _records(_BOF, *[(0x003C, b"")] * 2_000_000, _EOF)}).pack(),
    ),
    Bomb(
        name="containers 100,000 deep",
        file="a.ppt",
        outcome="empty",
        make=lambda: layout({"PowerPoint Document": _CONTAINER * 100_000, "Current User": bytes(28)}).pack(),
    ),
)
