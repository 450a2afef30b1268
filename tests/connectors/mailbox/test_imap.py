"""IMAP on a real server."""

import imaplib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Change, Connector, Cursor, Finished, Upsert
from connectors.mailbox import MailboxConnector
from connectors.mailbox.imap import BATCH
from connectors.mailbox.message import MAX_HEAD_BYTES
from connectors.secrets import Secrets
from policies.errors import RefusedError
from tests.connectors.conformance import LIMIT_BYTES, ConnectorConformance, Origin, listed
from tests.connectors.mailbox.certificates import self_signed
from tests.connectors.mailbox.dovecot import PASSWORD, Dovecot, missing, running
from tests.connectors.mailbox.mails import ByName, changes, contents, documents, mail, reason, refusals

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "it is installed")
END = b"\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running() as server:
        yield server


class Account:
    """An account on a server, and a mail program that is logged in to it."""

    def __init__(self, server: Dovecot) -> None:
        self.server = server
        self.user = f"user-{uuid.uuid4().hex}"
        self.secret = PASSWORD
        server.add(self.user)
        self._program = imaplib.IMAP4("127.0.0.1", server.port)
        self._program.authenticate("PLAIN", lambda _: f"\0{self.user}\0{PASSWORD}".encode())
        self.do("SELECT", "INBOX")

    def connector(self, **options: object) -> MailboxConnector:
        return MailboxConnector.from_options(
            {
                "format": "imap",
                "host": "127.0.0.1",
                "port": str(self.server.tls_port),
                "ca_file": str(self.server.certificate),
                "username": self.user,
                "password": {"env": "MAIL_PASSWORD"},
                "include": ["**"],
                **options,
            },
            secrets=Secrets(environment={"MAIL_PASSWORD": PASSWORD}, base=Path("/")),
        )

    def do(self, command: str, *arguments: str) -> bytes:
        """A command of the mail program, and what came back to it."""
        if command == "SELECT":
            status, answer = self._program.select(arguments[0])
        elif command == "UID":
            status, answer = self._program.uid(*arguments)
        else:
            status, answer = self._program.xatom(command, *arguments)
        assert status == "OK", answer
        return b" ".join(part for part in answer if isinstance(part, bytes))

    def add(self, content: bytes, folder: str = "INBOX") -> int:
        """Put a message into a folder. Its UID."""
        status, answer = self._program.append(folder, "", "", content)
        assert status == "OK", answer
        found = re.search(rb"APPENDUID \d+ (\d+)", answer[0])
        assert found
        return int(found[1])

    def flags(self) -> bytes:
        status, answer = self._program.uid("FETCH", "1:*", "(FLAGS)")
        assert status == "OK"
        return b" ".join(part for part in answer if isinstance(part, bytes))

    def log_out(self) -> None:
        self._program.shutdown()


@pytest.fixture
def account(dovecot: Dovecot) -> Iterator[Account]:
    account = Account(dovecot)
    yield account
    account.log_out()


class Inbox:
    """An account as an origin: what is put into it is the body of a mail."""

    many = 2 * BATCH + 1

    def __init__(self, account: Account) -> None:
        self._account = account
        self._uids: dict[str, int] = {}
        self._bodies: dict[str, bytes] = {}
        self.secret = PASSWORD

    def connector(self) -> Connector:
        return ByName(self._account.connector(), end=END)

    def put(self, name: str, content: bytes) -> None:
        if name in self._uids:
            self.delete(name)
        self._bodies[name] = content
        self._uids[name] = self._account.add(mail(name, content, end=END))

    def rename(self, name: str, new_name: str) -> None:
        self.delete(name)
        self.put(new_name, self._bodies[name])

    def delete(self, name: str) -> None:
        uid = str(self._uids.pop(name))
        self._account.do("UID", "STORE", uid, "+FLAGS", r"(\Deleted)")
        self._account.do("UID", "EXPUNGE", uid)

    def break_off(self) -> None:
        self._account.server.remove(self._account.user)

    cut_off = break_off


class TestImapConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, account: Account) -> Origin:
        return Inbox(account)

    def test_it_fetches_the_bytes_as_they_are(self, origin: Origin) -> None:
        """Mail has no NUL, and CR and LF stand together: a server may not keep anything else."""
        content = bytes(set(range(1, 256)) - {10, 13}) + b"\r\n"
        origin.put("bytes.bin.txt", content)
        assert origin.connector().fetch(listed(origin)["bytes.bin.txt"], max_bytes=LIMIT_BYTES) == content


def test_nothing_is_marked_as_read_or_changed(account: Account) -> None:
    account.add(mail("a", b"x", end=END))
    before = account.flags()
    connector = account.connector()
    (document,) = documents(connector)
    connector.permissions([document])
    connector.fetch(document, max_bytes=1000)
    assert account.flags() == before
    assert b"Seen" not in before


