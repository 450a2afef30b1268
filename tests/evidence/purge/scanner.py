"""Looking for needles in every file and file name below a folder. Plain, slow, and nothing of `indexer.scan`."""

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

START = 8
DEPTH = 2
MOST_BYTES = 2**26


def scanned(folder: Path, needles: Iterable[bytes]) -> dict[bytes, set[str]]:
    """The needles that lie below a folder in any form, with the files (relative to it) that hold them."""
    by_start: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for needle in needles:
        for form in forms(needle):
            by_start.setdefault(form[:START], []).append((form, needle))
    found: dict[bytes, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        content = path.read_bytes() if path.is_file() else b""
        for part in (name.encode("utf-8", "surrogateescape"), content, *_inflated(content, DEPTH)):
            for needle in _in(part, by_start):
                found.setdefault(needle, set()).add(name)
    return found


def forms(needle: bytes) -> set[bytes]:
    """The needle as it is and in lower case, both as UTF-16, base64 and hexadecimal."""
    made: set[bytes] = set()
    for spelt in {needle, needle.lower()}:
        made |= {spelt, spelt.hex().encode(), spelt.hex().upper().encode()}
        for before in range(3):
            # The digits that depend on the needle alone, whatever stands before and behind it.
            coded = base64.b64encode(b"?" * before + spelt + b"?" * 3)
            whole = coded[-(-before * 4 // 3) : (before + len(spelt)) * 4 // 3]
            made |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
        if spelt.isascii():
            made |= {spelt.decode().encode("utf-16-le"), spelt.decode().encode("utf-16-be")}
    return made


def _in(content: bytes, by_start: dict[bytes, list[tuple[bytes, bytes]]]) -> Iterator[bytes]:
    for at in range(len(content) - START + 1):
        for form, needle in by_start.get(content[at : at + START], ()):
            if content.startswith(form, at):
                yield needle


def _inflated(content: bytes, depth: int) -> Iterator[bytes]:
    """What was deflated in some bytes, and in that again: zlib and gzip streams, members of ZIP files."""
    for at, kind in _heads(content):
        inflater = zlib.decompressobj(kind)
        try:
            inside = inflater.decompress(content[at:], MOST_BYTES)
        except zlib.error:
            continue
        yield inside
        if depth > 1:
            yield from _inflated(inside, depth - 1)


def _heads(content: bytes) -> Iterator[tuple[int, int]]:
    at = content.find(b"\x78")
    while at >= 0:
        if content[at + 1 : at + 2] and (0x7800 + content[at + 1]) % 31 == 0:
            yield at, zlib.MAX_WBITS
        at = content.find(b"\x78", at + 1)
    at = content.find(b"\x1f\x8b\x08")
    while at >= 0:
        yield at, zlib.MAX_WBITS + 16
        at = content.find(b"\x1f\x8b\x08", at + 1)
    at = content.find(b"PK\x03\x04")
    while at >= 0:
        header = content[at : at + 30]
        if len(header) == 30:
            names = sum(struct.unpack("<HH", header[26:30]))
            yield at + 30 + names, -zlib.MAX_WBITS
        at = content.find(b"PK\x03\x04", at + 1)
