"""A folder on real SFTP servers: asyncssh's, which also fails where a test asks for it, and OpenSSH's."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import asyncssh

from connectors.base import Change, Finished, Refused, SourceDocument, Upsert
from connectors.objectstore import ObjectStoreConnector
from connectors.secrets import Secrets

USER = "reader"
PASSWORD = "correct-horse-battery"
SSHD = Path("/usr/sbin/sshd")

Fault = Callable[["Files", str, bytes], Awaitable[None]]
"""What happens before the server does something to a path: it may wait, raise, or end the connection."""


class Server(Protocol):
    """A server on 127.0.0.1 that serves every folder of this machine."""

    port: int
    host_key: asyncssh.SSHKey
    username: str
    secrets: dict[str, str]
    """What logs in, by option."""

    def stop(self) -> None: ...


class Asyncssh:
    """In this process, in a thread of its own."""

    username = USER

    def __init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.secrets = {"password": PASSWORD}
        self.fault: Fault | None = None
        self.lies: list[asyncssh.SFTPName] = []
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.logins = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self, **options: Any) -> None:  # noqa: ANN401 - as asyncssh has them
        async def listening() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=lambda: _Door(self),
                server_host_keys=[self.host_key],
                sftp_factory=lambda channel: Files(channel, self),
                **options,
            )

        self._listener = asyncio.run_coroutine_threadsafe(listening(), self._loop).result(10)
        self.port = self._listener.get_port()

    def stop(self) -> None:
        async def stopped() -> None:
            self._listener.close()
            await self._listener.wait_closed()
            for connection in list(self.connections):
                connection.abort()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await asyncio.sleep(0.1)  # until the sockets are closed

        asyncio.run_coroutine_threadsafe(stopped(), self._loop).result(10)

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Door(asyncssh.SSHServer):
    def __init__(self, server: Asyncssh) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._server.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        self._server.logins += 1
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, self._server.secrets["password"])

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == self._server.user_key.public_data


class Files(asyncssh.SFTPServer):
    """The files of this machine."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], server: Asyncssh) -> None:
        super().__init__(channel)
        self._server = server

    def cut(self) -> None:
        """The network is gone."""
        self.channel.get_connection().abort()

    async def _before(self, operation: str, path: bytes) -> None:
        if self._server.fault:
            await self._server.fault(self, operation, path)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._before("scandir", path)
        number = 0
        async for name in super().scandir(path):
            number += 1
            if number == 200:
                await self._before("200 names", path)
            yield name
        for lie in self._server.lies:
            yield lie

    async def lstat(self, path: bytes) -> os.stat_result:
        await self._before("lstat", path)
        return os.lstat(path)

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await self._before("open", path)
        return super().open(path, pflags, attrs)


class Openssh:
    """The server that nearly everybody runs, as the user who runs the tests."""

    def __init__(self, base: Path) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.username = pwd.getpwuid(os.geteuid()).pw_name
        self.secrets = {"private_key": user_key.export_private_key().decode()}
        (base / "host_key").write_bytes(self.host_key.export_private_key())
        (base / "host_key").chmod(0o600)
        (base / "authorized_keys").write_bytes(user_key.export_public_key())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (base / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {base}/host_key\nAuthorizedKeysFile {base}/authorized_keys\n"
            "StrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\nPidFile none\n"
            "Subsystem sftp internal-sftp\nMaxStartups 100\n"
        )
        self._process = subprocess.Popen(
            [SSHD, "-D", "-f", base / "config", "-E", base / "log"], start_new_session=True
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(10)


class Folder:
    """A folder on a server as an origin. The server's clock ticks a second a change, for SFTP tells no less."""

    def __init__(self, server: Server, base: Path) -> None:
        self.server = server
        self.base = base
        self.root = base / "root"
        self.root.mkdir()
        self.waits: list[float] = []
        self.clock = count(1_700_000_000)
        self.environment = {name.upper(): value for name, value in server.secrets.items()}

    @property
    def secret(self) -> str | None:
        return self.server.secrets.get("password")

    def connector(self, **options: object) -> ObjectStoreConnector:
        given = {
            "url": f"sftp://127.0.0.1:{self.server.port}{self.root}",
            "include": ["**"],
            "username": self.server.username,
            "host_key": self.server.host_key.get_fingerprint(),
            **{name: {"env": name.upper()} for name in self.server.secrets},
            **options,
        }
        made = ObjectStoreConnector.from_options(
            {key: value for key, value in given.items() if value is not None},
            secrets=Secrets(environment=self.environment, base=self.base),
        )
        return replace(made, sleep=self.waits.append)

    def put(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)
        now = next(self.clock)
        os.utime(self.root / name, (now, now))

    def rename(self, name: str, new_name: str) -> None:
        (self.root / name).rename(self.root / new_name)

    def delete(self, name: str) -> None:
        (self.root / name).unlink()

    def break_off(self) -> None:
        shutil.rmtree(self.root)

    def changes(self, **options: object) -> list[Change]:
        *changes, _ = self.connector(**options).list(None)
        return [change for change in changes if not isinstance(change, Finished)]

    def documents(self, **options: object) -> dict[str, SourceDocument]:
        """By origin id."""
        found = [change.document for change in self.changes(**options) if isinstance(change, Upsert)]
        return {document.origin_id: document for document in found}

    def refusals(self, **options: object) -> list[tuple[str, str]]:
        return [(change.origin_id, change.reason) for change in self.changes(**options) if isinstance(change, Refused)]
