"""Everything that can be said to Penstock with a name in it: commands, requests, and what each said in return."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from tests.evidence.canaries.people import Person
from tests.journeys.penstock import PURPOSE, SCRIPT, START_TIMEOUT_S, Penstock, Server

ANSWER = "answer"
SHOWN = "shown to the operator"
ECHOED = "told back to who typed it"
LOG = "log"
ERROR = "error body"
MAX_BODY = 200_000
_COMMANDS = frozenset(
    (
        *("status", "quarantine", "list", "retry", "purge", "plan", "run", "verify", "audit", "show", "jobs", "apply"),
        *("sync", "key", "revoke", "erase", "find", "explain"),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What came back of a route. `where` is one of ANSWER, SHOWN, LOG and ERROR; `typed` are a command's arguments."""

    route: str
    where: str
    content: bytes
    typed: str = ""


def commands(penstock: Penstock, people: Sequence[Person], names: Sequence[str]) -> Iterator[Said]:
    """Commands with people in their arguments. `names` are of documents."""
    yield from _command(penstock, "status", "notes", "--documents")
    yield from _command(penstock, "quarantine", "list", "notes")
    yield from _command(penstock, "quarantine", "retry", "notes")
    yield from _command(penstock, "purge", "plan", "notes")
    yield from _command(penstock, "purge", "run", "notes", "--yes")
    yield from _command(penstock, "verify")
    yield from _command(penstock, "audit", "show")
    yield from _command(penstock, "jobs", "list")
    for person in people[:1]:
        yield from _command(penstock, "apply", penstock.folder / f"{person.name}.yaml", "--yes")
        yield from _command(penstock, "jobs", "show", person.surname)
        yield from _command(penstock, "sync", person.surname)
        yield from _command(penstock, "key", "revoke", person.surname)
        yield from _command(penstock, person.surname)
    for person, name in zip(people[1:4], names, strict=False):
        found = ("erase", "find", "notes", "--reference", "DSR-2026-031")
        yield from _command(penstock, *found, "--subject", person.name, "--subject", person.mail)
        yield from _command(penstock, *found, "--subject", person.phone)
        yield from _command(penstock, "explain", "--as", "ann", "--source", "notes", "--document", name)
        yield from _command(penstock, "explain", "--as", person.name, "--source", "notes", "--document", person.name)
        erased = ("erase", "run", "notes", "--ground", "withdrawn_consent", "--reference", "DSR-2026-032", "--yes")
        yield from _command(penstock, *erased, "--document", name, "--subject", person.name)
        yield from _command(penstock, *erased, "--document", person.name)


def _command(penstock: Penstock, *arguments: str | Path) -> Iterator[Said]:
    done = penstock.run("--debug", *arguments)
    known = [str(argument) for argument in arguments[:2] if str(argument) in _COMMANDS]
    route = " ".join(("penstock", *known))
    yield Said(route=route, where=SHOWN, content=done.out.encode())
    yield Said(route=route, where=LOG, content=done.err.encode(), typed=" ".join(map(str, arguments)))


@contextmanager
def serving(penstock: Penstock, log: Path) -> Iterator[Server]:
    """A server that writes all it says to `log`, stopped when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [SCRIPT, "--debug", "serve", "--port", str(port)],
            env=penstock.environment | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
            stdout=out,
            stderr=out,
            text=True,
        )
        try:
            server = Server(process=process, port=port)
            _wait(port)
            server.wait_until_ready()
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait(port: int) -> None:
    import time

    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not start.")


def requests(server: Server, key: str, people: Sequence[Person]) -> Iterator[Said]:
    """Requests with people in every part of them."""
    for person in people:
        for query in (f"What did {person.name} say about the pump?", person.mail, person.phone, person.surname):
            body = {"query": query, "purpose": PURPOSE, "k": 10, "conversation_id": person.surname}
            yield _request(server, "query", "POST", "/v1/retrieve", key, json.dumps(body))
    for person in people[:20]:
        yield from _wrong(server, key, person)


def _wrong(server: Server, key: str, person: Person) -> Iterator[Said]:
    bodies = {
        "unknown field": {"query": "pump", "purpose": PURPOSE, person.surname: person.mail},
        "wrong type": {"query": {"name": person.name}, "purpose": PURPOSE},
        "unknown purpose": {"query": "pump", "purpose": person.surname},
        "unknown source": {"query": "pump", "purpose": PURPOSE, "sources": [person.name]},
        "bad conversation": {"query": "pump", "purpose": PURPOSE, "conversation_id": person.name},
        "list": [person.name, person.mail],
        "text": person.name,
        "too large": {"query": f"{person.name} " * (MAX_BODY // len(person.name)), "purpose": PURPOSE},
    }
    for route, body in bodies.items():
        yield _request(server, f"body: {route}", "POST", "/v1/retrieve", key, json.dumps(body))
    yield _request(server, "body: no JSON", "POST", "/v1/retrieve", key, f'{{"query": "{person.name}')
    path, mail = quote(person.surname), quote(person.mail)
    for method, address in (
        ("GET", f"/v1/{path}"),
        ("GET", f"/{mail}"),
        ("GET", f"/v1/jobs/{path}"),
        ("GET", f"/v1/jobs?source={path}&state={mail}"),
        ("GET", f"/v1/jobs?{path}={mail}"),
        ("GET", f"/v1/purges/{path}"),
        ("POST", f"/v1/sources/{path}/sync"),
        ("GET", f"/v1/retrieve?query={path}"),
        (path.upper(), "/v1/retrieve"),
    ):
        yield _request(server, "address", method, address, key, "{}")
    yield _request(server, "credential", "POST", "/v1/retrieve", person.mail, "{}")
    yield _request(server, "headers", "POST", "/v1/retrieve", key, '{"query": "pump"}', **_headers(person))
    yield _request(server, "headers", "POST", f"/v1/sources/{path}/sync", key, "{}", **_headers(person))
    for line in (
        f"{path} {mail}\r\n\r\n",
        f"GET /{person.name} HTTP/1.1\r\n{path}\r\n\r\n",
        f"GET /{path * 9000} HTTP/1.1\r\n\r\n",
    ):
        yield _raw(server, line)


def _headers(person: Person) -> dict[str, str]:
    named = ("X-Request-Id", "User-Agent", "Referer", "X-Forwarded-For", "Cookie", "traceparent", "Accept-Language")
    return dict.fromkeys(named, person.mail) | {"Idempotency-Key": f'"{person.surname}"', "X-Name": person.surname}


def _request(server: Server, route: str, method: str, path: str, key: str, body: str, **headers: str) -> Said:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        own = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request(method, path, body.encode(), own | headers)
        response = connection.getresponse()
        content = str(response.headers).encode() + response.read()
    except (ConnectionError, OSError) as error:
        return Said(route=f"HTTP {route}", where=ERROR, content=str(error).encode())
    finally:
        connection.close()
    return Said(route=f"HTTP {route}", where=ANSWER if response.status == 200 else ERROR, content=content)


def _raw(server: Server, text: str) -> Said:
    content = b""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                content += chunk
    except OSError:
        os.sched_yield()
    return Said(route="HTTP malformed", where=ERROR, content=content)
