"""Searching bytes that come in pieces, and what was deflated in them: zlib and gzip streams and members of ZIP files.

A stream is known by its header, at whatever offset. What looks like one by chance breaks off within a few bytes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct

import numpy as np

from indexer.forms import Finder

MAX_INFLATED_BYTES = 64 * 2**20
"""Of one stream (chosen: a document has 50 MiB at most)."""
MAX_INFLATED_A_FILE_BYTES = 512 * 2**20
"""Of all streams of a file (chosen: a few seconds), so that streams that overlap do not stop a search either."""
DEPTH = 2
"""What lies in a stream of the file, and in a stream of that, is searched."""
_MAX_OPEN = 64
"""Streams that go on at one place (chosen: far more than one file's writer has)."""
_CHANCE_BYTES = 1024
"""Chosen: what is no stream gave at most some ten bytes before it broke; a stream that gave more was one."""
_PIECE_BYTES = 2**20
_FIRST_STEP_BYTES = 32
_STEP_BYTES = 4096
"""Deflate expands by 1032 at most (zlib.net/zlib_tech.html), so that a step gives 4 MiB at most."""
_GZIP = b"\x1f\x8b\x08"
_ZIP = b"PK\x03\x04"
_ZLIB = 0x78
_ZLIB_SECONDS = b"\x01\x5e\x9c\xda"
"""A window of 32 KiB and each level of compression, with the check bits of RFC 1950."""
_LONGEST_HEAD = 4
_LONGEST_BLOCK_HEAD = 5
_MAX_CODES = 29
_ZIP_HEADER = Struct("<4s4xH16xHH")  # PKWARE's APPNOTE, 4.3.7: the method, the lengths of the name and the extra field
_MAX_ZIP_HEADER_BYTES = _ZIP_HEADER.size + 2 * 0xFFFF
_DEFLATED = 8


@dataclass(kw_only=True, slots=True)
class Findings:
    """What a search has met so far. `unfinished` counts those of the `streams` that were not inflated to their end."""

    hits: set[bytes] = field(default_factory=set)
    streams: int = 0
    unfinished: int = 0
    left_bytes: int = MAX_INFLATED_A_FILE_BYTES


class Search:
    """Looks for needles in bytes that come in pieces, and in what was deflated in them, `depth` levels deep."""

    def __init__(self, finder: Finder, findings: Findings, *, depth: int = DEPTH) -> None:
        self._finder = finder
        self._findings = findings
        self._depth = depth
        self._tail = b""
        self._open: list[_Inflation] = []

    def feed(self, piece: bytes) -> None:
        """Search the next piece."""
        window = self._tail + piece
        self._findings.hits |= self._finder.find(window)
        if self._depth:
            self._inflate(window, len(self._tail))
        self._tail = window[-max(self._finder.longest, _LONGEST_HEAD) + 1 :]

    def close(self) -> None:
        """There are no more pieces."""
        for inflation in self._open:
            inflation.close()
        self._open.clear()

    def _inflate(self, window: bytes, old: int) -> None:
        view = memoryview(window)
        self._open = [inflation for inflation in self._open if inflation.feed(view[old:])]
        for head, start in _heads(window):
            # One that ended in the tail was met with the piece before.
            if start + len(head) > old:
                self._begin(head, view[start:])

    def _begin(self, head: bytes, rest: memoryview) -> None:
        if self._findings.left_bytes <= 0 or len(self._open) >= _MAX_OPEN:
            self._findings.streams += 1
            self._findings.unfinished += 1
            return
        inflation = _Inflation(head, self._findings, Search(self._finder, self._findings, depth=self._depth - 1))
        if inflation.feed(rest):
            self._open.append(inflation)


class _Inflation:
    """One stream on its way: compressed bytes go in, what they held is searched."""

    def __init__(self, head: bytes, findings: Findings, inside: Search) -> None:
        self._findings = findings
        self._inside = inside
        self._header = b"" if head == _ZIP else None
        """What has come of a ZIP member's header, while it has not come whole."""
        wbits = {_ZIP: -zlib.MAX_WBITS, _GZIP: zlib.MAX_WBITS + 16}.get(head, zlib.MAX_WBITS)
        self._inflater = zlib.decompressobj(wbits)
        self._step_bytes = _FIRST_STEP_BYTES
        self._given_bytes = 0
        self._spent = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def feed(self, compressed: memoryview) -> bool:
        """Take the next bytes; whether more of them belong to the stream."""
        rest = self._behind_header(compressed)
        if rest is None:
            return False
        while rest:
            if not self._take(rest[: self._step_bytes]):
                self.close()
                return False
            rest = rest[self._step_bytes :]
            self._step_bytes = min(2 * self._step_bytes, _STEP_BYTES)
        return True

    def close(self) -> None:
        """Search what has not been searched yet, and count the stream if it was one."""
        self._search()
        self._inside.close()
        if self._inflater.eof or self._spent or self._given_bytes > _CHANCE_BYTES:
            self._findings.streams += 1
            self._findings.unfinished += not self._inflater.eof

    def _behind_header(self, compressed: memoryview) -> memoryview | None:
        """The deflated bytes in these, none yet while the header has not come whole; None for what is not deflated."""
        if self._header is None:
            return compressed
        before = len(self._header)
        self._header += bytes(compressed[:_MAX_ZIP_HEADER_BYTES])
        if len(self._header) < _ZIP_HEADER.size:
            return compressed[:0]
        _, method, name_bytes, extra_bytes = _ZIP_HEADER.unpack_from(self._header)
        size = _ZIP_HEADER.size + name_bytes + extra_bytes
        if method != _DEFLATED:
            return None
        if len(self._header) < size:
            return compressed[:0]
        self._header = None
        return compressed[size - before :]

    def _take(self, compressed: memoryview) -> bool:
        before = self._inflater.copy()
        try:
            given, broken = self._inflater.decompress(compressed), False
        except zlib.error:
            # With the error goes what the same bytes gave before it: they are taken again in ever smaller steps.
            given, broken = b"".join(_salvaged(before, compressed)), True
        self._given_bytes += len(given)
        self._findings.left_bytes -= max(len(given), len(compressed))
        self._waiting.append(given)
        self._waiting_bytes += len(given)
        if self._waiting_bytes >= _PIECE_BYTES:
            self._search()
        self._spent = self._given_bytes > MAX_INFLATED_BYTES or self._findings.left_bytes <= 0
        return not (broken or self._spent or self._inflater.eof)

    def _search(self) -> None:
        if self._waiting_bytes:
            self._inside.feed(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0


def _salvaged(inflater: "zlib._Decompress", compressed: memoryview) -> Iterator[bytes]:
    """What a broken stream gives up to where it breaks."""
    while compressed:
        half = -(-len(compressed) // 2)
        before = inflater.copy()
        try:
            yield inflater.decompress(compressed[:half])
        except zlib.error:
            inflater, compressed = before, compressed[: half if half < len(compressed) else 0]
        else:
            compressed = compressed[half:]


def _heads(window: bytes) -> Iterator[tuple[bytes, int]]:
    """What looks like the head of a stream, and where."""
    for start in np.flatnonzero(np.frombuffer(window, dtype=np.uint8)[:-1] == _ZLIB).tolist():
        if window[start + 1] in _ZLIB_SECONDS and _can_begin(window[start + 2 : start + 7]):
            yield window[start : start + 2], start
    # A regular expression for both took three times as long as all the rest of a search.
    for head in (_GZIP, _ZIP):
        start = window.find(head)
        while start >= 0:
            yield head, start
            start = window.find(head, start + 1)


def _can_begin(block: bytes) -> bool:
    """Whether deflated bytes can begin so (RFC 1951, 3.2.3 to 3.2.7), as far as they have come: half of all cannot."""
    if len(block) < _LONGEST_BLOCK_HEAD:
        return True
    match block[0] >> 1 & 3:
        case 0:
            return block[1:3] == bytes(byte ^ 0xFF for byte in block[3:5])
        case 1:
            return True
        case 2:
            return block[0] >> 3 <= _MAX_CODES and block[1] & 31 <= _MAX_CODES
        case _:
            return False
