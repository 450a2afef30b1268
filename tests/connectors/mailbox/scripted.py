"""An IMAP server that says what a test wants."""

import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Final

from connectors.mailbox.message import FIELDS
from tests.connectors.mailbox.mails import mail

CUT: Final = b"cut"
"""In place of an answer: the end of the connection."""
SILENCE: Final = b"silence"
"""In place of an answer: none, and the connection stays."""
DRIP: Final = b"drip"
"""In place of an answer: a byte now and then, for ever."""
MAIL: Final = mail("a", b"hello", end=b"\r\n")
_HEAD: Final = b"BODY[HEADER.FIELDS (%s)]<0>" % " ".join(FIELDS).upper().encode()


def literal(content: bytes) -> bytes:
    return b"{%d}\r\n%s" % (len(content), content)


def fetched(uid: int, content: bytes = MAIL, *, body: bytes = b"") -> bytes:
    """One message of an answer to FETCH."""
    head = content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return b'* 1 FETCH (UID %d INTERNALDATE "21-Feb-2024 12:00:00 +0000" %s %s%s)\r\n' % (
        uid,
        _HEAD,
        literal(head),
        b" BODY[]<0> " + literal(body) if body else b"",
    )


GOOD: Final[Mapping[str, bytes]] = {
    "GREETING": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS\r\n%t OK done\r\n",
    "STARTTLS": b"%t OK begin\r\n",
    "AUTHENTICATE": b"+ \r\n",
    "RESPONSE": b"%t OK in\r\n",
    "LIST": b'* LIST (\\HasNoChildren) "/" INBOX\r\n%t OK done\r\n',
    "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 2] ok\r\n%t OK [READ-ONLY] done\r\n",
    "SEARCH": b"* SEARCH 1\r\n%t OK done\r\n",
    "HEADS": fetched(1) + b"%t OK done\r\n",
    "BODY": fetched(1, body=MAIL) + b"%t OK done\r\n",
}
"""What a server answers that has one message. `%t` is the tag of the command."""


@dataclass(kw_only=True)
class Scripted:
    """A server on 127.0.0.1 without TLS. `answers` has, by command, one answer after another, the last for ever."""

    port: int
    answers: dict[str, Sequence[bytes]]
    tls: ssl.SSLContext | None = None
    """With what it goes on after STARTTLS."""
    commands: list[str] = field(default_factory=list)
    """Each command that came, without its tag."""

    _asked: Counter[str] = field(default_factory=Counter)

    def answer(self, command: str) -> bytes:
        key = _key(command)
        answers = self.answers.get(key, [GOOD.get(key, b"%t BAD unknown\r\n")])
        answer = answers[min(self._asked[key], len(answers) - 1)]
        self._asked[key] += 1
        self.commands.append(command)
        return answer


@contextmanager
def scripted(*, tls: ssl.SSLContext | None = None, **answers: bytes | Sequence[bytes]) -> Iterator[Scripted]:
    """A server while the block runs, which answers as GOOD where `answers` says nothing else."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        script = Scripted(
            port=listener.getsockname()[1],
            answers={key: [value] if isinstance(value, bytes) else value for key, value in answers.items()},
            tls=tls,
        )
        thread = Thread(target=_accept, args=(listener, script))
        thread.start()
        try:
            yield script
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, script: Scripted) -> None:
    connections: list[socket.socket] = []
    threads: list[Thread] = []
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connections.append(connection)
            threads.append(Thread(target=_serve, args=(connection, script)))
            threads[-1].start()
    for connection, thread in zip(connections, threads, strict=True):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(connection: socket.socket, script: Scripted) -> None:
    with suppress(OSError), closing(connection):
        if _talk(connection, script, "GREETING") and script.tls is not None:
            with script.tls.wrap_socket(connection, server_side=True) as secured:
                _talk(secured, script, "")


def _talk(connection: socket.socket, script: Scripted, command: str) -> bool:
    """Answer commands to the end of the connection, or until TLS begins, which is True."""
    tag = b""
    with connection.makefile("rb", buffering=0) as lines:
        while True:
            answer = script.answer(command) if command else b""
            if answer == CUT:
                return False
            while answer == DRIP:
                connection.sendall(b"*")
                time.sleep(0.01)
            if answer != SILENCE:
                connection.sendall(answer.replace(b"%t", tag))
            if command == "STARTTLS" and script.tls is not None:
                return True
            line = lines.readline()
            if not line:
                return False
            if command.startswith("AUTHENTICATE"):
                command = f"RESPONSE {line.decode().strip()}"
            else:
                tag, _, rest = line.rstrip(b"\r\n").partition(b" ")
                command = rest.decode("latin-1")


def _key(command: str) -> str:
    if command.startswith("UID FETCH"):
        return "BODY" if re.search(r"BODY\.PEEK\[\]", command) else "HEADS"
    return command.removeprefix("UID ").partition(" ")[0]
