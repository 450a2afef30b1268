import os
import shutil
import socket
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.base import Change, Finished, Refused, SourceDocument, Upsert
from connectors.filesystem import MAX_DEPTH, FilesystemConnector
from connectors.secrets import Secrets
from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin, listed

NOBODY = 65534


class Folder:
    """A folder as an origin."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.root.mkdir()

    def connector(self, **options: object) -> FilesystemConnector:
        return FilesystemConnector.from_options(
            {"root": "root", "include": ["**"], **options}, secrets=Secrets(environment={}, base=self.base)
        )

    def put(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)

    def rename(self, name: str, new_name: str) -> None:
        (self.root / name).rename(self.root / new_name)

    def delete(self, name: str) -> None:
        (self.root / name).unlink()

    def break_off(self) -> None:
        shutil.rmtree(self.root)

    def changes(self, **options: object) -> list[Change]:
        *changes, _ = self.connector(**options).list(None)
        return [change for change in changes if not isinstance(change, Finished)]

    def ids(self, **options: object) -> list[str]:
        return [change.document.origin_id for change in self.changes(**options) if isinstance(change, Upsert)]

    def refusals(self, **options: object) -> list[tuple[str, str]]:
        return [(change.origin_id, change.reason) for change in self.changes(**options) if isinstance(change, Refused)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestFilesystemConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, folder: Folder) -> Origin:
        return folder


def fetched(folder: Folder, document: SourceDocument, max_bytes: int = 1000) -> str:
    """The reason why a document is not fetched, or its text."""
    try:
        return folder.connector().fetch(document, max_bytes=max_bytes).decode()
    except QuarantineError as refusal:
        return refusal.reason


def test_ids_are_paths_in_the_order_of_their_folders(folder: Folder) -> None:
    for name in ("b/z.md", "b/a.md", "a.md", "B.md", "b.md"):
        folder.put(name, b"")
    assert folder.ids() == ["B.md", "a.md", "b/a.md", "b/z.md", "b.md"]


def test_include_and_exclude_choose_the_files(folder: Folder) -> None:
    for name in ("a.md", "b.txt", "x/c.md", "x/y/d.md", "x/y/e.docx", "private/f.md"):
        folder.put(name, b"")
    assert folder.ids(include=["**/*.md"], exclude=["private/**", "x/c.*"]) == ["a.md", "x/y/d.md"]
    assert folder.ids(include=["*"]) == ["a.md", "b.txt"]


def test_hidden_names_are_left_out_unless_a_pattern_shows_its_dot(folder: Folder) -> None:
    for name in ("a.md", ".b.md", ".git/c.md", "x/.d/e.md"):
        folder.put(name, b"")
    assert folder.ids(include=["**/*.md"]) == ["a.md"]
    assert folder.ids(include=["**/*.md", ".git/**"]) == [".git/c.md", "a.md"]


def test_links_to_files_and_folders_are_refused_and_never_followed(folder: Folder) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "s.md").write_bytes(b"secret")
    folder.put("a.md", b"")
    (folder.root / "file.md").symlink_to(folder.base / "secret" / "s.md")
    (folder.root / "folder").symlink_to(folder.base / "secret")
    (folder.root / "inside.md").symlink_to("a.md")
    (folder.root / "broken.md").symlink_to("nowhere")
    (folder.root / "loop").symlink_to(".")
    assert folder.ids() == ["a.md"]
    assert folder.refusals() == [
        (name, "symbolic_link") for name in ("broken.md", "file.md", "folder", "inside.md", "loop")
    ]
    assert folder.refusals(exclude=["*"]) == []


def test_a_file_swapped_for_a_link_after_listing_is_not_followed(folder: Folder) -> None:
    (folder.base / "secret.md").write_bytes(b"secret")
    folder.put("a.md", b"public")
    document = listed(folder)["a.md"]
    folder.delete("a.md")
    (folder.root / "a.md").symlink_to(folder.base / "secret.md")
    assert fetched(folder, document) == "symbolic_link"


def test_a_folder_swapped_for_a_link_after_listing_is_not_followed(folder: Folder) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "a.md").write_bytes(b"secret")
    folder.put("x/a.md", b"public")
    document = listed(folder)["a.md"]
    shutil.rmtree(folder.root / "x")
    (folder.root / "x").symlink_to(folder.base / "secret")
    assert fetched(folder, document) == "gone"


def test_a_folder_swapped_for_a_link_while_listing_ends_the_listing(folder: Folder) -> None:
    (folder.base / "secret").mkdir()
    (folder.base / "secret" / "a.md").write_bytes(b"secret")
    for name in ("a.md", "x/a.md"):
        folder.put(name, b"public")
    changes = folder.connector().list(None)
    next(changes)
    shutil.rmtree(folder.root / "x")
    (folder.root / "x").symlink_to(folder.base / "secret")
    assert [change.reason for change in changes if isinstance(change, Refused)] == ["symbolic_link"]


def test_an_origin_id_cannot_climb_out_of_the_root(folder: Folder) -> None:
    (folder.base / "secret.md").write_bytes(b"secret")
    folder.put("x/a.md", b"public")
    document = listed(folder)["a.md"]
    for origin_id in (
        "../secret.md",
        "x/../../secret.md",
        str(folder.base / "secret.md"),
        "",
        "x//a.md",
        "./x/a.md",
        "x\0",
    ):
        forged = SourceDocument(
            origin_id=origin_id, name="", uri="", size_bytes=None, stamp="", created=None, modified=document.modified
        )
        assert fetched(folder, forged) == "outside_root"


def test_special_files_are_refused_and_a_pipe_does_not_hold_the_reader_up(folder: Folder) -> None:
    folder.put("a.md", b"")
    document = listed(folder)["a.md"]
    folder.delete("a.md")
    os.mkfifo(folder.root / "a.md")
    with socket.socket(socket.AF_UNIX) as unix:
        descriptor = os.open(folder.root, os.O_RDONLY)
        unix.bind(f"/proc/self/fd/{descriptor}/s.md")
        os.close(descriptor)
    assert folder.refusals() == [("a.md", "not_a_file"), ("s.md", "not_a_file")]
    assert folder.refusals(include=["**/*.txt"]) == []
    assert fetched(folder, document) == "not_a_file"
    document_of_socket = SourceDocument(
        origin_id="s.md", name="s.md", uri="", size_bytes=0, stamp="", created=None, modified=None
    )
    assert fetched(folder, document_of_socket) == "not_a_file"


def test_a_name_that_is_no_text_is_refused(folder: Folder) -> None:
    folder.put("a.md", b"")
    (folder.root / os.fsdecode(b"\xff.md")).touch()
    (folder.root / os.fsdecode(b"\xfe")).mkdir()
    assert folder.ids() == ["a.md"]
    assert folder.refusals() == [("\\xfe", "bad_name"), ("\\xff.md", "bad_name")]


def test_a_tree_too_deep_is_refused_where_it_gets_too_deep(folder: Folder) -> None:
    deep = "/".join(["d"] * MAX_DEPTH)
    folder.put(f"{deep}/a.md", b"")
    folder.put(f"{deep}/d/b.md", b"")
    assert folder.ids() == [f"{deep}/a.md"]
    assert folder.refusals() == [(f"{deep}/d", "too_deep")]


@contextmanager
def bound_by_modes(folder: Folder) -> Iterator[None]:
    """As a user whom the modes of `folder` bind, which root is not."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder.root, NOBODY, -1)
    for path in folder.root.rglob("*"):
        os.chown(path, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Folder]:
    """A folder below none that is closed to others, as those of `tmp_path` are."""
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        yield Folder(Path(base))


