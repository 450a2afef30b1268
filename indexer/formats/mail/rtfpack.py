"""Compressed RTF, the form in which Outlook keeps formatted bodies ([MS-OXRTFCP])."""

import struct
from collections.abc import Iterator
from itertools import islice

from indexer.formats.elements import quarantine

MAX_UNPACKED_BYTES = 64 * 2**20  # chosen: above what a whole message may have

_HEADER = struct.Struct("<IIII")  # bytes after the first four, bytes unpacked, kind, checksum
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_WINDOW = 4096
# [MS-OXRTFCP] 2.1.2.1: what both sides have read before the first byte
_BEGINNING = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpack(data: bytes) -> bytes:
    """The RTF. What is cut short is unpacked as far as it goes.

    Raises:
        QuarantineError: `corrupt` for another kind of data, `too_large` for more than MAX_UNPACKED_BYTES.
    """
    if len(data) < _HEADER.size:
        raise quarantine("corrupt")
    _, unpacked_bytes, kind, _ = _HEADER.unpack_from(data)
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        raise quarantine("too_large")
    if kind == _PLAIN:
        return data[_HEADER.size : _HEADER.size + unpacked_bytes]
    if kind != _COMPRESSED:
        raise quarantine("corrupt")
    return bytes(islice(_bytes(data[_HEADER.size :]), unpacked_bytes))


def _bytes(packed: bytes) -> Iterator[int]:
    window = bytearray(_BEGINNING.ljust(_WINDOW, b"\x00"))
    write_at = len(_BEGINNING)
    for token in _tokens(packed):
        if len(token) == 1:
            window[write_at], read_at, length = token[0], write_at, 1
        else:
            read_at, length = token[0] << 4 | token[1] >> 4, (token[1] & 0xF) + 2
            if read_at == write_at:  # the mark of the end
                return
        for offset in range(length):
            byte = window[(read_at + offset) % _WINDOW]
            window[write_at] = byte
            write_at = (write_at + 1) % _WINDOW
            yield byte


def _tokens(packed: bytes) -> Iterator[bytes]:
    """A byte that stands for itself, or two that say where in the window to read and how much."""
    at = 0
    while at < len(packed):
        flags = packed[at]
        at += 1
        for bit in range(8):
            size = 1 + (flags >> bit & 1)
            if at + size > len(packed):
                return
            yield packed[at : at + size]
            at += size
