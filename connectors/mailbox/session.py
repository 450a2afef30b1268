"""What is asked of an IMAP server.

Nothing is changed by it: folders are opened by EXAMINE and messages fetched by BODY.PEEK, so that none is marked read.
"""

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from connectors.mailbox.folders import INBOX, decode
from connectors.mailbox.message import FIELDS, MAX_HEAD_BYTES
from connectors.mailbox.replies import Piece, Reply, away, failure, refused, replies
from connectors.mailbox.wire import SMALL_BYTES, Account, Wire
from policies.errors import PenstockError, RefusedError

MAX_FOLDERS: Final = 10_000
_LIST_BYTES: Final = 16 * 2**20
"""Chosen: the numbers of two million messages, the names of more than MAX_FOLDERS folders."""
_HEAD: Final = f"BODY.PEEK[HEADER.FIELDS ({' '.join(FIELDS).upper()})]<0.{MAX_HEAD_BYTES + 1}>"
_FOLDER: Final = re.compile(rb'\((?P<flags>[^()]*)\) (?:"\\?(?P<sign>[^"])"|NIL) (?P<name>.+)', re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder: its name in the bytes of the protocol, and the path that users see, with `/` between folders."""

    name: bytes
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How a folder stands: what its UIDs hold for, the next one, and how many messages there are."""

    uidvalidity: int
    uidnext: int
    exists: int


class Session:
    """A connection that is logged in. After an error it is of no more use.

    Raises, from every method: RefusedError for credentials or a certificate that do not hold, DependencyError for all
    else that fails.
    """

    def __init__(self, wire: Wire) -> None:
        """Use `Session.open`."""
        self._wire = wire
        self._selected: tuple[bytes, int] | None = None

    @classmethod
    def open(cls, account: Account) -> Self:
        """Connect and log in."""
        with _speaking(otherwise=away()):
            wire = Wire(account)
        try:
            with _speaking(otherwise=refused()):
                _log_in(wire, account)
        except BaseException:
            wire.shutdown()
            raise
        return cls(wire)

    def close(self) -> None:
        """Hang up."""
        self._wire.shutdown()

    def folders(self) -> tuple[Folder, ...]:
        """Every folder that can hold messages, in the order of their names."""
        with self._asking(_LIST_BYTES):
            _, lines = _done(self._wire.list())
        found = {folder.name: folder for folder in _folders(lines)}
        if len(found) > MAX_FOLDERS:
            raise RefusedError(
                f"The account has more than {MAX_FOLDERS} folders.",
                mend="Read it by several sources, or fewer folders.",
            )
        return tuple(found[name] for name in sorted(found))

    def examine(self, folder: Folder) -> Mark | None:
        """How a folder stands now; None where it went away."""
        self._selected = None
        with self._asking(SMALL_BYTES):
            quoted = b'"' + re.sub(rb'([\\"])', rb"\\\1", folder.name) + b'"'
            status, exists = self._wire.select(quoted, readonly=True)  # type: ignore[arg-type]  # it takes bytes too
            if status != "OK":
                # Not every server has a code for a folder that is not there.
                if folder.name not in {other.name for other in self.folders()}:
                    return None
                raise failure(_text(exists), otherwise=_closed())
            mark = Mark(
                uidvalidity=_number(self._wire.response("UIDVALIDITY")[1]),
                uidnext=_number(self._wire.response("UIDNEXT")[1]),
                exists=_number(exists),
            )
        self._selected = (folder.name, mark.uidvalidity)
        return mark

    def uids(self, folder: Folder, uidvalidity: int, low: int, high: int) -> list[int]:
        """The UIDs from `low` to `high` that a folder has, ascending; none where it is no longer the same folder."""
        if low > high or not self._is_open(folder, uidvalidity):
            return []
        with self._asking(_LIST_BYTES):
            _, lines = _done(self._wire.uid("SEARCH", "UID", f"{low}:{high}"))
            uids = {int(uid) for line in lines for uid in bytes(line or b"").split()}
        return sorted(uid for uid in uids if low <= uid <= high)

    def heads(self, folder: Folder, uidvalidity: int, uids: Sequence[int]) -> dict[int, Reply]:
        """The headers of messages by their UIDs; those that are gone are left out."""
        if not self._is_open(folder, uidvalidity):
            return {}
        with self._asking(SMALL_BYTES + len(uids) * (MAX_HEAD_BYTES + SMALL_BYTES // 2**8)):
            numbers = ",".join(map(str, uids))
            _, pieces = _done(self._wire.uid("FETCH", numbers, f"(UID INTERNALDATE {_HEAD})"))
            found = {reply.uid: reply for reply in replies(pieces)}
        return {uid: found[uid] for uid in uids if uid in found}

    def message(self, folder: Folder, uidvalidity: int, uid: int, *, max_bytes: int) -> Reply | None:
        """A message and its header, of which no more than a byte beyond `max_bytes` is read; None where it is gone."""
        if not self._is_open(folder, uidvalidity):
            return None
        with self._asking(SMALL_BYTES + MAX_HEAD_BYTES + max_bytes):
            _, pieces = _done(self._wire.uid("FETCH", str(uid), f"(UID {_HEAD} BODY.PEEK[]<0.{max_bytes + 1}>)"))
            found = [reply for reply in replies(pieces) if reply.uid == uid and reply.body is not None]
        return found[0] if found else None

    def _is_open(self, folder: Folder, uidvalidity: int) -> bool:
        if self._selected != (folder.name, uidvalidity):
            self.examine(folder)
        return self._selected == (folder.name, uidvalidity)

    @contextmanager
    def _asking(self, room_bytes: int) -> Iterator[None]:
        self._wire.allow(room_bytes)
        with _speaking(otherwise=away()):
            yield


@contextmanager
def _speaking(*, otherwise: PenstockError) -> Iterator[None]:
    """Turns the library's errors into ours; a command that is not done for no known reason is `otherwise`."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(
            f"The mail server's certificate does not hold: {error.verify_message}.",
            mend="Write the name that the certificate is for as connector.host, or the authority that signed it as "
            "connector.ca_file.",
        ) from error
    except imaplib.IMAP4.abort as error:  # the connection is at its end
        raise failure(str(error), otherwise=away()) from None
    except imaplib.IMAP4.error as error:
        raise failure(str(error), otherwise=otherwise) from None
    except (OSError, ValueError):  # ValueError: a number that is none, or has thousands of digits
        raise away() from None


def _closed() -> RefusedError:
    return RefusedError(
        "A folder of the account cannot be opened.",
        mend="Let the account read it, or leave it out by connector.exclude.",
    )


def _log_in(wire: Wire, account: Account) -> None:
    if account.security == "starttls":
        wire.start_tls()
    secret = account.secret.get_secret_value()
    if account.mechanism == "oauth2":
        answer = f"user={account.username}\1auth=Bearer {secret}\1\1".encode()
        # A refused token is told why by a second challenge, which wants an empty answer.
        wire.authenticate("XOAUTH2", lambda challenge: b"" if challenge else answer)
    else:
        wire.authenticate("PLAIN", lambda _: f"\0{account.username}\0{secret}".encode())


def _done(answer: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(_text(answer[1]))
    return answer


def _text(lines: Sequence[object]) -> str:
    return b" ".join(line for line in lines if isinstance(line, bytes)).decode("latin-1")


def _number(lines: Sequence[Any]) -> int:
    return int(lines[-1] or b"")


def _folders(lines: Sequence[Piece]) -> Iterator[Folder]:
    for line in lines:
        text, literal = line if isinstance(line, tuple) else (line or b"", None)
        found = _FOLDER.fullmatch(text)
        if found is None or {b"\\noselect", b"\\nonexistent"} & set(found["flags"].lower().split()):
            continue
        name = literal if literal is not None else _unquoted(found["name"])
        parts = name.decode("utf-8", "replace").split((found["sign"] or b"\0").decode("latin-1"))
        path = "/".join(map(decode, parts))
        yield Folder(name=name, path=INBOX if path.upper() == INBOX else path)


def _unquoted(name: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", name[1:-1]) if name.startswith(b'"') else name
