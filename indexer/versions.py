"""Naming the code that makes passages, so that documents made by other code are made anew."""

from collections.abc import Iterable
from functools import cache
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from unicodedata import unidata_version

_HERE = Path(__file__).parent


def code_version(patterns: Iterable[str], libraries: Iterable[str]) -> str:
    """A hash over source files of this package, given as glob patterns, over the versions of libraries and of Unicode.

    It changes with any edit, a comment's too: re-reading documents costs minutes, a rule that was missed costs trust.
    """
    return _hashed(tuple(patterns), tuple(libraries))


@cache
def _hashed(patterns: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    # Once in a process: whatever happens to the files, the code that runs is the code it began with.
    parts = [f"Unicode {unidata_version}", *(f"{library}=={version(library)}" for library in libraries)]
    for source in sorted(path for pattern in patterns for path in _HERE.glob(pattern)):
        with source.open("rb") as file:
            parts.append(f"{source.relative_to(_HERE)} {file_digest(file, 'sha256').hexdigest()}")
    return sha256("\n".join(parts).encode()).hexdigest()
