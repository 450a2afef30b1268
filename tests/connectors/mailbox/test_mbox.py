import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Connector, Finished, SourceDocument, Upsert
from connectors.mailbox import MailboxConnector
from connectors.mailbox.mbox import BLOCK_BYTES
from connectors.mailbox.message import MAX_HEAD_BYTES
from connectors.secrets import Secrets
from policies.errors import DependencyError, QuarantineError
from tests.connectors.conformance import LIMIT_BYTES, ConnectorConformance, Origin, listed
from tests.connectors.mailbox.mails import ByName, bound_by_modes, changes, contents, documents, mail, reason, refusals

LINE = b"From ann@x.example Wed Feb 21 12:00:00 2024\n"


def mbox(*messages: bytes) -> bytes:
    return b"".join(LINE + message + (b"" if message.endswith(b"\n") else b"\n") + b"\n" for message in messages)


class Files:
    """A folder of mbox files."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "mails"
        self.root.mkdir()

    def connector(self, **options: object) -> MailboxConnector:
        return MailboxConnector.from_options(
            {"format": "mbox", "root": "mails", "include": ["**"], **options},
            secrets=Secrets(environment={}, base=self.base),
        )

    def write(self, content: bytes, name: str = "a.mbox") -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)

    def contents(self) -> set[bytes]:
        return contents(self.connector())

    def documents(self) -> list[SourceDocument]:
        return documents(self.connector())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class OneFile:
    """An mbox file as an origin: what is put into it is the body of a mail."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._bodies: dict[str, bytes] = {}

    def connector(self) -> Connector:
        return ByName(self._files.connector(), tail_bytes=len(b"\n"))

    def put(self, name: str, content: bytes) -> None:
        if name in self._bodies:
            self.delete(name)
        self._bodies[name] = content
        with (self._files.root / "a.mbox").open("ab") as file:
            file.write(self._spelt(name))

    def rename(self, name: str, new_name: str) -> None:
        content = self._bodies[name]
        self.delete(name)
        self.put(new_name, content)

    def delete(self, name: str) -> None:
        del self._bodies[name]
        self._files.write(b"".join(map(self._spelt, self._bodies)))

    def break_off(self) -> None:
        shutil.rmtree(self._files.root)

    def _spelt(self, name: str) -> bytes:
        return mbox(mail(name, self._bodies[name] + b"\n"))


class TestMboxConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, files: Files) -> Origin:
        return OneFile(files)

    def test_a_changed_document_keeps_its_id_and_changes_its_stamp(self, origin: Origin) -> None:
        """A mail is not changed: one with other bytes is another mail, and the one that was there is gone."""
        origin.put("a.txt", b"one")
        before = listed(origin)["a.txt"]
        origin.put("a.txt", b"two")
        after = listed(origin)["a.txt"]
        assert after.origin_id != before.origin_id
        assert origin.connector().fetch(after, max_bytes=LIMIT_BYTES) == b"two"
        assert reason(origin.connector(), before) == "gone"


def test_every_message_of_every_file_is_a_document(files: Files) -> None:
    one, two, three = mail("one", b"1\n"), mail("two", b"2\n"), mail("three", b"3\n")
    files.write(mbox(one, two))
    files.write(mbox(three), "2024/b.mbox")
    files.write(mbox(mail("four")), "private/c.mbox")
    connector = files.connector(exclude=["private/**"])
    assert contents(connector) == {one, two, three}
    assert {document.name for document in documents(connector)} == {"message.eml"}


def test_a_message_tells_its_times_link_and_no_size(files: Files) -> None:
    files.write(mbox(mail("a", Date="Tue, 20 Feb 2024 12:00:00 +0000")))
    (document,) = files.documents()
    assert document.created == datetime(2024, 2, 20, 12, tzinfo=UTC)
    assert document.modified == datetime(2024, 2, 21, 12, tzinfo=UTC)
    assert document.uri == "mid:61@x.example"
    assert document.size_bytes is None


@pytest.mark.parametrize(
    "line",
    [
        b"From - Wed Feb 21 12:00:00 2024\n",
        b"From MAILER-DAEMON Wed Feb  1 12:00:00 2024\n",
        b"From ann at x.example  Wed Feb 21 12:00:00 2024\n",
        b"From 1791@xxx Wed Feb 21 12:00:00 +0000 2024\r\n",
        b"From ann@x.example Wed Feb 21 12:00 EST 2024\n",
    ],
)
def test_the_lines_between_messages_are_known_as_they_are_written(files: Files, line: bytes) -> None:
    one, two = mail("one", b"1\n"), mail("two", b"2\n")
    files.write(line + one + b"\n" + line + two + b"\n")
    assert files.contents() == {one, two}


