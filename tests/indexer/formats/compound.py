"""A writer of OLE compound files, as small as the format allows: [MS-CFB], version 3."""

import struct
from collections.abc import Mapping

_SECTOR, _MINI_SECTOR, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT, _NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
_STORAGE, _STREAM, _ROOT = 1, 2, 5


def compound(streams: Mapping[str, bytes]) -> bytes:
    """The file that holds these streams; `/` in a name leads into a storage."""
    entries: list[tuple[str, int, int, int, bytes]] = [("Root Entry", _ROOT, _NONE, _NONE, b"")]
    _add_folder(entries, 0, {tuple(name.split("/")): content for name, content in streams.items()})
    sectors: list[bytes] = []
    fat: list[int] = []

    def store(content: bytes) -> int:
        if not content:
            return _END
        first = len(sectors)
        count = -(-len(content) // _SECTOR)
        sectors.extend(content[at * _SECTOR : (at + 1) * _SECTOR].ljust(_SECTOR, b"\x00") for at in range(count))
        fat.extend([*range(first + 1, first + count), _END])
        return first

    mini, mini_fat, starts = b"", list[int](), list[int]()
    for _, kind, _, _, content in entries:
        if kind != _STREAM or len(content) >= _CUTOFF or not content:
            starts.append(store(content) if kind == _STREAM else 0)
            continue
        starts.append(len(mini_fat))
        count = -(-len(content) // _MINI_SECTOR)
        mini_fat.extend([*range(len(mini_fat) + 1, len(mini_fat) + count), _END])
        mini += content.ljust(count * _MINI_SECTOR, b"\x00")
    starts[0] = store(mini)
    directory = b"".join(
        _entry(name, kind, sibling, child, start, len(mini) if kind == _ROOT else len(content))
        for (name, kind, sibling, child, content), start in zip(entries, starts, strict=True)
    )
    directory_at = store(directory + _entry("", 0, _NONE, _NONE, 0, 0) * (-len(entries) % 4))
    mini_fat_at = store(struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(-(-len(mini_fat) // 128) * 512, b"\xff"))
    fat_sectors = 1
    while len(fat) + fat_sectors > fat_sectors * 128:
        fat_sectors += 1
    fat_at = list(range(len(fat), len(fat) + fat_sectors))
    table = [*fat, *[_FAT] * fat_sectors]
    table += [_FREE] * (fat_sectors * 128 - len(table))
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, fat_sectors, directory_at, 0, _CUTOFF, mini_fat_at, -(-len(mini_fat) // 128), _END, 0),
    )
    header += struct.pack("<109I", *fat_at, *[_FREE] * (109 - fat_sectors))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)


def _add_folder(
    entries: list[tuple[str, int, int, int, bytes]], parent: int, streams: Mapping[tuple[str, ...], bytes]
) -> None:
    """The children of `parent`, each the right sibling of the one before."""
    previous = _NONE
    for name in dict.fromkeys(path[0] for path in streams):
        inside = {path[1:]: content for path, content in streams.items() if path[0] == name and len(path) > 1}
        index = len(entries)
        entries.append((name, _STORAGE if inside else _STREAM, _NONE, _NONE, streams.get((name,), b"")))
        if previous == _NONE:
            entries[parent] = (*entries[parent][:3], index, entries[parent][4])
        else:
            entries[previous] = (*entries[previous][:2], index, *entries[previous][3:])
        previous = index
        if inside:
            _add_folder(entries, index, inside)


def _entry(name: str, kind: int, sibling: int, child: int, start: int, size: int) -> bytes:
    wide = name.encode("utf-16-le") + b"\x00\x00" if name else b""
    return struct.pack(
        "<64sHBBIII36xIII", wide, len(wide), kind, 1, _NONE, sibling, child, start if kind != _STORAGE else 0, size, 0
    )
