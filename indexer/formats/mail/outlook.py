"""An Outlook message (.msg) as a mail in RFC 5322 form, so that both are read alike."""

import io
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, message_from_string
from email.encoders import encode_base64
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from typing import Any

import olefile

from indexer.formats.elements import quarantine
from indexer.formats.mail.attachments import MAX_PARTS
from indexer.formats.mail.rtfpack import unpack
from indexer.formats.text import decode

MAX_NESTING = 10  # chosen: more messages in messages than anybody reads

# [MS-OXPROPS]: the ids of properties, by which [MS-OXMSG] names their streams
_CLASS, _SUBJECT, _HEADERS = 0x001A, 0x0037, 0x007D
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP, _DISPLAY_TO = 0x0C1A, 0x0C1F, 0x5D01, 0x0E04
_SENT, _RECEIVED = 0x0039, 0x0E06
_BODY, _BODY_HTML, _BODY_RTF, _BODY_CODE_PAGE = 0x1000, 0x1013, 0x1009, 0x3FDE
_NAME, _ADDRESS, _SMTP, _ROLE = 0x3001, 0x3003, 0x39FE, 0x0C15
_CONTENT, _LONG_NAME, _SHORT_NAME, _MEDIA_TYPE, _CONTENT_ID = 0x3701, 0x3707, 0x3704, 0x370E, 0x3712
_UNICODE, _STRING8, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_ROLES: Mapping[int, str] = {1: "To", 2: "Cc", 3: "Bcc"}
_CODE_PAGES: Mapping[int, str] = {20127: "ascii", 28591: "iso8859-1", 65001: "utf-8"}
_PROPERTY = struct.Struct("<HHIQ")  # type, id, flags, value
_MESSAGE_HEADER, _INNER_HEADER, _OTHER_HEADER = 32, 24, 8  # bytes before the properties
_EPOCH, _TICKS = datetime(1601, 1, 1, tzinfo=UTC), 10  # a microsecond
_SIGNED, _ENCRYPTED = "ipm.note.smime.multipartsigned", "ipm.note.smime"


def outlook_message(data: bytes) -> Message:
    """The message with its addresses, body and attachments; a message attached to it is a message in it.

    Raises:
        QuarantineError: `encrypted`, `corrupt`, `bomb` for more than MAX_PARTS attachments or MAX_NESTING messages in
            each other.
    """
    try:
        # A stream that is cut short is else read as far as it goes, and a body that is not there as no body.
        with olefile.OleFileIO(io.BytesIO(data), raise_defects=olefile.DEFECT_INCORRECT) as file:
            return _message(_Storage(file, (), _MESSAGE_HEADER), depth=0)
    except (OSError, ValueError, IndexError, OverflowError, RecursionError, struct.error):
        raise quarantine("corrupt") from None


