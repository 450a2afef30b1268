"""Files on an SFTP server, through asyncssh on fsspec's event loop.

The file systems for SFTP that fsspec knows are not used. Its own (paramiko) trusts every host key by default, takes a
connection that drops in the middle of a folder for the folder's end, and fails at a name that is no UTF-8; sshfs checks
no host key by default.
"""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import asyncssh

from connectors.base import Refused
from connectors.objectstore.loop import close_with, patient
from connectors.objectstore.options import Options
from connectors.objectstore.ssh import Server
from connectors.objectstore.store import Item, Sleep, Store, away, changed, gone, quarantine, read_within
from connectors.patterns import Selection
from policies.errors import DependencyError, QuarantineError, RefusedError

T = TypeVar("T")

MAX_DEPTH: Final = 64
"""Folders below the root (chosen, as for the filesystem connector)."""
MAX_NAMES: Final = 1_000_000
MAX_NAME_BYTES: Final = 1024
MAX_LISTING_BYTES: Final = 64 * 2**20
"""Chosen: what one folder may hold, in names and in bytes of them, which are in memory together. File systems end at
names of 255 bytes."""
_NO_LINK: Final = "Put the file itself there, or leave the link out by `exclude`."
_NO_FILE: Final = "Leave the pipe, socket or device out by `exclude`."
_NOT_THERE: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory)
_LOST: Final = (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, asyncssh.SFTPBadMessage)


