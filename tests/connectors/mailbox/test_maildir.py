import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Change, Connector, Cursor, Finished, Refused, Upsert
from connectors.mailbox import MailboxConnector
from connectors.mailbox.message import MAX_HEAD_BYTES
from connectors.secrets import Secrets
from policies.errors import RefusedError
from tests.connectors.conformance import LIMIT_BYTES, ConnectorConformance, Origin, listed
from tests.connectors.mailbox.mails import ByName, bound_by_modes, changes, contents, documents, mail, reason, refusals


class Folder:
    """A Maildir."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "Maildir"
        for name in ("cur", "new", "tmp"):
            (self.root / name).mkdir(parents=True)

    def connector(self, **options: object) -> MailboxConnector:
        return MailboxConnector.from_options(
            {"format": "maildir", "root": "Maildir", "include": ["**"], **options},
            secrets=Secrets(environment={}, base=self.base),
        )

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def move(self, path: str, new_path: str) -> None:
        (self.root / new_path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).rename(self.root / new_path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class OneFolder:
    """A Maildir as an origin: what is put into it is the body of a mail."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def connector(self) -> Connector:
        return ByName(self._folder.connector())

    def put(self, name: str, content: bytes) -> None:
        self._folder.write(f"new/{name.encode().hex()}.host", mail(name, content))

    def rename(self, name: str, new_name: str) -> None:
        _, content = (self._folder.root / "new" / f"{name.encode().hex()}.host").read_bytes().split(b"\n\n", 1)
        self.delete(name)
        self.put(new_name, content)

    def delete(self, name: str) -> None:
        (self._folder.root / "new" / f"{name.encode().hex()}.host").unlink()

    def break_off(self) -> None:
        shutil.rmtree(self._folder.root)


class TestMaildirConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, folder: Folder) -> Origin:
        return OneFolder(folder)

    def test_a_changed_document_keeps_its_id_and_changes_its_stamp(self, origin: Origin) -> None:
        """A mail is not changed: one with other bytes is another mail, and the one that was there is gone."""
        origin.put("a.txt", b"one")
        before = listed(origin)["a.txt"]
        origin.put("a.txt", b"two")
        after = listed(origin)["a.txt"]
        assert after.origin_id != before.origin_id
        assert origin.connector().fetch(after, max_bytes=LIMIT_BYTES) == b"two"
        assert reason(origin.connector(), before) == "gone"


def test_new_and_seen_messages_of_all_folders_are_documents_and_nothing_else(folder: Folder) -> None:
    for name, path in {
        "one": "new/1.host",
        "two": "cur/2.host:2,S",
        "three": ".Work/cur/3.host:2,",
        "four": ".Work.2024/new/4.host",
        "five": "plain/sub/cur/5.host",
        "no-1": "tmp/6.host",
        "no-2": ".Work/tmp/7.host",
        "no-3": "cur/.8.host",
        "no-4": ".Work/new/.nfs9",
        "no-5": "dovecot.index",
        "no-6": "cur/sub/10.host",
    }.items():
        folder.write(path, mail(name))
    assert contents(folder.connector()) == {mail(name) for name in ("one", "two", "three", "four", "five")}


def test_include_and_exclude_name_folders_as_users_do(folder: Folder) -> None:
    for name, path in {
        "inbox": "new/1",
        "work": ".Work.2024/cur/2",
        "drafts": ".Entw&APw-rfe/cur/3",
        "private": ".Work.Private/cur/4",
        "plain": "Work/Plain/cur/5",
    }.items():
        folder.write(path, mail(name))
    assert contents(folder.connector(include=["INBOX"])) == {mail("inbox")}
    assert contents(folder.connector(include=["Work/**"], exclude=["Work/Private"])) == {mail("work"), mail("plain")}
    assert contents(folder.connector(include=["Entwürfe"])) == {mail("drafts")}


def test_flags_and_moves_change_neither_id_nor_stamp(folder: Folder) -> None:
    folder.write("new/1.host", mail("a", b"x"))
    (before,) = documents(folder.connector())
    for path, new_path in (
        ("new/1.host", "cur/1.host:2,"),
        ("cur/1.host:2,", "cur/1.host:2,FRS"),
        ("cur/1.host:2,FRS", ".Archive/cur/77.other:2,S"),
    ):
        folder.move(path, new_path)
        assert documents(folder.connector()) == [before]
        assert folder.connector().fetch(before, max_bytes=1000) == mail("a", b"x")


def test_a_message_is_fetched_that_was_seen_after_it_was_listed(folder: Folder) -> None:
    folder.write("new/1.host", mail("a"))
    connector = folder.connector()
    (document,) = documents(connector)
    folder.move("new/1.host", "cur/1.host:2,S")
    assert connector.fetch(document, max_bytes=1000) == mail("a")
    folder.move("cur/1.host:2,S", ".Archive/cur/1.host:2,S")
    assert reason(connector, document) == "gone"
    assert folder.connector().fetch(document, max_bytes=1000) == mail("a")