class _Storage:
    """A folder of the compound file: a message, a recipient or an attachment, with its properties."""

    def __init__(self, file: "olefile.OleFileIO[Any]", path: tuple[str, ...], header_bytes: int) -> None:
        self._file, self._path = file, path
        content = (self._stream("__properties_version1.0") or b"")[header_bytes:]
        entries = _PROPERTY.iter_unpack(content[: len(content) // _PROPERTY.size * _PROPERTY.size])
        self.numbers = {property_id: value for _, property_id, _, value in entries}

    def text(self, property_id: int) -> str | None:
        wide = self._stream(f"__substg1.0_{property_id:04X}{_UNICODE}")
        if wide is not None:
            return wide.decode("utf-16-le", "replace").rstrip("\x00")
        narrow = self._stream(f"__substg1.0_{property_id:04X}{_STRING8}")
        return decode(narrow).rstrip("\x00") if narrow else None

    def content(self, property_id: int) -> bytes | None:
        return self._stream(f"__substg1.0_{property_id:04X}{_BINARY}")

    def inside(self, property_id: int) -> "_Storage | None":
        path = (*self._path, f"__substg1.0_{property_id:04X}{_OBJECT}")
        return _Storage(self._file, path, _INNER_HEADER) if self._file.exists(list(path)) else None

    def below(self, prefix: str) -> Iterator["_Storage"]:
        for path in self._file.listdir(streams=False, storages=True):
            if tuple(path[:-1]) == self._path and path[-1].startswith(prefix):
                yield _Storage(self._file, tuple(path), _OTHER_HEADER)

    def _stream(self, name: str) -> bytes | None:
        path = [*self._path, name]
        if not self._file.exists(path):
            return None
        with self._file.openstream(path) as stream:
            content: bytes = stream.read()
        return content


def _message(storage: _Storage, *, depth: int) -> Message:
    kind = (storage.text(_CLASS) or "").lower()
    headers = message_from_string(storage.text(_HEADERS) or "")
    if depth > MAX_NESTING:
        raise quarantine("bomb")
    if (kind.startswith(_ENCRYPTED) and kind != _SIGNED) or headers.get_content_type() == "multipart/encrypted":
        raise quarantine("encrypted")
    message = MIMEMultipart()
    for name, value in _fields(storage, headers):
        message[name] = " ".join(value.split())
    body = MIMEMultipart("alternative")
    for part in _bodies(storage):
        body.attach(part)
    message.attach(body)
    attachments = list(storage.below("__attach"))
    if len(attachments) > MAX_PARTS:
        raise quarantine("bomb")
    for attachment in attachments:
        if kind == _SIGNED:  # all of the message again, with its signature
            message.attach(message_from_bytes(attachment.content(_CONTENT) or b""))
        else:
            message.attach(_attachment(attachment, depth=depth))
    return message


def _fields(storage: _Storage, headers: Message) -> Iterator[tuple[str, str]]:
    yield "Subject", storage.text(_SUBJECT) or ""
    address = storage.text(_SENDER_SMTP) or storage.text(_SENDER_ADDRESS)
    yield "From", str(headers.get("From", "")) or _mailbox(storage.text(_SENDER_NAME), address)
    recipients: dict[str, list[str]] = {"To": [], "Cc": [], "Bcc": []}
    for recipient in storage.below("__recip"):
        role = _ROLES.get(recipient.numbers.get(_ROLE, 1), "To")
        address = recipient.text(_SMTP) or recipient.text(_ADDRESS)
        recipients[role].append(_mailbox(recipient.text(_NAME), address))
    if not any(recipients.values()):
        recipients["To"] = [storage.text(_DISPLAY_TO) or ""]
    for role, mailboxes in recipients.items():
        if named := [mailbox for mailbox in mailboxes if mailbox]:
            yield role, ", ".join(named)
    if sent := storage.numbers.get(_SENT) or storage.numbers.get(_RECEIVED):
        yield "Date", format_datetime(_EPOCH + timedelta(microseconds=sent // _TICKS))
    elif "Date" in headers:
        yield "Date", str(headers["Date"])


def _mailbox(name: str | None, address: str | None) -> str:
    """A directory's internal address, which has no @, says nothing to a reader."""
    shown = address if address and "@" in address else None
    if not shown or shown == name:
        return name or ""
    return f"{name} <{shown}>" if name else shown


def _bodies(storage: _Storage) -> Iterator[Message]:
    """Plain text and HTML where there are any, else the formatted text."""
    plain, html = storage.text(_BODY), _html(storage)
    if plain:
        yield MIMEText(plain, "plain", "utf-8")
    if html:
        yield MIMEText(html, "html", "utf-8")
    packed = storage.content(_BODY_RTF)
    if packed and not plain and not html:
        yield _file("text/rtf", unpack(packed))


def _html(storage: _Storage) -> str | None:
    body = storage.content(_BODY_HTML)
    if not body:
        return storage.text(_BODY_HTML)
    code_page = storage.numbers.get(_BODY_CODE_PAGE)
    return decode(body, declared=_CODE_PAGES.get(code_page, f"cp{code_page}") if code_page else None)


def _attachment(storage: _Storage, *, depth: int) -> Message:
    inner = storage.inside(_CONTENT)
    if inner and inner.text(_CLASS):
        part = MIMEBase("message", "rfc822")
        part.attach(_message(inner, depth=depth + 1))
    else:  # another program's object has no content of its own, and is counted as such
        part = _file(storage.text(_MEDIA_TYPE) or "", storage.content(_CONTENT) or b"")
    name = storage.text(_LONG_NAME) or storage.text(_SHORT_NAME) or storage.text(_NAME)
    content_id = storage.text(_CONTENT_ID)
    in_body = content_id and part.get_content_maintype() == "image"
    if in_body:
        part["Content-ID"] = f"<{content_id}>"
    part.add_header("Content-Disposition", "inline" if in_body else "attachment", filename=name or "")
    return part


def _file(media_type: str, content: bytes) -> MIMEBase:
    main, _, sub = media_type.partition("/")
    if not main or not sub or main in {"message", "multipart"}:  # which have no content of their own
        main, sub = "application", "octet-stream"
    part = MIMEBase(main, sub)
    part.set_payload(content)
    encode_base64(part)
    return part
