"""What a server that a manifest names is told, and what it never is."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import make_url

from connectors.database import DatabaseConnector
from connectors.secrets import Secrets
from connectors.sql.libpq import parameters
from policies.errors import PenstockError, RefusedError

OWN = "of-the-catalog"
SECRET = "of-the-source"
SSL, CLEARTEXT = 80877103, 3


@contextmanager
def thief(address: str = "127.0.0.1") -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that speaks no TLS and asks for passwords in the clear, and those that it got."""
    got: list[bytes] = []

    def serve(server: socket.socket) -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with suppress(OSError), caller, caller.makefile("rb") as file:
                while (request := file.read(max(0, int.from_bytes(file.read(4)) - 4)))[:4] == SSL.to_bytes(4):
                    caller.sendall(b"N")
                if not request:
                    continue
                caller.sendall(b"R" + struct.pack("!II", 8, CLEARTEXT))
                if file.read(1) == b"p":
                    got.append(file.read(int.from_bytes(file.read(4)) - 4).rstrip(b"\0"))

    with socket.create_server((address, 0)) as server:
        thread = Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1], got
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def read(url: str, *, password: str | None = None) -> None:
    """List the documents of a database that is not there, once."""
    given: dict[str, object] = {"url": url, "documents": "SELECT 1 AS id", "text": "SELECT :id"}
    if password is not None:
        given["password"] = {"env": "PASSWORD"}
    secrets = Secrets(environment={"PASSWORD": password or ""}, base=Path("/"))
    connector = DatabaseConnector.from_options(given, secrets=secrets)
    with connector.database.snapshot():
        pass


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that holds the password of its own catalog in every place where libpq looks."""
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:*:{OWN}\n")
    passwords.chmod(0o600)
    (tmp_path / "service.conf").write_text(f"[own]\npassword={OWN}\npassfile={passwords}\nsslmode=disable\n")
    for name, value in {
        "PGPASSWORD": OWN,
        "PGPASSFILE": str(passwords),
        "PGSERVICE": "own",
        "PGSERVICEFILE": str(tmp_path / "service.conf"),
        "PGSSLMODE": "disable",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("process")
def test_no_password_of_the_process_is_sent_to_a_server_that_a_manifest_names() -> None:
    with thief() as (port, got):
        for rest in ("", "?sslmode=disable", "?host=127.0.0.1"):
            host = "" if "host" in rest else "127.0.0.1"
            with pytest.raises(PenstockError):
                read(f"postgresql://penstock@{host}:{port}/x{rest}")
        with pytest.raises(PenstockError):
            read(f"postgresql://penstock@127.0.0.1:{port}/x", password=SECRET)
        assert got == [SECRET.encode()]


@pytest.mark.usefixtures("process")
def test_a_socket_gets_no_password_of_the_process_either(tmp_path: Path) -> None:
    with thief() as (port, got), socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / ".s.PGSQL.5432"))
        door.listen()

        def pass_on() -> None:
            caller, _ = door.accept()
            with caller, socket.create_connection(("127.0.0.1", port)) as there:
                there.sendall(caller.recv(8192))
                caller.sendall(there.recv(8192))
                there.sendall(caller.recv(8192))

        thread = Thread(target=pass_on)
        thread.start()
        with pytest.raises(PenstockError):
            read(f"postgresql://penstock@/x?host={tmp_path}")
        thread.join()
    assert got == []


def test_a_password_is_not_sent_in_the_clear_to_a_server_elsewhere() -> None:
    # An address of this machine that is none of its usual ones, so that it counts as elsewhere.
    with thief("127.0.0.2") as (port, got):
        for rest in ("", "?sslmode=require", "?sslmode=verify-ca"):
            with pytest.raises(RefusedError, match="not as guarded as it must be"):
                read(f"postgresql://reader@127.0.0.2:{port}/x{rest}", password=SECRET)
    assert got == []


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("db.example/crm", "verify-full"),
        ("10.0.0.1/crm", "verify-full"),
        ("/crm?host=localhost,db.example", "verify-full"),
        ("db.example/crm?sslmode=require", "require"),
        ("db.example/crm?sslmode=verify-ca", "verify-ca"),
        ("localhost/crm", "prefer"),
        ("[::1]/crm", "prefer"),
        ("/crm?host=/run/postgresql", "prefer"),
        ("localhost/crm?sslmode=disable", "disable"),
        ("db.example/crm?sslmode=disable", "disable"),
    ],
)
def test_the_way_is_guarded_as_far_as_the_server_is_away(place: str, mode: str) -> None:
    told = parameters(make_url(f"postgresql://reader:{SECRET}@{place}"))
    assert told["sslmode"] == mode


@pytest.mark.parametrize("mode", ["allow", "prefer", "Require", "none"])
def test_a_way_that_can_end_in_the_clear_is_refused(mode: str) -> None:
    for place in (f"db.example/crm?sslmode={mode}", f"/crm?host=localhost,db.example&sslmode={mode}"):
        with pytest.raises(RefusedError, match="turn off"):
            parameters(make_url(f"postgresql://reader:{SECRET}@{place}"))


@pytest.mark.parametrize(
    "option",
    [
        "passfile=/home/penstock/.pgpass",
        "service=own",
        "servicefile=/etc/x",
        "sslkey=/etc/x",
        "sslcert=/etc/x",
        "hostaddr=192.0.2.1",
        "user=postgres",
        "dbname=other",
        "host=other.example",
        "options=-csearch_path%3Dx",
        "gssencmode=prefer",
        "sslmode=require&sslmode=require",
        "password=x",
    ],
)
def test_an_option_that_is_not_for_it_or_comes_twice_is_refused(option: str) -> None:
    with pytest.raises(RefusedError, match="an option twice or one that is not for it") as refusal:
        parameters(make_url(f"postgresql://reader:{SECRET}@db.example/crm?{option}"))
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["postgresql://db.example/crm", "postgresql://reader:x@db.example", "postgresql:///crm"]
)
def test_a_user_and_a_database_must_be_named(url: str) -> None:
    with pytest.raises(RefusedError, match="no user or no database"):
        parameters(make_url(url))


@pytest.mark.parametrize(
    "url", ["rea%00der:x@db.example/crm", "reader:x%00@db.example/crm", "reader:x@db/crm?sslcrl=%00"]
)
def test_nothing_behind_a_nul_is_lost(url: str) -> None:
    with pytest.raises(RefusedError, match="NUL"):
        parameters(make_url(f"postgresql://{url}"))


def test_what_libpq_would_look_for_is_told_even_where_there_is_none() -> None:
    told = parameters(make_url("postgresql://reader@/crm?host=/run/postgresql"))
    assert told == {
        "user": "reader",
        "dbname": "crm",
        "host": "/run/postgresql",
        "port": "5432",
        "password": "",
        "hostaddr": "",
        "passfile": f"{os.devnull}/none",
        "sslcert": f"{os.devnull}/none",
        "sslmode": "prefer",
        "gssencmode": "disable",
        "options": "",
    }
