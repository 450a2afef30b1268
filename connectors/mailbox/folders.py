"""Folders of a mailbox: their names, and which of them are a source's."""

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from policies.globs import matches

INBOX: Final = "INBOX"
_SHIFTED: Final = re.compile(r"&([A-Za-z0-9+,]*)-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """The folders that a pattern of `include` matches and none of `exclude` does."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def take(self, path: str) -> bool:
        """Whether the messages of the folder at `path`, with `/` between folders, are the source's."""
        return _any(self.include, path) and not _any(self.exclude, path)


def _any(patterns: Sequence[str], path: str) -> bool:
    return any(matches(pattern, path) for pattern in patterns)


def decode(name: str) -> str:
    """A folder's name out of modified UTF-7 (RFC 3501, section 5.1.3); as it stands where it is none."""
    try:
        return _SHIFTED.sub(_unshifted, name)
    except (binascii.Error, UnicodeDecodeError):
        return name


def _unshifted(shifted: re.Match[str]) -> str:
    if not shifted[1]:
        return "&"
    padded = shifted[1].replace(",", "/") + "=" * (-len(shifted[1]) % 4)
    return b64decode(padded, validate=True).decode("utf-16-be")
