"""The mails of a mailbox, each a document that its participants may read."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from connectors.base import Cursor, Finished, Listing, Refused, SourceDocument, Upsert
from connectors.mailbox.message import link
from connectors.mailbox.options import group_principals, principals, store
from connectors.mailbox.participants import readers
from connectors.mailbox.store import Found, Place, Store, refusal
from connectors.secrets import Secrets
from policies.errors import RefusedError
from policies.model import Access

MAX_MESSAGES: Final = 2_000_000
"""Chosen: about a kilobyte is kept of each while an instance lives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    place: Place
    readers: frozenset[str]


@dataclass(kw_only=True)
class _Index:
    """The messages that an instance has seen, by origin id; `whole` once it has looked at all of them."""

    messages: dict[str, _Known] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class MailboxConnector:
    """The messages of mbox files, a Maildir or an IMAP account; `include` and `exclude` choose files or folders.

    **Identity.** An origin id is a hash of the message: of the header fields that tell mails apart, which no store
    rewrites, and of the body where that is at hand (mbox, Maildir). So it stays the same when a message is moved,
    copied, seen or flagged, and depends on no other message: who sends a second mail under a Message-ID makes a second
    document, and neither changes the first one's id nor takes its place. Copies of one message are one document. A
    message whose bytes change is another one. What is fetched is checked against the id.

    **Readers.** Those whom the header fields of `message.PARTICIPANT_FIELDS` name may read a message, as
    `user:address` in lower case, or as the principal that `groups` gives for an address; beside them `owner` may read
    every message. Display names are never read, a field that is not understood to its end names nobody, and a message
    with no field, or one that names more than `participants.MAX_ADDRESSES`, admits only `owner`.

    A sender writes the header: who puts another's address into it lets that person read this one message, and may so
    put its text before them, or before all of a group whose address is in `groups`. It opens no other message, and the
    manifest's `access.allow` bounds it.

    Times: `created` is what the sender claims, `modified` when the store says that the message arrived, which is the
    one for retention to count from. The name is `message.eml`; a subject is personal data.
    """

    store: Store
    groups: Mapping[str, str]
    owner: frozenset[str]
    _index: _Index = field(default_factory=_Index, init=False, repr=False, compare=False)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The connector a manifest describes. Nothing is connected to.

        Raises:
            RefusedError: an option is unknown, missing or wrong, or a secret is missing.
        """
        return cls(
            store=store(options, secrets),
            groups=group_principals(options.get("groups", {})),
            owner=principals("owner", options.get("owner", ())),
        )

    def list(self, cursor: Cursor | None) -> Listing:
        """Every message; of an IMAP account only what arrived since the cursor, as long as nothing was removed."""
        named: set[str] = set()
        for item in self.store.scan(cursor):
            match item:
                case Found(key=key) if key not in named:
                    named.add(key)
                    self._remember(item)
                    yield Upsert(document=_document(item))
                case Refused(origin_id=origin_id) if origin_id not in named:
                    named.add(origin_id)
                    yield item
                case Finished():
                    self._index.whole = self._index.whole or cursor is None
                    yield item

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The message as it was sent or stored, at most `max_bytes`."""
        known = self._known(document)
        if known is None:
            raise refusal("gone")
        content = self.store.read(known.place, max_bytes=max_bytes)
        if content.key != document.origin_id:
            raise refusal("changed")
        return content.data

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        """The participants of each message. They follow from the message's id, and never change."""
        found = {document.origin_id: self._known(document) for document in documents}
        return {
            origin_id: Access(allow=known.readers | self.owner, deny=frozenset())
            for origin_id, known in found.items()
            if known is not None
        }

    def _known(self, document: SourceDocument) -> _Known | None:
        """What is known of a message, also of one that an earlier instance listed: all are looked at for it, once."""
        if document.origin_id not in self._index.messages and not self._index.whole:
            deque(self.list(None), maxlen=0)
        return self._index.messages.get(document.origin_id)

    def _remember(self, found: Found) -> None:
        messages = self._index.messages
        if len(messages) >= MAX_MESSAGES:
            raise RefusedError(
                f"The mailbox holds more than {MAX_MESSAGES} messages.",
                mend="Read it by several sources, each with a part of the folders in connector.include.",
            )
        messages[found.key] = _Known(place=found.place, readers=readers(found.head, self.groups))


def _document(found: Found) -> SourceDocument:
    return SourceDocument(
        origin_id=found.key,
        name="message.eml",
        uri=link(found.head, found.key),
        size_bytes=found.size_bytes,
        stamp=found.stamp,
        created=found.head.date,
        modified=found.arrived,
    )