def test_a_message_keeps_its_id_when_it_is_moved_and_flagged(account: Account) -> None:
    uid = account.add(mail("a", b"x", end=END))
    (before,) = documents(account.connector())
    account.do("CREATE", "Archive")
    account.do("UID", "STORE", str(uid), "+FLAGS", r"(\Flagged \Seen)")
    account.do("UID", "MOVE", str(uid), "Archive")
    (after,) = documents(account.connector())
    assert after.origin_id == before.origin_id
    assert (after.modified, after.created) == (before.modified, before.created)
    assert account.connector().fetch(before, max_bytes=1000) == mail("a", b"x", end=END)


def test_other_messages_under_one_message_id_are_other_documents_and_change_no_id(account: Account) -> None:
    first, second = mail("a", b"1", end=END), mail("a", b"2", end=END, Received="from y.example; later")
    account.add(first)
    (alone,) = documents(account.connector())
    account.do("CREATE", "Archive")
    account.add(second, "Archive")
    account.add(second.replace(b"ann@", b"eve@"))
    found = {document.origin_id: document for document in documents(account.connector())}
    assert len(found) == 3
    assert found[alone.origin_id] == alone
    assert account.connector().fetch(alone, max_bytes=1000) == first


def test_copies_of_a_message_are_one_document(account: Account) -> None:
    uid = account.add(mail("a", end=END))
    account.do("CREATE", "Archive")
    account.do("UID", "COPY", str(uid), "Archive")
    assert len(documents(account.connector())) == 1


def test_messages_without_a_message_id_are_told_apart_by_their_places(account: Account) -> None:
    for body in (b"1", b"2"):
        account.add(mail("a", body, end=END, Message_ID=""))
    found = documents(account.connector())
    assert len(found) == 2
    assert contents(account.connector()) == {mail("a", body, end=END, Message_ID="") for body in (b"1", b"2")}
    assert documents(account.connector()) == found


def test_participants_and_owners_read(account: Account) -> None:
    account.add(mail("a", end=END, Bcc="carl@x.example", Delivered_To="dora@x.example"))
    connector = account.connector(owner=["user:eve@x.example"])
    (document,) = documents(connector)
    assert connector.permissions([document])[document.origin_id].allow == {
        f"user:{name}@x.example" for name in ("ann", "bob", "carl", "dora", "eve")
    }
    assert account.connector(owner=["user:eve@x.example"]).permissions([document]) == connector.permissions([document])


def test_times_are_those_of_sender_and_server(account: Account) -> None:
    account.add(mail("a", end=END, Date="Wed, 21 Feb 2024 12:00:00 +0100"))
    (document,) = documents(account.connector())
    assert document.created is not None
    assert document.modified is not None
    assert document.created.isoformat() == "2024-02-21T11:00:00+00:00"
    assert document.modified > document.created
    assert document.uri == "mid:61@x.example"


def test_folders_are_chosen_by_the_names_that_users_see(account: Account) -> None:
    folders = {
        "Entw&APw-rfe": "drafts",
        "&ZeVnLIqe-": "japanese",
        r'"with \"quotes\" and \\"': "quotes",
        '"two words"': "words",
        "Work": "work",
        "Work.Private": "private",
        "R&-D": "rnd",
    }
    for folder, name in folders.items():
        account.do("CREATE", folder)
        account.add(mail(name, end=END), folder)
    account.add(mail("inbox", end=END))

    def names(*include: str, exclude: tuple[str, ...] = ("nothing",)) -> set[str]:
        connector = ByName(account.connector(include=include, exclude=exclude), end=END)
        return {document.name for document in documents(connector)}

    assert names("**") == {*folders.values(), "inbox"}
    assert names("INBOX") == {"inbox"}
    assert names("Entwürfe", "日本語", "R&D") == {"drafts", "japanese", "rnd"}
    assert names("Work/**", "two words") == {"private", "words"}
    assert names("**", exclude=("Work/**", "*ü*", "日*", "with*", "two ?ords")) == {"inbox", "work", "rnd"}


def ids(found: list[Change]) -> set[str]:
    return {change.document.origin_id for change in found if isinstance(change, Upsert)}


def test_a_listing_after_another_names_only_what_arrived(account: Account) -> None:
    account.do("CREATE", "Archive")
    account.add(mail("one", end=END))
    first, finished = changes(account.connector())
    assert finished.complete
    assert changes(account.connector(), finished.cursor) == ([], Finished(complete=False, cursor=finished.cursor))
    account.add(mail("two", end=END), "Archive")
    account.do("CREATE", "Later")
    account.add(mail("three", end=END), "Later")
    second, again = changes(account.connector(), finished.cursor)
    assert not again.complete
    assert len(ids(second)) == 2
    assert ids(first).isdisjoint(ids(second))
    assert changes(account.connector(), again.cursor)[0] == []


def cursor_of(account: Account) -> Cursor | None:
    return changes(account.connector())[1].cursor