@pytest.mark.parametrize("inner", ["", "jane/"])
def test_a_folder_to_list_and_not_to_search_ends_the_listing_without_a_name(open_folder: Folder, inner: str) -> None:
    open_folder.put(f"{inner}joan.md", b"")
    closed = open_folder.root / inner
    closed.chmod(0o400)
    with bound_by_modes(open_folder), pytest.raises(DependencyError) as failure:
        open_folder.changes()
    closed.chmod(0o700)
    told = "".join(traceback.format_exception(failure.value))
    assert str(closed.stat().st_ino) in str(failure.value)
    assert "jane" not in told
    assert "joan" not in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_ends_the_listing_unless_it_is_excluded(folder: Folder) -> None:
    folder.put("a.md", b"")
    folder.put("jane/b.md", b"")
    (folder.root / "jane").chmod(0)
    with pytest.raises(DependencyError) as failure:
        folder.changes()
    assert str((folder.root / "jane").stat().st_ino) in str(failure.value)
    assert "jane" not in str(failure.value)
    assert folder.ids(exclude=["jane/**"]) == ["a.md"]
    (folder.root / "jane").chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_listed_and_quarantined_at_fetch(folder: Folder) -> None:
    folder.put("a.md", b"x")
    (folder.root / "a.md").chmod(0)
    assert fetched(folder, listed(folder)["a.md"]) == "unreadable"