def test_a_file_with_another_message_is_not_taken_for_the_one_that_was_listed(folder: Folder) -> None:
    folder.write("new/1.host", mail("a", b"one"))
    connector = folder.connector()
    (document,) = documents(connector)
    folder.write("new/1.host", mail("a", b"two", To="eve@y.example"))
    assert reason(connector, document) == "changed"


def test_messages_that_are_moved_past_the_reader_are_found(folder: Folder) -> None:
    """`cur` is read before `new`, and a message goes from `new` to `cur`."""
    folder.write("cur/1.host:2,S", mail("one"))
    folder.write("new/2.host", mail("two"))
    folder.write("z/new/3.host", mail("three"))
    listing = folder.connector().list(None)
    found: list[Change | Finished] = [next(listing)]
    folder.move("new/2.host", "cur/2.host:2,S")
    folder.move("z/new/3.host", ".a/cur/3.host")
    found += listing
    assert found.pop() == Finished(complete=True)
    assert len(found) == 3


class Restless:
    """A Maildir in which something arrives at every look."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.arrived = 0

    def list(self) -> Iterator[Change | Finished]:
        for change in self.folder.connector().list(None):
            if isinstance(change, Upsert):
                self.arrived += 1
                self.folder.write(f"cur/{self.arrived:06}.host", mail(str(self.arrived)))
            yield change


def test_a_mailbox_that_does_not_come_to_rest_is_not_listed_completely(folder: Folder) -> None:
    folder.write("cur/0.host", mail("0"))
    *found, last = Restless(folder).list()
    assert last == Finished(complete=False)
    assert len({change.document.origin_id for change in found if isinstance(change, Upsert)}) == len(found)


def test_copies_are_one_document_and_other_messages_under_one_message_id_are_not(folder: Folder) -> None:
    folder.write("cur/1.host", mail("a", b"1"))
    (alone,) = documents(folder.connector())
    folder.write(".Copy/cur/2.host", mail("a", b"1"))
    folder.write("cur/0.host", mail("a", b"2"))
    folder.write("cur/3.host", mail("a", b"1", From="eve@y.example"))
    found = {document.origin_id for document in documents(folder.connector())}
    assert len(found) == 3
    assert alone.origin_id in found
    assert folder.connector().fetch(alone, max_bytes=1000) == mail("a", b"1")


def test_two_files_under_one_unique_name_are_two_messages(folder: Folder) -> None:
    folder.write("cur/1.host:2,S", mail("a"))
    folder.write("new/1.host", mail("another"))
    assert contents(folder.connector()) == {mail("a"), mail("another")}


def test_links_are_refused_and_never_followed(folder: Folder) -> None:
    folder.write("../secret/cur/1.host", mail("secret"))
    folder.write("cur/2.host", mail("a"))
    (folder.root / "cur" / "3.host").symlink_to(folder.base / "secret" / "cur" / "1.host")
    (folder.root / ".Sub").symlink_to(folder.base / "secret")
    assert refusals(folder.connector()) == ["symbolic_link", "symbolic_link"]
    assert contents(folder.connector()) == {mail("a")}


def test_what_cannot_be_a_mail_is_refused_without_a_name(folder: Folder) -> None:
    folder.write(".jane/cur/1.host", b"x" * (MAX_HEAD_BYTES + 1))
    folder.write(".jane/cur/2.host", b"")
    os.truncate(folder.root / ".jane/cur/2.host", 2**40)
    os.mkfifo(folder.root / "cur" / "3.host")
    found, last = changes(folder.connector())
    assert last.complete
    reasons = {change.reason: change.origin_id for change in found if isinstance(change, Refused)}
    assert sorted(reasons) == ["header_too_large", "not_a_file", "too_large"]
    assert "jane" not in reasons["header_too_large"] + reasons["too_large"]


def test_a_message_that_may_not_be_read_is_never_taken_for_gone() -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        folder = Folder(Path(base))
        folder.write("cur/1.host", mail("a"))
        (folder.root / "cur" / "1.host").chmod(0)
        connector = folder.connector()
        with bound_by_modes():
            found, last = changes(connector)
    assert [change.reason for change in found if isinstance(change, Refused)] == ["unreadable"]
    assert not last.complete


def test_a_message_arrived_when_its_file_was_written(folder: Folder) -> None:
    folder.write("cur/1.host", mail("a", b"x"))
    os.utime(folder.root / "cur" / "1.host", (0, 1_700_000_000))
    (document,) = documents(folder.connector())
    assert document.modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert document.created == datetime(2024, 2, 21, 11, tzinfo=UTC)
    assert document.size_bytes == len(mail("a", b"x"))


def test_a_folder_that_is_not_there_is_an_error_of_the_manifest(folder: Folder) -> None:
    with pytest.raises(RefusedError, match="root"):
        list(folder.connector(root="nowhere").list(Cursor("x")))


def test_a_folder_that_nothing_is_mounted_on_is_no_empty_mailbox(folder: Folder) -> None:
    (folder.base / "mount").mkdir()
    with pytest.raises(RefusedError, match="empty folder"):
        list(folder.connector(root="mount").list(None))
    assert documents(folder.connector()) == []