@pytest.mark.parametrize(
    "text",
    [
        b"From here on\n",
        b"x\nFrom ann@x.example Wed Feb 21 12:00:00 2024\n",
        b"\nFrom the start of Feb 21 12:00:00\n",
        b"\nfrom ann@x.example Wed Feb 21 12:00:00 2024\n",
        b"\n From ann@x.example Wed Feb 21 12:00:00 2024\n",
        b"\nFrom " + b"x" * 250 + b" Wed Feb 21 12:00:00 2024\n",
    ],
)
def test_a_line_that_only_looks_like_one_is_text(files: Files, text: bytes) -> None:
    message = mail("a", text)
    files.write(mbox(message))
    assert files.contents() == {message}


def test_quoted_lines_lose_one_sign(files: Files) -> None:
    files.write(mbox(mail("a", b"\n>From one\n>>From two\n >From three\n>from four\n")))
    assert files.contents() == {mail("a", b"\nFrom one\n>From two\n >From three\n>from four\n")}


def test_lines_may_end_as_on_the_wire(files: Files) -> None:
    one, two = mail("one", b"1\r\n", end=b"\r\n"), mail("two", b"2\r\n", end=b"\r\n")
    line = LINE.replace(b"\n", b"\r\n")
    files.write(line + one + b"\r\n" + line + two + b"\r\n")
    assert files.contents() == {one, two}


def test_flags_and_a_new_place_change_no_id(files: Files) -> None:
    one, two = mail("one", b"1\n"), mail("two", b"2\n")
    files.write(mbox(one, two))
    before = {document.origin_id for document in files.documents()}
    files.write(mbox(b"Status: RO\nX-Keywords: work\n" + two, b"X-Status: A\n" + one), "elsewhere.mbox")
    (files.root / "a.mbox").unlink()
    assert {document.origin_id for document in files.documents()} == before


def test_copies_of_a_message_are_one_document(files: Files) -> None:
    files.write(mbox(mail("a", b"1\n"), mail("a", b"1\n")))
    files.write(mbox(mail("a", b"1\n")), "b.mbox")
    assert len(files.documents()) == 1


def test_another_message_with_the_same_header_takes_nothing_from_the_first(files: Files) -> None:
    first, second = mail("a", b"1\n"), mail("a", b"2\n")
    files.write(mbox(first))
    (alone,) = files.documents()
    for order in ((first, second), (second, first)):
        files.write(mbox(*order))
        both = {document.origin_id: document for document in files.documents()}
        assert len(both) == 2
        assert both[alone.origin_id] == alone
        assert files.connector().fetch(alone, max_bytes=1000) == first


def test_messages_without_a_message_id_are_documents_too(files: Files) -> None:
    files.write(mbox(mail("a", b"1\n", Message_ID=""), mail("b", b"2\n", Message_ID="")))
    assert len(files.documents()) == 2
    assert all(document.uri.startswith("ni:///sha-256;") for document in files.documents())


def test_participants_and_owners_read_and_nobody_else(files: Files) -> None:
    files.write(mbox(mail("a", Cc="all@x.example"), mail("b", From="(", To="")))
    connector = files.connector(groups={"all@x.example": "group:staff"}, owner=["group:audit"])
    found = connector.permissions(documents(connector))
    assert sorted((sorted(access.allow), access.deny, access.as_of) for access in found.values()) == [
        (["group:audit"], frozenset(), None),
        (["group:audit", "group:staff", "user:ann@x.example", "user:bob@x.example"], frozenset(), None),
    ]


def test_without_owners_a_message_that_names_nobody_is_nobodys(files: Files) -> None:
    files.write(mbox(mail("a", From="(", To="")))
    (document,) = files.documents()
    assert files.connector().permissions([document])[document.origin_id].allow == frozenset()


def test_a_message_that_is_not_there_has_no_readers(files: Files) -> None:
    files.write(mbox(mail("a")))
    (document,) = files.documents()
    assert files.connector().permissions([replace(document, origin_id="0" * 64)]) == {}


@pytest.mark.parametrize("content", [b"nonsense", b"\0" * 5000, mail("a"), b"From nobody\n" + mail("a")])
def test_a_file_that_is_no_mbox_is_refused(files: Files, content: bytes) -> None:
    files.write(content)
    assert changes(files.connector())[1] == Finished(complete=True)
    assert refusals(files.connector()) == ["not_mbox"]


def test_rubbish_before_the_first_message_is_refused_and_the_rest_is_read(files: Files) -> None:
    message = mail("a", b"x\n")
    files.write(b"rubbish\n\n" + mbox(message))
    assert refusals(files.connector()) == ["not_mbox"]
    assert files.contents() == {message}


def test_an_empty_file_is_an_empty_mailbox(files: Files) -> None:
    files.write(b"")
    assert changes(files.connector()) == ([], Finished(complete=True))


