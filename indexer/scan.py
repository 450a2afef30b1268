"""Looking for given byte strings in every file of a folder, to check on the disk what was deleted."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MIN_NEEDLE_BYTES = 8
"""Shorter strings occur by chance in compressed or encrypted bytes: 8 random ones in 100 MB once in 10^11 scans."""
_CHUNK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What was read, and which needles were found in which files (relative to the folder)."""

    files: int
    bytes_read: int
    found: Mapping[str, frozenset[bytes]]


def scan(folder: Path, needles: Sequence[bytes]) -> Scan:
    """Read every regular file below a folder and look for the needles at every offset.

    Raises:
        ValueError: a needle is shorter than MIN_NEEDLE_BYTES.
        OSError: a file or folder cannot be read, so that nothing can be said of it.
    """
    finder = _Finder(needles)
    files, bytes_read = 0, 0
    found: dict[str, frozenset[bytes]] = {}
    for path in _regular_files(folder):
        hits: set[bytes] = set()
        with path.open("rb") as file:
            tail = b""
            while chunk := file.read(_CHUNK_BYTES):
                bytes_read += len(chunk)
                hits |= finder.find(tail + chunk)
                tail = (tail + chunk)[-(finder.longest - 1) :]
        files += 1
        if hits:
            found[str(path.relative_to(folder))] = frozenset(hits)
    return Scan(files=files, bytes_read=bytes_read, found=found)


class _Finder:
    """Many needles at once: positions whose first two bytes begin some needle, then whose first eight do, then all."""

    def __init__(self, needles: Sequence[bytes]) -> None:
        if any(len(needle) < MIN_NEEDLE_BYTES for needle in needles):
            raise ValueError("a needle is too short to mean anything")
        self.longest = max((len(needle) for needle in needles), default=MIN_NEEDLE_BYTES)
        self._by_start: dict[bytes, list[bytes]] = {}
        for needle in set(needles):
            self._by_start.setdefault(needle[:MIN_NEEDLE_BYTES], []).append(needle)
        self._starts = np.zeros(1 << 16, dtype=bool)
        for start in self._by_start:
            self._starts[int.from_bytes(start[:2], "little")] = True
        self._words = np.sort(np.array([int.from_bytes(start, "little") for start in self._by_start], dtype="<u8"))

    def find(self, content: bytes) -> set[bytes]:
        if len(content) < MIN_NEEDLE_BYTES or not self._by_start:
            return set()
        hits: set[bytes] = set()
        for position in self._candidates(np.frombuffer(content, dtype=np.uint8)):
            for needle in self._by_start.get(content[position : position + MIN_NEEDLE_BYTES], ()):
                if content.startswith(needle, position):
                    hits.add(needle)
        return hits

    def _candidates(self, content: NDArray[np.uint8]) -> list[int]:
        last = len(content) - MIN_NEEDLE_BYTES + 1
        pairs = content[:-1].astype(np.uint16) | (content[1:].astype(np.uint16) << np.uint16(8))
        positions = np.flatnonzero(self._starts[pairs[:last]])
        words = np.zeros(len(positions), dtype="<u8")
        for shift in range(MIN_NEEDLE_BYTES):
            words |= content[positions + shift].astype("<u8") << np.uint64(8 * shift)
        return [int(position) for position in positions[np.isin(words, self._words)]]


def _regular_files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=_raise):
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _raise(error: OSError) -> None:
    raise error
