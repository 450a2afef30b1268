"""NumPy's files, of which one is read at a time.

NumPy takes the header of each for a Python literal, and before 3.11.8 Python loses count where two threads parse one at
once: `SystemError: AST constructor recursion depth mismatch` (https://github.com/python/cpython/issues/106905).
"""

from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

_READING = Lock()


def mapped(path: Path) -> NDArray[Any]:
    """The array in an .npy file, mapped. As a plain array: slicing an np.memmap costs several microseconds each time.

    Raises:
        OSError: the file cannot be read.
        EOFError, ValueError: it is no such file, or holds objects.
    """
    with _READING:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays in the bytes of an .npz file, by name. Verify its checksum first: what is none raises anything."""
    with _READING, np.load(BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