def test_a_header_without_end_is_refused_and_the_rest_is_read(files: Files) -> None:
    long = b"To: " + b"x" * MAX_HEAD_BYTES
    files.write(mbox(long, mail("a")))
    assert refusals(files.connector()) == ["header_too_large"]
    assert len(files.documents()) == 1


@pytest.mark.parametrize("shift", [-200, -45, -44, -43, -3, -2, -1, 0, 1, 2, 3])
def test_a_message_that_begins_at_the_edge_of_a_block_is_found_once(files: Files, shift: int) -> None:
    head = len(LINE) + len(mail("one"))
    one = mail("one", b"x" * (BLOCK_BYTES + shift - head - len(b"\n\n")) + b"\n")
    two, three = mail("two", b"2\n"), mail("three", b"3\n")
    files.write(mbox(one, two, three))
    assert len(mbox(one)) == BLOCK_BYTES + shift
    connector = files.connector()
    assert {connector.fetch(found, max_bytes=2 * BLOCK_BYTES) for found in documents(connector)} == {one, two, three}


def test_a_message_of_many_blocks_is_listed_without_holding_it(files: Files) -> None:
    files.write(mbox(mail("a", b"y" * (5 * BLOCK_BYTES))))
    (document,) = files.documents()
    assert reason(files.connector(), document) == "too_large"


def listing(files: Files) -> Iterator[object]:
    """A listing that has read the first of some messages."""
    found = files.connector().list(None)
    assert isinstance(next(found), Upsert)
    return found


def test_while_a_file_grows_its_last_message_is_left_for_the_next_time(files: Files) -> None:
    files.write(mbox(mail("one"), mail("two"), mail("three"))[:-10])
    rest = listing(files)
    with (files.root / "a.mbox").open("ab") as file:
        file.write(b"more")
    *others, last = rest
    assert [type(other) for other in others] == [Upsert]
    assert last == Finished(complete=False)
    assert len(files.documents()) == 3


def test_a_file_that_is_rewritten_while_it_is_read_ends_the_listing(files: Files) -> None:
    content = mbox(mail("one"), mail("two"), mail("three"))
    files.write(content)
    rest = listing(files)
    files.write(content.replace(b"Plan", b"Nalp"))
    os.utime(files.root / "a.mbox", (0, 1))
    with pytest.raises(DependencyError, match="rewritten"):
        list(rest)


def test_a_file_that_is_swapped_for_a_link_is_not_followed(files: Files) -> None:
    files.write(mbox(mail("a")))
    files.write(mbox(mail("b")), "x/b.mbox")
    connector = files.connector()
    a, b = documents(connector)
    (files.base / "secret").mkdir()
    (files.base / "secret" / "b.mbox").write_bytes(mbox(mail("b")))
    (files.root / "a.mbox").rename(files.base / "secret" / "a.mbox")
    (files.root / "a.mbox").symlink_to(files.base / "secret" / "a.mbox")
    shutil.rmtree(files.root / "x")
    (files.root / "x").symlink_to(files.base / "secret")
    assert (reason(connector, a), reason(connector, b)) == ("gone", "gone")
    assert refusals(files.connector()) == ["symbolic_link", "symbolic_link"]


def test_a_file_that_may_not_be_read_ends_the_listing_without_a_name() -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        files = Files(Path(base))
        files.write(mbox(mail("a")), "jane.mbox")
        (files.root / "jane.mbox").chmod(0)
        connector = files.connector()
        with bound_by_modes(), pytest.raises(DependencyError) as failure:
            list(connector.list(None))
    assert "jane" not in "".join(traceback.format_exception(failure.value))


def test_a_message_that_is_no_longer_where_it_was_is_not_fetched(files: Files) -> None:
    files.write(mbox(mail("one", b"1\n"), mail("two", b"2\n")))
    connector = files.connector()
    one, two = documents(connector)
    files.write(mbox(mail("two", b"2\n"), mail("one", b"1\n")))
    assert (reason(connector, one), reason(connector, two)) == ("changed", "changed")
    (files.root / "a.mbox").write_bytes(b"")
    assert reason(connector, one) == "changed"
    assert reason(files.connector(), one) == "gone"


def test_links_and_pipes_are_refused(files: Files) -> None:
    files.write(mbox(mail("a")))
    (files.root / "link.mbox").symlink_to("a.mbox")
    os.mkfifo(files.root / "pipe.mbox")
    assert sorted(refusals(files.connector())) == ["not_a_file", "symbolic_link"]


def test_a_refusal_tells_no_name(files: Files) -> None:
    files.write(b"nonsense", "jane-doe.mbox")
    found, _ = changes(files.connector())
    assert "jane" not in repr(found)
    files.write(mbox(mail("a", b"x" * 100)), "jane-doe.mbox")
    (document,) = files.documents()
    with pytest.raises(QuarantineError) as refusal:
        files.connector().fetch(document, max_bytes=10)
    assert "jane" not in str(refusal.value)
