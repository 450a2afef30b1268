"""The forms in which a byte string may lie in a file, and finding many of them at once."""

import base64
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

MIN_NEEDLE_BYTES = 8
"""Shorter strings occur by chance in compressed or encrypted bytes: 8 random ones in 100 MB once in 10^11 scans."""
FORMS = ("as they are", "text also as UTF-16", "as base64 in one line", "as hexadecimal digits")
"""Where bytes are no text, they are not looked for as UTF-16, nor are lines of base64 joined."""
_HASH_BITS = 20
"""Chosen: a table that stays in the cache, and of 10,000 forms lets 1 % of random bytes through."""
_HASH_FACTOR = np.uint32(0x9E3779B1)  # Knuth, The Art of Computer Programming, volume 3, 6.4: the golden ratio
_FEW_BYTES = 512
"""Chosen: so few are looked at one by one sooner than arrays of them are made."""
_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")


def forms(needle: bytes) -> frozenset[bytes]:
    """A needle as it is, as UTF-16 of both byte orders if it is text, in base64 of every alignment, in hexadecimal.

    A form that is too short to mean anything is left out.
    """
    digits = needle.hex().encode()
    found = {needle, digits, digits.upper(), *_base64(needle)}
    text = _text(needle)
    found |= {text.encode(codec, "surrogatepass") for codec in ("utf-16-le", "utf-16-be")}
    return frozenset(form for form in found if len(form) >= MIN_NEEDLE_BYTES)


class Finder:
    """Looks for needles in all their forms: by a hash of the first four bytes, then the first eight, then all."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        """Raises ValueError where a needle is shorter than MIN_NEEDLE_BYTES."""
        self._by_start: dict[bytes, list[tuple[bytes, bytes]]] = {}
        self.longest = MIN_NEEDLE_BYTES
        """Bytes of the longest form."""
        for needle in set(needles):
            if len(needle) < MIN_NEEDLE_BYTES:
                raise ValueError("a needle is too short to mean anything")
            for form in forms(needle):
                self._by_start.setdefault(form[:MIN_NEEDLE_BYTES], []).append((form, needle))
                self.longest = max(self.longest, len(form))
        self._words = np.sort(np.array([int.from_bytes(start, "little") for start in self._by_start], dtype="<u8"))
        self._starts = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
        self._starts[_hashes(self._words.astype("<u4"))] = True

    def find(self, content: bytes) -> set[bytes]:
        """The needles that lie in `content` in any form."""
        hits: set[bytes] = set()
        if not self._by_start:
            return hits
        few = len(content) < _FEW_BYTES
        for position in range(len(content) - MIN_NEEDLE_BYTES + 1) if few else self._candidates(content):
            for form, needle in self._by_start.get(content[position : position + MIN_NEEDLE_BYTES], ()):
                if needle not in hits and content.startswith(form, position):
                    hits.add(needle)
        return hits

    def _candidates(self, content: bytes) -> Iterator[int]:
        """Where eight bytes lie that some form begins with."""
        for offset in range(4):
            quads = np.frombuffer(content, dtype="<u4", offset=offset, count=(len(content) - offset) // 4)
            places = np.flatnonzero(self._starts.take(_hashes(quads[:-1])))
            words = quads[places].astype("<u8") | (quads[places + 1].astype("<u8") << np.uint64(32))
            known = self._words.take(np.searchsorted(self._words, words), mode="clip") == words
            yield from (4 * places[known] + offset).tolist()


def _hashes(quads: NDArray[np.uint32]) -> NDArray[np.intp]:
    return ((quads * _HASH_FACTOR) >> np.uint32(32 - _HASH_BITS)).astype(np.intp)


def _base64(needle: bytes) -> Iterator[bytes]:
    """The digits that no byte beside the needle has a part in, however many stand before it."""
    for before in range(3):
        digits = base64.b64encode(bytes(before) + needle)
        whole = digits[-(-before * 8 // 6) : (before + len(needle)) * 8 // 6]
        yield whole
        yield whole.translate(_URL_ALPHABET)


def _text(needle: bytes) -> str:
    """The needle as text, less a character that it was cut off in; nothing where it is no text."""
    for cut in range(4):
        try:
            return needle[: len(needle) - cut].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            continue
    return ""
