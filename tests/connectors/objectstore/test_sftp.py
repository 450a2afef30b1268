import asyncio
import gc
import os
import shutil
import socket
import stat
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.patience import comes_true, patient

pytest.importorskip("asyncssh", reason="pip install 'penstock[sftp]'")

import asyncssh

from connectors.base import Refused, SourceDocument, Upsert
from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.objectstore.sftp_server import SSHD, Asyncssh, Fault, Files, Folder, Openssh


@pytest.fixture(scope="module")
def asyncssh_server() -> Iterator[Asyncssh]:
    server = Asyncssh()
    yield server
    server.end()


@pytest.fixture(scope="module")
def openssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Openssh]:
    if not SSHD.exists():
        pytest.skip("apt-get install openssh-server")
    if os.geteuid() == 0 and not Path("/run/sshd").exists():
        pytest.skip("sshd needs a folder: mkdir /run/sshd")
    server = Openssh(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def folder(asyncssh_server: Asyncssh, tmp_path: Path) -> Folder:
    asyncssh_server.fault = None
    return Folder(asyncssh_server, tmp_path)


class TestAsyncsshConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, folder: Folder) -> Origin:
        return folder


class TestOpensshConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, openssh_server: Openssh, tmp_path: Path) -> Origin:
        return Folder(openssh_server, tmp_path)


def fetched(folder: Folder, document: SourceDocument, max_bytes: int = 1000) -> str:
    """The reason why a document is not fetched, or its text."""
    try:
        return folder.connector().fetch(document, max_bytes=max_bytes).decode()
    except QuarantineError as refusal:
        return refusal.reason


def at(operation: str, act: Callable[[Files], object], *, below: str = "", times: int = 1000) -> Fault:
    """`act` at the first times that the server does this to a path with `below` in it."""
    left = iter(range(times))

    async def fault(files: Files, doing: str, path: bytes) -> None:
        if doing == operation and below.encode() in path and next(left, None) is not None:
            act(files)

    return fault


def failing(error: asyncssh.SFTPError) -> Callable[[Files], None]:
    def fail(_: Files) -> None:
        raise error

    return fail


def test_ids_are_paths_in_the_order_of_their_folders(folder: Folder) -> None:
    for name in ("b/z.md", "b/a.md", "a.md", "B.md", "b.md", "private/f.md", ".git/g.md", "c.txt"):
        folder.put(name, b"x")
    documents = folder.documents(include=["**/*.md"], exclude=["private/**"])
    assert list(documents) == ["B.md", "a.md", "b/a.md", "b/z.md", "b.md"]
    assert documents["b/a.md"].uri == f"sftp://127.0.0.1:{folder.server.port}{folder.root}/b/a.md"


