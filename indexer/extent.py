"""Which passages somebody saw at one instant, so that it can be told later how many of them have changed.

It holds random ids of revisions and their numbers of passages, exactly, and nothing that tells of a document.
"""

import zlib

import numpy as np

from indexer.generation import Generation
from indexer.vectors import Ranges

_ENTRY = np.dtype([("revision", "<u8"), ("passages", "<u4")])
_SOURCE_DIGITS = 8
"""What every revision of a source begins with."""


def extent(generation: Generation, visible: Ranges) -> bytes:
    """The extent of these rows: about 9 bytes a document."""
    return zlib.compress(_entries(generation, visible).tobytes(), level=1)


def changed(before: bytes, generation: Generation, visible: Ranges) -> float:
    """The share of an extent's passages that is gone, or that there are new ones of, whichever is more; from 0 on.

    A document that was modified counts with all of its passages. Where there was nothing, all has changed.
    """
    old, new = np.frombuffer(zlib.decompress(before), dtype=_ENTRY), _entries(generation, visible)
    total = int(old["passages"].sum())
    _, stayed, stays = np.intersect1d(old["revision"], new["revision"], assume_unique=True, return_indices=True)
    gone = total - int(old["passages"][stayed].sum())
    added = int(new["passages"].sum()) - int(new["passages"][stays].sum())
    return max(gone, added) / total if total else 1.0


def _entries(generation: Generation, visible: Ranges) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    seen = generation.seen(visible)
    entries = np.zeros(len(seen), dtype=_ENTRY)
    entries["revision"] = [int(revision[_SOURCE_DIGITS:], 16) for revision in seen]
    entries["passages"] = list(seen.values())
    return np.sort(entries, order="revision")
