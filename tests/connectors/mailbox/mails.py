"""Mails for tests, and a mailbox as the conformance suite sees an origin."""

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import unquote

from connectors.base import Change, Connector, Cursor, Finished, Listing, Refused, SourceDocument, Upsert
from policies.errors import QuarantineError
from policies.model import Access


def mail(name: str, body: bytes = b"", *, end: bytes = b"\n", **fields: str) -> bytes:
    """A mail whose Message-ID holds a name. `fields` replace or add to its header; an empty one is left out."""
    header = {
        "Message-ID": f"<{name.encode().hex()}@x.example>",
        "Date": "Wed, 21 Feb 2024 12:00:00 +0100",
        "From": "Ann <ann@x.example>",
        "To": "Bob <bob@x.example>",
        "Subject": "Plan",
    } | {key.replace("_", "-"): value for key, value in fields.items()}
    return b"".join(f"{key}: {value}".encode() + end for key, value in header.items() if value) + end + body


class ByName:
    """A connector whose documents are called as `mail` was told, and whose contents are bodies.

    `head_bytes` and `tail_bytes` are what an origin puts around a body.
    """

    def __init__(self, connector: Connector, *, end: bytes = b"\n", tail_bytes: int = 0) -> None:
        self._connector = connector
        self._end = end
        self._tail_bytes = tail_bytes

    def list(self, cursor: Cursor | None) -> Listing:
        for change in self._connector.list(cursor):
            yield Upsert(document=self._named(change.document)) if isinstance(change, Upsert) else change

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        head_bytes = self._head_bytes(document.name)
        content = self._connector.fetch(document, max_bytes=max_bytes + head_bytes + self._tail_bytes)
        return content[head_bytes : len(content) - self._tail_bytes]

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        return self._connector.permissions(documents)

    def _named(self, document: SourceDocument) -> SourceDocument:
        name = bytes.fromhex(unquote(document.uri).removeprefix("mid:").partition("@")[0]).decode()
        size = document.size_bytes
        return replace(
            document, name=name, size_bytes=None if size is None else size - self._head_bytes(name) - self._tail_bytes
        )

    def _head_bytes(self, name: str) -> int:
        return len(mail(name, end=self._end))


@contextmanager
def bound_by_modes() -> Iterator[None]:
    """As a user whom the modes of files bind, which root is not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def changes(connector: Connector, cursor: Cursor | None = None) -> tuple[list[Change], Finished]:
    """A listing to its end."""
    *found, last = connector.list(cursor)
    assert isinstance(last, Finished)
    return [change for change in found if not isinstance(change, Finished)], last


def documents(connector: Connector) -> list[SourceDocument]:
    """What a complete listing names."""
    found, last = changes(connector)
    assert last.complete
    return [change.document for change in found if isinstance(change, Upsert)]


def refusals(connector: Connector) -> list[str]:
    """The reasons for which things are not read."""
    return [change.reason for change in changes(connector)[0] if isinstance(change, Refused)]


def contents(connector: Connector) -> set[bytes]:
    """The bytes of every document."""
    return {connector.fetch(document, max_bytes=10**6) for document in documents(connector)}


def reason(connector: Connector, document: SourceDocument) -> str:
    """Why a document is not fetched; "" if it is."""
    try:
        connector.fetch(document, max_bytes=10**6)
    except QuarantineError as error:
        return error.reason
    return ""
