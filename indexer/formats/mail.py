"""An e-mail to elements."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.text import decode, paragraphs

_HEAD_BYTES = 1024
_BODIES = ("text/plain", "text/html", "multipart/")  # a multipart without its boundary is text
MAX_PARTS = 1000  # chosen: of 540 real mails the largest has 22
_FIELDS = ("From", "To", "Cc", "Bcc", "Date")
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_SPACE = re.compile(r"\s+")

HtmlReader = Callable[[str], Sequence[Element]]


def mail(data: bytes, *, read_html: HtmlReader) -> Parsed:
    """The subject as title, the address fields as one element, then the body: plain text before HTML, quotes kept.

    `skipped_parts` counts attachments. A forwarded message inside is part of the body.

    Raises:
        QuarantineError: `encrypted`, `corrupt` for what has no header at all, `bomb` for more than MAX_PARTS parts.
    """
    if b"\x00" in data[:_HEAD_BYTES]:  # saved as UTF-16, which no mail is sent in
        data = decode(data).encode()
    message = message_from_bytes(data)
    if not message.keys():
        raise quarantine("corrupt")
    if sum(1 for _ in message.walk()) > MAX_PARTS:
        raise quarantine("bomb")
    reader = _Reader(read_html)
    elements = tuple(reader.message(message, depth=1))
    return Parsed(kind="eml", title=_field(message, "Subject"), elements=elements, skipped_parts=reader.skipped_parts)


class _Reader:
    """Walks one mail, counting what it leaves out."""

    def __init__(self, read_html: HtmlReader) -> None:
        self._read_html = read_html
        self.skipped_parts = 0

    def message(self, message: Message, *, depth: int) -> Iterator[Element]:
        if subject := _field(message, "Subject"):
            yield Element(text=subject, kind="title", depth=depth)
        yield Element(text="\n".join(f"{name}: {value}" for name in _FIELDS if (value := _field(message, name))))
        yield from self._part(message, depth)

    def _part(self, part: Message, depth: int) -> Iterator[Element]:
        kind = part.get_content_type()
        if kind in _ENCRYPTED and part.get_param("smime-type") != "signed-data":
            raise quarantine("encrypted")
        if kind in _SIGNATURES:
            return
        if kind == "message/rfc822" and part.is_multipart():
            for inner in _children(part):
                yield from self.message(inner, depth=depth + 1)
        elif kind == "multipart/alternative" and part.is_multipart():
            yield from self._alternative(part, depth)
        elif part.is_multipart():
            for child in _children(part):
                yield from self._part(child, depth)
        elif part.get_content_disposition() == "attachment" or not kind.startswith(_BODIES):
            self.skipped_parts += 1
        else:
            payload = part.get_payload(decode=True)
            text = decode(payload, declared=part.get_content_charset()) if isinstance(payload, bytes) else ""
            yield from self._read_html(text) if kind == "text/html" else paragraphs(text)

    def _alternative(self, part: Message, depth: int) -> Iterator[Element]:
        """The first form of the same content that holds any text, plain ones first."""
        before = self.skipped_parts
        for child in sorted(_children(part), key=lambda child: child.get_content_type() != "text/plain"):
            self.skipped_parts = before
            elements = list(self._part(child, depth))
            if any(element.text.strip() for element in elements):
                yield from elements
                return


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _field(message: Message, name: str) -> str | None:
    """The decoded header field on one line, None where it is missing or blank."""
    value = message.get(name)
    if value is None:
        return None
    text = str(value)
    with suppress(HeaderParseError, LookupError, ValueError):  # else an encoded word is kept as it stands
        text = str(make_header(decode_header(value)))
    text = text.encode("utf-8", "replace").decode()  # a raw 8-bit byte is a lone surrogate here
    return _SPACE.sub(" ", text).strip() or None