class TestHostKeys:
    """The server is the one that the manifest names."""

    def test_an_unknown_host_key_is_refused_before_anything_is_told_to_the_server(
        self, folder: Folder, asyncssh_server: Asyncssh
    ) -> None:
        before = asyncssh_server.logins
        with pytest.raises(RefusedError) as refusal:
            folder.changes(host_key=asyncssh.generate_private_key("ssh-ed25519").get_fingerprint())
        assert f"ssh-ed25519 {asyncssh_server.host_key.get_fingerprint()}" in str(refusal.value)
        assert asyncssh_server.logins == before
        assert folder.waits == []

    def test_known_hosts_name_it_by_address_and_port(self, folder: Folder, asyncssh_server: Asyncssh) -> None:
        folder.put("a.md", b"x")
        known, port = asyncssh_server.host_key.export_public_key().decode(), asyncssh_server.port
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        for line, is_known in (
            (f"[127.0.0.1]:{port} {known}", True),
            (f"[127.0.0.1]:{port} {other}[127.0.0.1]:{port} {known}", True),
            (f"[127.0.0.1]:{port} {other}", False),
            (f"[127.0.0.1]:{port + 1} {known}", False),
            (f"@revoked [127.0.0.1]:{port} {known}[127.0.0.1]:{port} {known}", False),
            ("", False),
        ):
            (folder.base / "known_hosts").write_text(line)
            if is_known:
                assert list(folder.documents(host_key=None, known_hosts="known_hosts")) == ["a.md"]
            else:
                with pytest.raises(RefusedError, match="host key"):
                    folder.changes(host_key=None, known_hosts="known_hosts")

    def test_what_the_machine_knows_and_offers_is_not_used(
        self, folder: Folder, asyncssh_server: Asyncssh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = folder.base / "home" / ".ssh"
        home.mkdir(parents=True)
        known = f"[127.0.0.1]:{asyncssh_server.port} {asyncssh_server.host_key.export_public_key().decode()}"
        (home / "known_hosts").write_text(known)
        asyncssh_server.user_key.write_private_key(home / "id_ed25519")
        (home / "config").write_text("Host *\n  ProxyCommand false\n")
        monkeypatch.setenv("HOME", str(home.parent))
        folder.put("a.md", b"x")
        assert list(folder.documents()) == ["a.md"]
        with pytest.raises(RefusedError, match="host key"):
            folder.changes(host_key=asyncssh.generate_private_key("ssh-ed25519").get_fingerprint())
        folder.environment["PASSWORD"] = "wrong"
        with pytest.raises(RefusedError, match="let the user in"):
            folder.changes()


@pytest.mark.parametrize("passphrase", [None, "of the key"])
def test_a_private_key_logs_in(folder: Folder, asyncssh_server: Asyncssh, passphrase: str | None) -> None:
    folder.put("a.md", b"x")
    key = asyncssh_server.user_key.export_private_key(passphrase=passphrase, rounds=50).decode()
    folder.environment |= {"KEY": key, "PASSPHRASE": passphrase or ""}
    options = {"password": None, "private_key": {"env": "KEY"}}
    if passphrase:
        with pytest.raises(RefusedError, match="passphrase"):
            folder.connector(**options)
        options["passphrase"] = {"env": "PASSPHRASE"}
    assert list(folder.documents(**options)) == ["a.md"]


def test_a_wrong_password_is_refused_at_once(folder: Folder) -> None:
    folder.environment["PASSWORD"] = "wrong"
    with pytest.raises(RefusedError, match="let the user in"):
        folder.changes()
    assert folder.waits == []


def test_credentials_revoked_between_listing_and_fetching_stop_the_run(
    folder: Folder, asyncssh_server: Asyncssh, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("a.md", b"x")
    connector = folder.connector()
    change, _ = connector.list(None)
    assert isinstance(change, Upsert)
    monkeypatch.setitem(asyncssh_server.secrets, "password", "changed")
    asyncssh_server.fault = at("lstat", Files.cut, times=1)
    with pytest.raises(RefusedError, match="let the user in"):
        connector.fetch(change.document, max_bytes=10)


def test_one_login_serves_a_listing_and_all_fetches_and_ends_with_the_connector(
    folder: Folder, asyncssh_server: Asyncssh
) -> None:
    for name in ("a.md", "b/c.md"):
        folder.put(name, b"x")
    gc.collect()  # the connectors of the tests before this one
    assert has_no_connection(asyncssh_server)
    before = asyncssh_server.logins
    connector = folder.connector()
    for change in list(connector.list(None)):
        if isinstance(change, Upsert):
            connector.fetch(change.document, max_bytes=10)
    assert (asyncssh_server.logins, len(asyncssh_server.connections)) == (before + 1, 1)
    del connector
    assert has_no_connection(asyncssh_server)


def has_no_connection(server: Asyncssh) -> bool:
    """Whether the server sees the last client leave."""
    return comes_true(lambda: not server.connections)


def test_links_are_refused_and_never_followed(folder: Folder) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "s.md").write_bytes(b"secret")
    folder.put("a.md", b"x")
    (folder.root / "file.md").symlink_to(folder.base / "secret" / "s.md")
    (folder.root / "folder").symlink_to(folder.base / "secret")
    (folder.root / "broken.md").symlink_to("nowhere")
    (folder.root / "loop").symlink_to(".")
    assert list(folder.documents()) == ["a.md"]
    assert folder.refusals() == [(name, "symbolic_link") for name in ("broken.md", "file.md", "folder", "loop")]
    assert folder.refusals(exclude=["*"]) == []


def test_a_file_or_folder_swapped_for_a_link_after_listing_is_not_followed(folder: Folder) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "a.md").write_bytes(b"secret")
    for name in ("a.md", "x/a.md"):
        folder.put(name, b"public")
    documents = folder.documents()
    folder.delete("a.md")
    (folder.root / "a.md").symlink_to(folder.base / "secret" / "a.md")
    shutil.rmtree(folder.root / "x")
    (folder.root / "x").symlink_to(folder.base / "secret")
    assert [fetched(folder, document) for document in documents.values()] == ["symbolic_link", "symbolic_link"]


@pytest.mark.parametrize("is_disguised", [False, True])
def test_a_file_swapped_for_a_link_in_the_blink_before_it_is_opened_is_not_given_out(
    folder: Folder, asyncssh_server: Asyncssh, *, is_disguised: bool
) -> None:
    folder.put("a.md", b"public")
    status = (folder.root / "a.md").stat()
    (folder.base / "secret.md").write_bytes(b"secret")
    if is_disguised:
        os.utime(folder.base / "secret.md", (status.st_atime, status.st_mtime))
    document = folder.documents()["a.md"]

    def swap(_: Files) -> None:
        folder.delete("a.md")
        (folder.root / "a.md").symlink_to(folder.base / "secret.md")

    asyncssh_server.fault = at("open", swap, times=1)
    assert fetched(folder, document) == "symbolic_link"