def test_a_sparse_file_far_over_the_limit_is_not_read(folder: Folder) -> None:
    folder.put("a.md", b"")
    os.truncate(folder.root / "a.md", 2**40)
    assert fetched(folder, listed(folder)["a.md"]) == "too_large"


def test_a_file_that_claims_no_size_is_not_read_beyond_the_limit() -> None:
    process = FilesystemConnector(root=Path(f"/proc/{os.getpid()}"), include=("maps",), exclude=(), uri_prefix="file:")
    assert (process.root / "maps").stat().st_size == 0
    maps = SourceDocument(
        origin_id="maps", name="maps", uri="file:maps", size_bytes=0, stamp="", created=None, modified=None
    )
    with pytest.raises(QuarantineError, match="too_large"):
        process.fetch(maps, max_bytes=100)


def test_a_change_that_keeps_size_and_time_changes_the_stamp(folder: Folder) -> None:
    folder.put("a.md", b"one")
    before = listed(folder)["a.md"]
    status = (folder.root / "a.md").stat()
    folder.put("a.md", b"two")
    os.utime(folder.root / "a.md", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = listed(folder)["a.md"]
    assert (after.size_bytes, after.modified) == (before.size_bytes, before.modified)
    assert after.stamp != before.stamp


def test_the_time_of_modification_is_that_of_the_file(folder: Folder) -> None:
    folder.put("a.md", b"one")
    os.utime(folder.root / "a.md", (0, 1_600_000_000))
    document = listed(folder)["a.md"]
    assert document.modified is not None
    assert document.modified.isoformat() == "2020-09-13T12:26:40+00:00"
    assert document.created is None


def test_links_are_paths_behind_the_prefix_quoted(folder: Folder) -> None:
    folder.put("é/a b?.md", b"")
    (plain,) = folder.changes()
    (prefixed,) = folder.changes(uri_prefix="https://intranet.example/hr/")
    assert isinstance(plain, Upsert)
    assert isinstance(prefixed, Upsert)
    assert plain.document.uri == "file:%C3%A9/a%20b%3F.md"
    assert prefixed.document.uri == "https://intranet.example/hr/%C3%A9/a%20b%3F.md"


def test_a_root_that_is_a_link_is_resolved_once(folder: Folder) -> None:
    (folder.base / "link").symlink_to("root")
    folder.put("a.md", b"one")
    connector = folder.connector(root="link")
    (folder.base / "link").unlink()
    change, _ = connector.list(None)
    assert isinstance(change, Upsert)
    assert connector.fetch(change.document, max_bytes=10) == b"one"


def test_a_root_that_is_missing_or_a_file_is_refused(folder: Folder) -> None:
    (folder.base / "file").write_bytes(b"")
    for root in ("missing", "file"):
        with pytest.raises(RefusedError, match="cannot be opened"):
            folder.changes(root=root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "r", "include": ["*"], "inclde": []}, "no option 'inclde'.*exclude, include, root, uri_prefix"),
        ({"include": ["*"]}, "connector.root"),
        ({"root": "", "include": ["*"]}, "connector.root"),
        ({"root": 7, "include": ["*"]}, "connector.root"),
        ({"root": "r\0", "include": ["*"]}, "connector.root"),
        ({"root": "r"}, "connector.include"),
        ({"root": "r", "include": []}, "connector.include"),
        ({"root": "r", "include": "**/*.md"}, "connector.include"),
        ({"root": "r", "include": ["*", 7]}, "connector.include"),
        ({"root": "r", "include": ["/etc/*"]}, "never match"),
        ({"root": "r", "include": ["*"], "exclude": None}, "connector.exclude"),
        ({"root": "r", "include": ["*"], "exclude": ["../*"]}, "never match"),
        ({"root": "r", "include": ["*"], "uri_prefix": "javascript:alert(1)//"}, "uri_prefix"),
        ({"root": "r", "include": ["*"], "uri_prefix": "https://a b/"}, "uri_prefix"),
        ({"root": "r", "include": ["*"], "uri_prefix": None}, "uri_prefix"),
    ],
)
def test_wrong_options_are_refused_with_the_mend(options: Mapping[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=message):
        FilesystemConnector.from_options(options, secrets=Secrets(environment={}, base=tmp_path))


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_listing_and_fetching_leave_no_descriptor_open(folder: Folder) -> None:
    folder.put("x/y/a.md", b"one")
    document = listed(folder)["a.md"]
    before = open_descriptors()
    folder.changes()
    half = folder.connector().list(None)
    next(half)
    del half
    fetched(folder, document)
    assert open_descriptors() == before