def store(options: Options) -> Store:
    """The store that a manifest describes. Nothing is asked of it yet."""
    return SftpStore(Server.of(options), root=f"/{options.place.path}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Session:
    connection: asyncssh.SSHClientConnection
    sftp: asyncssh.SFTPClient
    root: bytes
    """Behind all links, without a slash at its end."""

    def path(self, parts: Sequence[str]) -> bytes:
        return b"/".join([self.root, *(part.encode() for part in parts)]) or b"/"


class SftpStore:
    """The files below a folder of a server.

    Nothing is taken that lies behind a symbolic link below the root. SFTP has no way to open without following one, so
    after a folder or file was read, it and all folders above it are looked at as they are, and files before too. Who
    can write into the folder can put a link there for the blink in between; what is read then is refused unless its
    size and time of modification are those of the file that was listed.

    A stamp is size and time of modification, which SFTP tells in whole seconds: a second change within a second that
    leaves the size as it was is seen only with the change after it. A time of creation is not known.
    """

    def __init__(self, server: Server, *, root: str) -> None:
        self._server = server
        self._root = root
        self._session: _Session | None = None

    def listing(self, selection: Selection, *, sleep: Sleep) -> Iterator[Item | Refused]:
        """Every file that is selected, in the order of their names folder by folder."""
        yield from self._below((), selection, sleep)

    def read(self, path: str, *, stamp: str, max_bytes: int, sleep: Sleep) -> bytes:
        """The bytes of a file."""
        parts = path.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in parts):
            raise quarantine("outside_root", "List the source again.")
        try:
            return patient(lambda: self._content(parts, stamp, max_bytes), sleep=sleep)
        except _NOT_THERE:
            raise gone() from None
        except asyncssh.SFTPError as error:
            raise quarantine(
                "unreadable",
                f"Let the user read it, or leave it out by `exclude`. The server's log tells more: {error.code}.",
            ) from None

    def _below(self, parts: Sequence[str], selection: Selection, sleep: Sleep) -> Iterator[Item | Refused]:
        for name, attributes in sorted(self._names(parts, sleep).items()):
            path = "/".join((*parts, name.decode("utf-8", "backslashreplace")))
            if not _is_name(name):
                yield Refused(origin_id=path, reason="bad_name", mend="Rename the file to valid UTF-8.")
            elif _is_folder(attributes) and len(parts) == MAX_DEPTH:
                yield Refused(
                    origin_id=path, reason="too_deep", mend=f"Move it up: {MAX_DEPTH} folders deep is the limit."
                )
            elif _is_folder(attributes):
                if selection.reaches(path):
                    yield from self._below((*parts, name.decode()), selection, sleep)
            elif _is_link(attributes):
                if selection.reaches(path):
                    yield Refused(origin_id=path, reason="symbolic_link", mend=_NO_LINK)
            elif not selection.takes(path):
                continue
            elif _is_file(attributes):
                yield _item(path, attributes)
            else:
                yield Refused(origin_id=path, reason="not_a_file", mend=_NO_FILE)

    def _names(self, parts: Sequence[str], sleep: Sleep) -> Mapping[bytes, asyncssh.SFTPAttrs]:
        """What a folder holds. One that cannot be read ends the listing, so that nothing in it passes for deleted."""
        try:
            return patient(lambda: self._entries(parts), sleep=sleep)
        except (asyncssh.SFTPError, QuarantineError) as error:
            raise DependencyError(
                f"A folder {len(parts)} below the source's root cannot be listed: {type(error).__name__}.",
                mend="Let the user read it, or leave it out by `exclude` with /** at its end. If it was moved, sync "
                "again.",
            ) from None

    async def _entries(self, parts: Sequence[str]) -> Mapping[bytes, asyncssh.SFTPAttrs]:
        found: dict[bytes, asyncssh.SFTPAttrs] = {}
        number = size_bytes = 0
        async with self._connected() as session:
            entries = session.sftp.scandir(session.path(parts))
            while entry := await self._soon(anext(entries, None)):
                name = entry.filename if isinstance(entry.filename, bytes) else entry.filename.encode()
                if name not in {b".", b".."}:
                    found[name] = _kept(entry.attrs)
                number, size_bytes = number + 1, size_bytes + len(name)
                if len(name) > MAX_NAME_BYTES:
                    raise RefusedError(
                        f"The server lists a name of more than {MAX_NAME_BYTES} bytes.", mend="Rename it there."
                    )
                if number > MAX_NAMES or size_bytes > MAX_LISTING_BYTES:
                    raise RefusedError(
                        f"A folder holds more than {MAX_NAMES} names, or {MAX_LISTING_BYTES} bytes of them.",
                        mend="Spread them over several folders.",
                    )
            await self._looked_at(session, parts)
        if any(attributes.permissions is None for attributes in found.values()):
            raise RefusedError("The server does not tell files from folders.", mend="Use another SFTP server.")
        return found

    async def _content(self, parts: Sequence[str], stamp: str, max_bytes: int) -> bytes:
        async with self._connected() as session:
            *_, there = await self._looked_at(session, parts)
            if not _is_file(there):
                raise quarantine("not_a_file", _NO_FILE)
            if stamp not in {"", _stamp(there)}:
                raise changed()
            async with await self._soon(session.sftp.open(session.path(parts), "rb")) as file:
                before = await self._soon(file.stat())
                content = await read_within(max_bytes, lambda size: self._soon(file.read(size)))
                after = await self._soon(file.stat())
            await self._looked_at(session, parts)
        if not _is_file(before) or {_stamp(before), _stamp(after)} != {_stamp(there)}:
            raise changed()
        return content

    async def _looked_at(self, session: _Session, parts: Sequence[str]) -> Sequence[asyncssh.SFTPAttrs]:
        """A path below the root, step by step, which leads over no link."""
        paths = [session.path(parts[: depth + 1]) for depth in range(len(parts))]
        steps = await self._soon(asyncio.gather(*map(session.sftp.lstat, paths)))
        if any(map(_is_link, steps)):
            raise quarantine("symbolic_link", _NO_LINK)
        return steps

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Session]:
        try:
            if self._session is None:
                self._session = await self._opened()
            yield self._session
        except (*_LOST, asyncssh.DisconnectError, asyncssh.ChannelOpenError, OSError) as error:
            if self._session is not None:
                self._session.connection.abort()
                self._session = None
            raise away(error) from None

    async def _opened(self) -> _Session:
        connection = await self._server.connect()
        close_with(self, connection.abort)
        sftp = await self._soon(connection.start_sftp_client(path_encoding=None))
        try:
            root = await self._soon(sftp.realpath(self._root.encode()))
            is_folder = _is_folder(await self._soon(sftp.stat(root)))
        except _LOST:
            raise
        except asyncssh.SFTPError:
            is_folder = False
        if not is_folder:
            raise RefusedError(
                "The source's folder cannot be opened on the server.", mend="Mend connector.url, or let the user in."
            )
        return _Session(connection=connection, sftp=sftp, root=root.rstrip(b"/"))

    async def _soon(self, answer: Awaitable[T]) -> T:
        async with asyncio.timeout(self._server.timeouts.read_s):
            return await answer


def _kept(attributes: asyncssh.SFTPAttrs) -> asyncssh.SFTPAttrs:
    """What is looked at, without the texts that a server may add."""
    return asyncssh.SFTPAttrs(size=attributes.size, permissions=attributes.permissions, mtime=attributes.mtime)


def _is_name(name: bytes) -> bool:
    """Whether it is one step of a path, and text."""
    try:
        return bool(name) and not {"/", "\0"} & set(name.decode())
    except UnicodeDecodeError:
        return False


def _is_file(attributes: asyncssh.SFTPAttrs) -> bool:
    return stat.S_ISREG(attributes.permissions or 0)


def _is_folder(attributes: asyncssh.SFTPAttrs) -> bool:
    return stat.S_ISDIR(attributes.permissions or 0)


def _is_link(attributes: asyncssh.SFTPAttrs) -> bool:
    return stat.S_ISLNK(attributes.permissions or 0)


def _item(path: str, attributes: asyncssh.SFTPAttrs) -> Item:
    modified = None if attributes.mtime is None else datetime.fromtimestamp(attributes.mtime, tz=UTC)
    return Item(path=path, size_bytes=attributes.size, stamp=_stamp(attributes), created=None, modified=modified)


def _stamp(attributes: asyncssh.SFTPAttrs) -> str:
    return "" if attributes.size is None or attributes.mtime is None else f"{attributes.size} {attributes.mtime}"