def test_a_folder_swapped_for_a_link_while_it_is_listed_ends_the_listing(
    folder: Folder, asyncssh_server: Asyncssh
) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "jane.md").write_bytes(b"secret")
    folder.put("x/a.md", b"public")

    def swap(_: Files) -> None:
        shutil.rmtree(folder.root / "x")
        (folder.root / "x").symlink_to(folder.base / "secret")

    asyncssh_server.fault = at("scandir", swap, below="/x", times=1)
    with pytest.raises(DependencyError) as failure:
        folder.changes()
    assert "jane" not in "".join(traceback.format_exception(failure.value))


def test_an_origin_id_cannot_climb_out_of_the_root(folder: Folder) -> None:
    (folder.base / "secret.md").write_bytes(b"secret")
    folder.put("x/a.md", b"public")
    document = folder.documents()["x/a.md"]
    for origin_id in (
        "../secret.md",
        "x/../../secret.md",
        f"{folder.base}/secret.md",
        "",
        "x//a.md",
        "./x/a.md",
        "x\0",
    ):
        assert fetched(folder, replace(document, origin_id=origin_id)) == "outside_root"


def test_special_files_are_refused_and_a_pipe_does_not_hold_the_reader_up(folder: Folder) -> None:
    folder.put("a.md", b"x")
    document = folder.documents()["a.md"]
    folder.delete("a.md")
    os.mkfifo(folder.root / "a.md")
    assert folder.refusals() == [("a.md", "not_a_file")]
    assert folder.refusals(include=["**/*.txt"]) == []
    assert fetched(folder, document) == "not_a_file"


def test_names_that_are_no_names_are_refused(folder: Folder, asyncssh_server: Asyncssh) -> None:
    folder.put("a.md", b"x")
    (folder.root / os.fsdecode(b"\xff.md")).touch()
    attributes = asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o644, size=1, mtime=1)
    names = [b"../../secret.md", b"/etc/passwd", b"x\0y", b""]
    asyncssh_server.lies = [asyncssh.SFTPName(name, attrs=attributes) for name in names]
    try:
        assert list(folder.documents()) == ["a.md"]
        assert {reason for _, reason in folder.refusals()} == {"bad_name"}
        assert "\\xff.md" in {name for name, _ in folder.refusals()}
    finally:
        asyncssh_server.lies = []


@pytest.fixture
def lies(asyncssh_server: Asyncssh) -> Iterator[Callable[..., None]]:
    """Has the server list names beside those of each folder."""

    def lie(*names: bytes) -> None:
        attributes = asyncssh.SFTPAttrs(
            permissions=stat.S_IFREG | 0o644, size=1, mtime=1, extended=[(b"x@example", b"y" * 1000)]
        )
        asyncssh_server.lies = [asyncssh.SFTPName(name, attrs=attributes) for name in names]

    yield lie
    asyncssh_server.lies = []


def test_a_name_that_no_file_system_keeps_is_refused(folder: Folder, lies: Callable[..., None]) -> None:
    lies(b"x" * 1024)
    assert len(folder.changes()) == 1
    lies(b"x" * 1025)
    with pytest.raises(RefusedError, match="name of more than 1024 bytes"):
        folder.changes()


@pytest.mark.parametrize(
    ("bound", "limit", "names"),
    [
        ("MAX_NAMES", 102, [b"%03d" % number for number in range(101)]),
        ("MAX_NAMES", 102, [b""] * 101),
        ("MAX_LISTING_BYTES", 303, [b"%03d" % number for number in range(101)]),
        ("MAX_LISTING_BYTES", 303, [b"abc"] * 101),
    ],
)
def test_a_folder_without_an_end_is_refused(
    folder: Folder,
    lies: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    limit: int,
    names: list[bytes],
) -> None:
    monkeypatch.setattr(f"connectors.objectstore.sftp.{bound}", limit)
    lies(*names[:99])
    folder.changes()
    lies(*names)
    with pytest.raises(RefusedError, match="A folder holds more than"):
        folder.changes()


def test_a_server_that_does_not_tell_files_from_folders_is_refused(folder: Folder, asyncssh_server: Asyncssh) -> None:
    asyncssh_server.lies = [asyncssh.SFTPName(b"a", attrs=asyncssh.SFTPAttrs(size=1, mtime=1))]
    try:
        with pytest.raises(RefusedError, match="files from folders"):
            folder.changes()
    finally:
        asyncssh_server.lies = []


