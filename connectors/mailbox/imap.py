"""A mailbox on an IMAP server."""

import hashlib
import json
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from connectors.base import Cursor, Finished, Refused
from connectors.mailbox.folders import Folders
from connectors.mailbox.message import MAX_HEAD_BYTES, Head
from connectors.mailbox.replies import Reply
from connectors.mailbox.session import Folder, Mark, Session
from connectors.mailbox.store import MAX_PASSES, Content, Found, Place, long_head, refusal, too_large
from connectors.mailbox.wire import Account
from connectors.patience import patiently
from policies.errors import RefusedError

T = TypeVar("T")

BATCH: Final = 100
"""Headers that are asked for at once (chosen: at most 25 MiB of them)."""
MAX_CURSOR_CHARS: Final = 64 * 2**10


@dataclass(kw_only=True)
class _Line:
    """The one connection of a store, opened when it is needed and used by one thread at a time."""

    session: Session | None = None
    lock: Lock = field(default_factory=Lock)

    def hang_up(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None


@dataclass(frozen=True, kw_only=True)
class Imap:
    """A store on a server, of which nothing is changed. A place is a folder's name, its UIDVALIDITY and a UID.

    A message is known by `message.FIELDS` alone, for its body is too much to read at each listing: those begin with
    the lines `Received` that the last servers on its way wrote, which no sender can foretell. Two messages that share
    all of them are one document; it takes somebody who may write into the mailbox to make such a pair. One without a
    Message-ID is known by its place too, so that it is another document after a move.
    """

    account: Account
    folders: Folders
    sleep: Callable[[float], None] = time.sleep
    _line: _Line = field(default_factory=_Line, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A connector has no end of its own: the connection ends when nobody holds the store any more."""
        weakref.finalize(self, self._line.hang_up)

    def scan(self, cursor: Cursor | None) -> Iterator[Found | Refused | Finished]:
        """What arrived since the cursor, if nothing was removed since; else every message.

        Which message a removed UID was is not known any more, so a removal makes the listing a complete one. The
        cursor tells of a removal: it holds how many messages each folder had. Where the server no longer lists a folder
        that it holds, nothing counts as gone before a second listing, which starts without a cursor.

        Raises:
            RefusedError: there is no folder to read, which is no empty mailbox.
        """
        known = _read_cursor(cursor)
        if known:
            standing = yield from self._follow(known)
            if standing.counts_agree:
                yield Finished(complete=False, cursor=_cursor(standing.marks))
                return
        standing = yield from self._follow({})
        vanished = bool(known) and not known.keys() <= set(map(_digest, self._ask(Session.folders)))
        yield Finished(
            complete=standing.settled and not standing.lacking and not vanished,
            cursor=_cursor(standing.marks) if standing.counts_agree and not vanished else None,
        )

    def read(self, place: Place, *, max_bytes: int) -> Content:
        """The message, with its header as the server reads it."""
        name, uidvalidity, uid = place
        folder = Folder(name=name.encode("latin-1"), path="")
        reply = self._ask(lambda session: session.message(folder, uidvalidity, uid, max_bytes=max_bytes))
        if reply is None or reply.body is None:
            raise refusal("gone")
        if len(reply.body) > max_bytes:
            raise too_large(max_bytes)
        return Content(key=_key(Head.read(reply.head), place), data=reply.body)

    def _follow(self, known: Mapping[str, Mark]) -> Generator[Found | Refused, None, "_Standing"]:
        """What arrived since `known`, until nothing arrives: what is moved past the reader arrives where it goes."""
        seen, held = dict(known), {folder: mark.exists for folder, mark in known.items()}
        renumbered = False
        for _ in range(MAX_PASSES):
            folders = self._ask(self._survey)
            marks = {_digest(folder): mark for folder, mark in folders.items()}
            grown = [folder for folder in folders if not _is_as(seen.get(_digest(folder)), marks[_digest(folder)])]
            for folder in grown:
                name, mark = _digest(folder), marks[_digest(folder)]
                before = seen.get(name)
                if before is None or before.uidvalidity != mark.uidvalidity:
                    renumbered = renumbered or before is not None
                    held[name], before = 0, None
                for found in self._arrivals(folder, mark, 1 if before is None else before.uidnext):
                    held[name] += 1
                    yield found
            seen = marks
            if not grown:
                break
        exists = {name: mark.exists for name, mark in seen.items()}
        return _Standing(
            marks=seen,
            settled=not grown,
            lacking=any(held[name] < count for name, count in exists.items()),
            counts_agree=not grown and not renumbered and held == exists,
        )

    def _survey(self, session: Session) -> dict[Folder, Mark]:
        """How each of the source's folders stands."""
        marks = {folder: session.examine(folder) for folder in session.folders() if self.folders.take(folder.path)}
        found = {folder: mark for folder, mark in marks.items() if mark is not None}
        if not found:
            raise RefusedError(
                "The account shows no folder that the source takes.",
                mend="Mend connector.include and connector.exclude, or let the account see its folders.",
            )
        return found

    def _arrivals(self, folder: Folder, mark: Mark, low: int) -> Iterator[Found | Refused]:
        uids = self._ask(lambda session: session.uids(folder, mark.uidvalidity, low, mark.uidnext - 1))
        for at in range(0, len(uids), BATCH):
            for uid, reply in self._heads(folder, mark, uids[at : at + BATCH]).items():
                yield _found((folder.name.decode("latin-1"), mark.uidvalidity, uid), reply)

    def _heads(self, folder: Folder, mark: Mark, uids: Sequence[int]) -> dict[int, Reply]:
        return self._ask(lambda session: session.heads(folder, mark.uidvalidity, uids))

    def _ask(self, ask: Callable[[Session], T]) -> T:
        """What a session answers; again on a new connection where the server was away."""

        def once() -> T:
            with self._line.lock:
                session, self._line.session = self._line.session or Session.open(self.account), None
                try:
                    answer = ask(session)
                except BaseException:
                    session.close()
                    raise
                self._line.session = session
                return answer

        return patiently(once, sleep=self.sleep)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Standing:
    """How the folders stood at the end of a listing.

    `settled`: nothing arrived during the last look at them. `lacking`: there are messages that the server did not show.
    `counts_agree`: they hold as many messages as were seen in them, so that none was removed.
    """

    marks: Mapping[str, Mark]
    settled: bool
    lacking: bool
    counts_agree: bool


def _is_as(before: Mark | None, now: Mark) -> bool:
    return before is not None and (before.uidvalidity, before.uidnext) == (now.uidvalidity, now.uidnext)


def _found(place: Place, reply: Reply) -> Found | Refused:
    if len(reply.head) > MAX_HEAD_BYTES:
        return long_head(hashlib.sha256(_spelt(place)).hexdigest())
    head = Head.read(reply.head)
    return Found(
        key=_key(head, place),
        head=head,
        place=place,
        stamp=hashlib.sha256(_spelt(place)).hexdigest(),
        size_bytes=None,
        arrived=reply.arrived,
    )


def _key(head: Head, place: Place) -> str:
    return head.key(b"" if any(head.fields.get("message-id", ())) else _spelt(place))


def _spelt(place: Place) -> bytes:
    name, uidvalidity, uid = place
    return f"imap {uidvalidity} {uid} {name}".encode()


def _digest(folder: Folder) -> str:
    return hashlib.sha256(folder.name).hexdigest()[:16]


def _cursor(marks: Mapping[str, Mark]) -> Cursor | None:
    """None for more folders than a cursor has room for: then each listing is complete."""
    text = json.dumps(
        {name: (mark.uidvalidity, mark.uidnext, mark.exists) for name, mark in sorted(marks.items())},
        separators=(",", ":"),
    )
    return Cursor(text) if len(text) <= MAX_CURSOR_CHARS else None


def _read_cursor(cursor: Cursor | None) -> dict[str, Mark]:
    if cursor is None:
        return {}
    try:
        marks = TypeAdapter(dict[str, tuple[int, int, int]]).validate_json(cursor)
    except ValidationError:
        return {}
    return {
        name: Mark(uidvalidity=validity, uidnext=following, exists=exists)
        for name, (validity, following, exists) in marks.items()
    }