def test_after_any_removal_a_listing_is_complete(account: Account) -> None:
    account.do("CREATE", "Archive")
    account.do("CREATE", "Old")
    account.add(mail("old", end=END), "Old")
    uids = [account.add(mail(str(number), end=END)) for number in range(4)]
    cursor = cursor_of(account)
    for remove in (
        lambda: account.do("UID", "MOVE", str(uids[0]), "Archive"),
        lambda: (account.do("UID", "STORE", str(uids[1]), "+FLAGS", r"(\Deleted)"), account.do("EXPUNGE")),
        lambda: (
            account.do("UID", "STORE", str(uids[2]), "+FLAGS", r"(\Deleted)"),
            account.do("EXPUNGE"),
            account.add(mail("new", end=END)),
        ),
        lambda: account.do("RENAME", "Old", "Older"),
        lambda: account.do("DELETE", "Older"),
        lambda: (account.do("DELETE", "Archive"), account.do("CREATE", "Archive")),
    ):
        remove()
        found, finished = changes(account.connector(), cursor)
        if finished.cursor is None:  # a folder is not listed any more
            assert not finished.complete
            found, finished = changes(account.connector(), None)
        everything, _ = changes(account.connector())
        assert finished.complete
        assert ids(found) == ids(everything)
        cursor = finished.cursor


def test_messages_that_are_moved_past_the_reader_are_found(account: Account) -> None:
    for folder in ("A", "B", "C"):
        account.do("CREATE", folder)
        account.add(mail(folder, end=END), folder)
    listing = account.connector(include=["A", "B", "C", "A0"]).list(None)
    found: list[Change | Finished] = [next(listing)]
    account.do("SELECT", "B")
    account.do("UID", "MOVE", "1", "A")
    account.do("RENAME", "C", "A0")
    found += listing
    assert len(ids([change for change in found if not isinstance(change, Finished)])) == 3
    # What was counted in a folder is not what is there: the next listing starts anew.
    assert found[-1] == Finished(complete=True, cursor=None)


def test_a_header_without_end_is_refused_and_the_rest_is_read(account: Account) -> None:
    account.add(b"To: " + b"a@x,\r\n " * (MAX_HEAD_BYTES // 5) + END + mail("a", end=END))
    account.add(mail("b", end=END))
    assert refusals(account.connector()) == ["header_too_large"]
    assert contents(account.connector()) == {mail("b", end=END)}


def test_a_large_message_is_not_read_beyond_the_limit(account: Account) -> None:
    account.add(mail("a", b"x" * 3_000_000, end=END))
    (document,) = documents(account.connector())
    assert reason(account.connector(), document) == "too_large"


def test_a_message_that_is_gone_is_gone_also_where_its_folder_went(account: Account) -> None:
    account.do("CREATE", "Old")
    uid = account.add(mail("a", end=END))
    account.add(mail("b", end=END), "Old")
    connector = account.connector()
    a, b = documents(connector)
    account.do("UID", "STORE", str(uid), "+FLAGS", r"(\Deleted)")
    account.do("EXPUNGE")
    account.do("DELETE", "Old")
    assert (reason(connector, a), reason(connector, b)) == ("gone", "gone")
    account.do("CREATE", "Old")
    account.add(mail("c", end=END), "Old")
    assert reason(connector, b) == "gone"


def test_starttls_and_plain_connections_where_they_are_asked_for(account: Account) -> None:
    account.add(mail("a", end=END))
    port = str(account.server.port)
    for options in ({"security": "starttls"}, {"security": "none", "allow_plaintext": "true"}):
        assert len(documents(account.connector(port=port, **options))) == 1


def test_a_certificate_that_does_not_hold_is_refused(account: Account, tmp_path: Path) -> None:
    self_signed(tmp_path / "other.pem", tmp_path / "other.key")
    for options in (
        {"ca_file": str(tmp_path / "other.pem")},
        {"host": "localhost"},
        {"security": "starttls", "port": str(account.server.port), "host": "localhost"},
    ):
        with pytest.raises(RefusedError, match="certificate"):
            documents(account.connector(**options))


def test_a_wrong_password_is_refused_and_not_shown(account: Account) -> None:
    connector = MailboxConnector.from_options(
        {
            "format": "imap",
            "host": "127.0.0.1",
            "port": account.server.tls_port,
            "ca_file": str(account.server.certificate),
            "username": account.user,
            "password": {"env": "OTHER"},
            "include": ["**"],
        },
        secrets=Secrets(environment={"OTHER": "wrong-one"}, base=Path("/")),
    )
    with pytest.raises(RefusedError, match="AUTHENTICATIONFAILED") as failure:
        documents(connector)
    assert "wrong-one" not in repr(failure.value) + repr(connector)


def test_a_connector_goes_on_where_its_connection_was_ended(account: Account) -> None:
    account.add(mail("a", b"x", end=END))
    connector = account.connector()
    (document,) = documents(connector)
    account.server.remove(account.user)
    account.server.add(account.user)
    assert connector.fetch(document, max_bytes=1000) == mail("a", b"x", end=END)