def test_a_tree_too_deep_is_refused_where_it_gets_too_deep(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.objectstore.sftp.MAX_DEPTH", 5)
    deep = "/".join(["d"] * 5)
    folder.put(f"{deep}/a.md", b"x")
    folder.put(f"{deep}/d/b.md", b"x")
    upsert, refused = folder.changes()
    assert isinstance(upsert, Upsert)
    assert upsert.document.origin_id == f"{deep}/a.md"
    assert isinstance(refused, Refused)
    assert (refused.origin_id, refused.reason) == (f"{deep}/d", "too_deep")


def test_a_folder_that_may_not_be_listed_ends_the_listing_without_a_name(
    folder: Folder, asyncssh_server: Asyncssh
) -> None:
    for name in ("a.md", "jane/b.md"):
        folder.put(name, b"x")
    asyncssh_server.fault = at("scandir", failing(asyncssh.SFTPPermissionDenied("jane")), below="jane")
    with pytest.raises(DependencyError) as failure:
        folder.changes()
    assert "jane" not in "".join(traceback.format_exception(failure.value))
    assert folder.waits == []
    assert list(folder.documents(exclude=["jane/**"])) == ["a.md"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncssh.SFTPPermissionDenied("jane"), "unreadable"),
        (asyncssh.SFTPFailure("jane"), "unreadable"),
        (asyncssh.SFTPNoSuchFile("jane"), "gone"),
    ],
)
def test_a_file_that_cannot_be_opened_is_skipped(
    folder: Folder, asyncssh_server: Asyncssh, error: asyncssh.SFTPError, reason: str
) -> None:
    folder.put("jane.md", b"x")
    document = folder.documents()["jane.md"]
    asyncssh_server.fault = at("open", failing(error))
    with pytest.raises(QuarantineError) as refusal:
        folder.connector().fetch(document, max_bytes=10)
    assert refusal.value.reason == reason
    assert "jane" not in "".join(traceback.format_exception(refusal.value))


def test_a_file_that_changed_since_it_was_listed_is_not_read(folder: Folder, asyncssh_server: Asyncssh) -> None:
    folder.put("a.md", b"one")
    document = folder.documents()["a.md"]
    asyncssh_server.fault = at("open", lambda _: folder.put("a.md", b"two"), times=1)
    assert fetched(folder, document) == "changed"
    assert fetched(folder, document) == "changed"
    assert fetched(folder, folder.documents()["a.md"]) == "two"


def test_a_sparse_file_far_over_the_limit_is_not_read(folder: Folder) -> None:
    folder.put("a.md", b"x")
    os.truncate(folder.root / "a.md", 2**40)
    document = folder.documents()["a.md"]
    assert fetched(folder, document) == "too_large"
    assert fetched(folder, replace(document, size_bytes=None)) == "too_large"


def test_a_connection_cut_in_the_middle_of_a_folder_is_made_again(folder: Folder, asyncssh_server: Asyncssh) -> None:
    for number in range(300):
        (folder.root / f"{number:03}.md").touch()
    asyncssh_server.fault = at("200 names", Files.cut, times=1)
    assert len(folder.documents()) == 300
    assert len(folder.waits) == 1


def test_a_connection_cut_again_and_again_ends_the_listing(folder: Folder, asyncssh_server: Asyncssh) -> None:
    for number in range(300):
        (folder.root / f"{number:03}.md").touch()
    asyncssh_server.fault = at("200 names", Files.cut)
    seen: list[object] = []
    with pytest.raises(DependencyError):
        seen.extend(folder.connector().list(None))
    assert seen == []
    assert len(folder.waits) == 3


def test_a_slow_server_is_not_waited_for(folder: Folder, asyncssh_server: Asyncssh) -> None:
    async def slow(_: Files, __: str, ___: bytes) -> None:
        await asyncio.sleep(20)

    folder.put("a.md", b"x")
    document = folder.documents()["a.md"]
    asyncssh_server.fault = slow
    with patient(10), pytest.raises(DependencyError, match="Timeout"):
        folder.connector(read_timeout_s="0.1").fetch(document, max_bytes=10)


def test_a_server_that_says_nothing_is_not_waited_for(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"sftp://127.0.0.1:{silent.getsockname()[1]}/"
        with patient(), pytest.raises(DependencyError):
            folder.changes(url=url, connect_timeout_s="0.1")


def test_a_root_that_is_missing_or_a_file_is_refused_and_a_link_is_resolved(folder: Folder) -> None:
    folder.put("a.md", b"one")
    (folder.base / "link").symlink_to("root")
    url = f"sftp://127.0.0.1:{folder.server.port}{folder.base}"
    for name in ("missing", "root/a.md"):
        with pytest.raises(RefusedError, match="cannot be opened"):
            folder.changes(url=f"{url}/{name}")
    assert list(folder.documents(url=f"{url}/link")) == ["a.md"]
