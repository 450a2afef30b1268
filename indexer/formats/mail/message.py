"""An e-mail to elements, and what is attached to it to parts."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import Header, decode_header, make_header
from email.message import Message
from typing import Literal, TypeAlias

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.mail.attachments import MAX_PARTS, Attachments
from indexer.formats.text import decode, paragraphs
from policies.errors import QuarantineError

BodyReader: TypeAlias = Callable[[bytes, str | None], Sequence[Element]]
"""Reads a body in the encoding declared for it, if one is."""

MAX_FIELD_CHARS = 200_000  # chosen: 4,000 recipients; the library takes minutes for a subject of ten times this
MAX_BOUNDARY_WORK = 20_000_000  # chosen, lines times boundaries: the library holds each line against each, 10 s here
MAX_INLINE_PICTURE_BYTES = 64 * 2**10  # chosen: logos in 40 signatures had 30 kB at most, a pasted screenshot has 100

_HEAD_BYTES = 1024
# Not Bcc: those who may read a mail are not those who may know its hidden recipients.
_FIELDS = ("From", "To", "Cc", "Date")
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_SPACE = re.compile(r"\s+")
_UNSPACED = r"\u2e80-\u9fff\uac00-\ud7af"  # Chinese, Japanese and Korean, where each sign counts as a word
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_DELIMITER = re.compile(rb"^--([^\r\n]{1,100})", re.MULTILINE)
_BOUNDARY = re.compile(rb"\bboundary\s{0,20}=\s{0,20}\"?([^\"\s;]{1,100})", re.IGNORECASE)


def mail(data: bytes, *, readers: Mapping[str, BodyReader]) -> Parsed:
    """The mail in RFC 5322 form. See `mail_message`."""
    if b"\x00" in data[:_HEAD_BYTES]:  # saved as UTF-16, which no mail is sent in
        data = decode(data).encode()
    _check_boundaries(data)
    try:
        message = message_from_bytes(data)
        return mail_message(message, kind="eml", readers=readers)
    except RecursionError:
        raise quarantine("bomb") from None


def _check_boundaries(data: bytes) -> None:
    """Refuse too many parts, or too many boundaries over too many lines, before the library has worked on them."""
    boundaries = set(_BOUNDARY.findall(data))
    if len(boundaries) > MAX_PARTS:
        raise quarantine("bomb")
    if data.count(b"\n") * len(boundaries) > MAX_BOUNDARY_WORK:
        raise quarantine("too_large")
    if sum(line[1].rstrip() in boundaries for line in _DELIMITER.finditer(data)) > MAX_PARTS:
        raise quarantine("bomb")


def mail_message(message: Message, *, kind: Literal["eml", "msg"], readers: Mapping[str, BodyReader]) -> Parsed:
    """The subject as title, the address fields as one element, then the body with its quotes.

    Of a body in several forms the plain one is read, unless it lacks more than half of the words of the formatted one.
    `readers` read bodies that are not plain text, by their media type. Attachments are parts, also attached messages; a
    message forwarded inside the body is part of the body. `skipped_parts` counts pictures of a signature, TNEF
    containers, other forms of the body such as a calendar's entry, and attachments beyond the limits of `Attachments`.

    Raises:
        QuarantineError: `encrypted`, `corrupt` for what has no header at all, `bomb` for more than MAX_PARTS parts,
            `too_large` for a field that is read and has more than MAX_FIELD_CHARS.
    """
    if not message.keys():
        raise quarantine("corrupt")
    if sum(1 for _ in message.walk()) > MAX_PARTS:
        raise quarantine("bomb")
    reader = _Reader(readers)
    elements = tuple(reader.message(message, depth=1))
    return Parsed(
        kind=kind,
        title=_field(message, "Subject"),
        elements=elements,
        skipped_parts=reader.skipped + reader.attachments.skipped,
        parts=reader.attachments.parts,
    )


class _Reader:
    """Walks one mail, collecting what is attached and counting what it leaves out."""

    def __init__(self, readers: Mapping[str, BodyReader]) -> None:
        self._readers = readers
        self.attachments = Attachments()
        self.skipped = 0

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
        if part.is_multipart():
            yield from self._several(part, kind, depth)
        elif not self._is_body(part):
            self._attach(part, kind)
        elif isinstance(payload := part.get_payload(decode=True), bytes):
            charset = part.get_content_charset()
            read = self._readers.get(kind, _read_plain)  # a multipart without its boundary is text
            yield from read(payload, charset)

    def _several(self, part: Message, kind: str, depth: int) -> Iterator[Element]:
        if kind == "multipart/alternative":
            yield from self._alternative(part, depth)
            return
        attached = part.get_content_disposition() == "attachment"
        for child in _children(part):
            if kind != "message/rfc822":
                yield from self._part(child, depth)
            elif not (attached and self._attach_message(child)):
                yield from self.message(child, depth=depth + 1)

    def _alternative(self, part: Message, depth: int) -> Iterator[Element]:
        """The plain form of the same content where it holds that, else the formatted one; what is attached to any.

        A plain form without half of the words of the other only says that there is another. One that says much else
        besides is read as well.
        """
        plain: list[Element] = []
        rich: list[Element] = []
        for child in sorted(_children(part), key=lambda child: child.get_content_type() != "text/plain"):
            kind = child.get_content_type()
            if kind == "text/plain" and self._is_body(child):
                plain = plain if _holds_text(plain) else list(self._part(child, depth))
            elif child.is_multipart() or self._is_body(child):
                form = self._formatted(child, depth, needed=not _holds_text([*plain, *rich]))
                rich = rich if _holds_text(rich) else form
            elif kind.startswith("text/") and child.get_content_disposition() != "attachment":
                self.skipped += 1  # a calendar's entry, or the same once more for a watch
            else:
                yield from self._part(child, depth)
        said, meant = _words(plain), _words(rich)
        told_apart = 2 * len(meant - said) > len(meant)
        if not told_apart or len(said) > len(meant):
            yield from plain
        if told_apart or not said:
            yield from rich

    def _formatted(self, part: Message, depth: int, *, needed: bool) -> list[Element]:
        """The elements of a form, none for one that cannot be read and is not `needed`."""
        try:
            return list(self._part(part, depth))
        except (QuarantineError, RecursionError, SyntaxError):  # the last is lxml's
            if needed:
                raise
            self.skipped += 1
            return []

    def _is_body(self, part: Message) -> bool:
        kind = part.get_content_type()
        readable = kind == "text/plain" or kind in self._readers or kind.startswith("multipart/")
        return readable and part.get_content_disposition() != "attachment"

    def _attach(self, part: Message, kind: str) -> None:
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        in_body = part.get("Content-ID") is not None and part.get_content_disposition() != "attachment"
        if kind in _TNEF or (in_body and kind.startswith("image/") and len(content) <= MAX_INLINE_PICTURE_BYTES):
            self.skipped += 1
        else:
            self.attachments.add(_file_name(part), content, media_type=kind)

    def _attach_message(self, message: Message) -> bool:
        """Whether the message could be written as a file. Some that can be read cannot."""
        try:
            content = message.as_bytes()
        except (LookupError, MessageError, UnicodeError, ValueError):
            return False
        self.attachments.add(f"{_field(message, 'Subject') or 'message'}.eml", content)
        return True


def _read_plain(body: bytes, charset: str | None) -> Sequence[Element]:
    return paragraphs(decode(body, declared=charset))


def _holds_text(elements: Sequence[Element]) -> bool:
    return any(element.text.strip() for element in elements)


def _words(elements: Sequence[Element]) -> set[str]:
    return {word.lower() for element in elements for word in _WORD.findall(element.text)}


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _file_name(part: Message) -> str | None:
    """The name as it was meant: RFC 2231 parameters are decoded by the library, words of RFC 2047 here."""
    if any(len(str(part.get(field, ""))) > MAX_FIELD_CHARS for field in ("Content-Disposition", "Content-Type")):
        return None
    try:
        name = part.get_filename()
    except (LookupError, ValueError):
        return None
    return _decoded(name) if name else None


def _field(message: Message, name: str) -> str | None:
    """The decoded header field on one line, None where it is missing or blank."""
    value = message.get(name)
    if value is not None and len(str(value)) > MAX_FIELD_CHARS:
        raise quarantine("too_large")
    return None if value is None else _SPACE.sub(" ", _decoded(value)).strip() or None


def _decoded(value: str | Header) -> str:
    text = str(value)
    with suppress(HeaderParseError, LookupError, ValueError):  # else an encoded word is kept as it stands
        text = str(make_header(decode_header(value)))
    return text.encode("utf-8", "replace").decode()  # a raw 8-bit byte is a lone surrogate here
