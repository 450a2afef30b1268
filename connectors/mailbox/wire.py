"""IMAP as the standard library speaks it, with bounds on what the other side may send and how long it may take.

`imaplib` reads a literal of whatever size is announced, any number of answers, and waits for each byte anew. Here all
that answers one command has a number of bytes and of seconds.
"""

import imaplib
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

Security = Literal["tls", "starttls", "none"]
SMALL_BYTES: Final = 2**20
"""Chosen: room for any answer that is not a list or a message."""
_RECEIVE_BYTES: Final = 2**16


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Where and as whom to log in, and how long to wait: to connect, for any byte, for all that answers a command."""

    host: str
    port: int
    security: Security
    tls: ssl.SSLContext
    username: str
    mechanism: Literal["password", "oauth2"]
    secret: SecretStr
    connect_s: float = 30.0
    read_s: float = 60.0
    command_s: float = 600.0


class Wire(imaplib.IMAP4):
    """The library's client on a socket of ours. Its documented hooks are overridden, and nothing else."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._received = bytearray()
        self.allow(SMALL_BYTES)
        super().__init__(account.host, account.port)

    def allow(self, room_bytes: int) -> None:
        """Begin a command whose answer may have `room_bytes`."""
        self._room = room_bytes
        self._deadline = time.monotonic() + self._account.command_s

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002 - the base's
        """Connect."""
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), self._account.connect_s)
        self.sock = self._secured(plain) if self._account.security == "tls" else plain

    def start_tls(self) -> None:
        """Go on under TLS."""
        if self.xatom("STARTTLS")[0] != "OK":
            raise self.error("STARTTLS refused")
        if self._received:
            # Whoever put it there in plain text would have it taken for an answer under TLS (CVE-2011-0411 and others).
            raise self.abort("an answer before TLS")
        self.sock = self._secured(self.sock)

    def _secured(self, plain: socket.socket) -> socket.socket:
        try:
            return self._account.tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def readline(self) -> bytes:
        """A line with its end; without one where the connection ended."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if not self._receive():
                return self._take(searched)
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """A literal, less than `size` where the connection ended."""
        if size > self._room + len(self._received):
            raise self.abort("a literal larger than the answer may be")
        while len(self._received) < size and self._receive():
            pass
        return self._take(size)

    def shutdown(self) -> None:
        """Hang up."""
        self.sock.close()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _receive(self) -> bool:
        """Wait for more. False where the connection ended."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0 or self._room < 0:
            raise self.abort("an answer longer than it may be")
        self.sock.settimeout(min(left_s, self._account.read_s))
        block = self.sock.recv(_RECEIVE_BYTES)
        self._room -= len(block)
        self._received += block
        return bool(block)
