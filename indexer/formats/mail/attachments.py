"""Files inside a document, as parts under names that are safe to use."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath

from indexer.formats.elements import Part, normalise

MAX_PARTS = 1000  # chosen: of 540 real mails the largest has 22
MAX_PARTS_BYTES = 48 * 2**20  # chosen: a document's own limit, less what base64 adds; one reply carries 64 MiB
MAX_NAME_CHARS = 120
_MAX_SUFFIX_CHARS = 10

_SEPARATORS = re.compile(r"[/\\]")
_UNFIT = re.compile(r"[\x00-\x1f\x7f<>:\"|?*]")
_SUFFIXES: Mapping[str, str] = {
    "application/json": ".json",
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-outlook": ".msg",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/xml": ".xml",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/rtf": ".rtf",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
}


class Attachments:
    """Collects parts up to MAX_PARTS of MAX_PARTS_BYTES together; `skipped` counts what was left out."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._bytes = 0
        self.skipped = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was kept, in order, each under a name of its own."""
        return tuple(self._parts.values())

    def add(self, name: str | None, content: bytes, *, media_type: str = "") -> None:
        """Keep a file, or count it where it is empty or too much."""
        if not content or len(self._parts) >= MAX_PARTS or self._bytes + len(content) > MAX_PARTS_BYTES:
            self.skipped += 1
            return
        self._bytes += len(content)
        unique = self._unused(clean_name(name or "") or f"attachment{_SUFFIXES.get(media_type, '')}")
        self._parts[unique.casefold()] = Part(name=unique, content=content)

    def _unused(self, name: str) -> str:
        stem, suffix = _split(name)
        number, unused = 1, name
        while unused.casefold() in self._parts:
            number += 1
            unused = f"{stem} ({number}){suffix}"
        return unused


def clean_name(name: str) -> str:
    """The last component of `name` as a plain file name, "" where nothing is left of it."""
    last = _SEPARATORS.split(normalise(name).replace("\n", " "))[-1]
    last = unicodedata.normalize("NFC", _UNFIT.sub("", last)).strip(" .")
    stem, suffix = _split(last)
    return stem[: MAX_NAME_CHARS - len(suffix)].rstrip(" .") + suffix if stem else ""


def _split(name: str) -> tuple[str, str]:
    suffix = PurePosixPath(name).suffix
    return (name.removesuffix(suffix), suffix) if 0 < len(suffix) <= _MAX_SUFFIX_CHARS else (name, "")
