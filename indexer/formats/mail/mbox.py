"""A mailbox in one file to its messages."""

import re
from collections.abc import Iterator
from itertools import islice

from indexer.formats.elements import Parsed, Part, quarantine

MAX_MESSAGES = 20_000  # chosen: 50 MiB of mails of 2.5 kB; 500 real ones have 5 kB on average
# RFC 4155, appendix A: a line "From ", an address and a date, after a blank line, with a header following. Programs
# write many dates, but all have a time and a year.
_POSTMARK = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{0,200}?\d\d?:\d\d[^\r\n]{0,40}?\d{4}[^\r\n]{0,40}\r?\n"
    rb"(?=[!-9;-~]{1,76}:[ \t])"
)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def is_mailbox(data: bytes) -> bool:
    """Whether `data` begins with a message of a mailbox and holds another."""
    return _POSTMARK.match(data) is not None and len(list(islice(_POSTMARK.finditer(data), 2))) > 1


def mbox(data: bytes) -> Parsed:
    """Each message as a part, in order, its quoted "From " lines as they were.

    Raises:
        QuarantineError: `corrupt` for what does not begin with a message, `too_large` for more than MAX_MESSAGES.
    """
    if not _POSTMARK.match(data):
        raise quarantine("corrupt")
    parts = tuple(
        Part(name=f"message-{number:06}.eml", content=content) for number, content in enumerate(_messages(data), 1)
    )
    if len(parts) > MAX_MESSAGES:
        raise quarantine("too_large")
    return Parsed(kind="mbox", title=None, elements=(), parts=parts)


def _messages(data: bytes) -> Iterator[bytes]:
    marks = list(islice(_POSTMARK.finditer(data), MAX_MESSAGES + 1))
    for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(data)], strict=True):
        yield _QUOTED.sub(rb"\1", data[mark.end() : end])
