"""What a message is told apart by, and what its header says of it."""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from typing import Final, Self
from urllib.parse import quote

MAX_HEAD_BYTES: Final = 256 * 2**10
"""Chosen: ten times the largest header of 540 real mails, and room for some thousand recipients."""
PARTICIPANT_FIELDS: Final = (
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "delivered-to",
    "x-original-to",
    "envelope-to",
)
"""The fields that name who sent a message and who was given it.

The last three are written by delivery agents. A sender can write them too, which opens no more than to write `To` does.
"""
FIELDS: Final = ("message-id", "date", "subject", "received", *PARTICIPANT_FIELDS)
"""The fields that are read. No store rewrites them, as some do `Status` or `X-Keywords` when a message is seen."""

_FIELDS: Final = frozenset(FIELDS)
_MAX_DATE_CHARS: Final = 100
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_MESSAGE_ID: Final = re.compile(rb"<([!-;=?-~]{1,250})>")


def split(content: bytes) -> tuple[bytes, bytes]:
    """Header and body of a message; the empty line between them is the header's."""
    if content.startswith((b"\n", b"\r\n")):
        return b"", content
    end = _END_OF_HEAD.search(content)
    return (content, b"") if end is None else (content[: end.end()], content[end.end() :])


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A message's header. `fields` has each of FIELDS that occurs, with its values in their order, unfolded."""

    fields: Mapping[str, tuple[bytes, ...]]

    @classmethod
    def read(cls, head: bytes) -> Self:
        """The fields of a header, in time proportional to its length. Lines that are no field are passed over."""
        found: dict[str, list[list[bytes]]] = {}
        lines: list[bytes] = []
        for line in head.split(b"\n"):
            if line[:1] in (b" ", b"\t"):
                lines.append(line)
                continue
            name, colon, value = line.partition(b":")
            lines = [value]
            if colon and (key := name.strip().lower().decode("latin-1")) in _FIELDS:
                found.setdefault(key, []).append(lines)
        return cls(
            fields={
                name: tuple(b" ".join(b" ".join(lines).split()) for lines in values) for name, values in found.items()
            }
        )

    def key(self, rest: bytes) -> str:
        """64 hex digits that name the message: the SHA-256 of its FIELDS, and of what else tells it from others."""
        digest = hashlib.sha256(b"penstock message 1")
        for name in FIELDS:
            values = self.fields.get(name, ())
            digest.update(b"\0%d" % len(values))
            for value in values:
                digest.update(b"\0%d\0" % len(value) + value)
        digest.update(b"\0" + rest)
        return digest.hexdigest()

    @property
    def message_id(self) -> str | None:
        """The Message-ID without its brackets; None where there is none, more than one, or one that is none."""
        values = self.fields.get("message-id", ())
        found = _MESSAGE_ID.fullmatch(values[0]) if len(values) == 1 else None
        return found[1].decode("ascii") if found else None

    @property
    def date(self) -> datetime | None:
        """When it was written, as its sender claims (UTC, aware)."""
        values = self.fields.get("date", ())
        return moment(values[0].decode("latin-1")) if values else None


def link(head: Head, key: str) -> str:
    """`mid:` and the Message-ID (RFC 2392), which mail clients open, or else the `ni:` name (RFC 6920) of the key."""
    if head.message_id is not None:
        return "mid:" + quote(head.message_id, safe="@")
    return "ni:///sha-256;" + urlsafe_b64encode(bytes.fromhex(key)).decode("ascii").rstrip("=")


def moment(text: str) -> datetime | None:
    """A time as mail writes it (UTC, aware), None for what is none. One without a zone is taken for UTC."""
    if len(text) > _MAX_DATE_CHARS:
        return None
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        return datetime(*parts[:6], tzinfo=UTC) - timedelta(seconds=parts[9] or 0)
    except (TypeError, ValueError, OverflowError, IndexError):  # what the library lets through of broken dates
        return None
