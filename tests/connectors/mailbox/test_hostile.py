"""IMAP servers that answer badly, or nothing, or too much."""

import resource
import ssl
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Finished, Upsert
from connectors.mailbox import MailboxConnector
from connectors.mailbox.imap import Imap
from connectors.mailbox.message import MAX_HEAD_BYTES
from connectors.secrets import Secrets
from policies.errors import DependencyError, PenstockError, RefusedError
from tests.connectors.mailbox.certificates import self_signed
from tests.connectors.mailbox.mails import changes, documents, mail
from tests.connectors.mailbox.scripted import CUT, DRIP, GOOD, MAIL, SILENCE, Scripted, fetched, literal, scripted
from tests.patience import patient

SECRET = "s3cret"
TOKEN = {"password": None, "oauth2_token": {"env": "MAIL_PASSWORD"}}


class Waits:
    """Keeps the seconds that a connector would wait between two tries."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def connector(
    server: Scripted, options: Mapping[str, object] | None = None, *, waits: Waits | None = None, read_s: float = 10.0
) -> MailboxConnector:
    """A connector that does not wait between tries. An option that is None is left out."""
    given = {
        "format": "imap",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "allow_plaintext": True,
        "username": "ann",
        "password": {"env": "MAIL_PASSWORD"},
        "include": ["**"],
    } | dict(options or {})
    made = MailboxConnector.from_options(
        {key: value for key, value in given.items() if value is not None},
        secrets=Secrets(environment={"MAIL_PASSWORD": SECRET}, base=Path("/")),
    )
    assert isinstance(made.store, Imap)
    account = replace(made.store.account, read_s=read_s, command_s=2 * read_s)
    return replace(made, store=replace(made.store, account=account, sleep=(waits or Waits()).sleep))


def failure(server: Scripted, options: Mapping[str, object] | None = None, *, read_s: float = 10.0) -> PenstockError:
    """How a listing fails, which names nothing."""
    reading = connector(server, options, read_s=read_s)
    with pytest.raises((RefusedError, DependencyError)) as error:
        changes(reading)
    assert not told(error.value)
    assert isinstance(error.value, PenstockError)
    return error.value


def told(error: BaseException) -> set[str]:
    """Which of the words that must not be told an error tells."""
    text = "".join(traceback.format_exception(error))
    return {word for word in (SECRET, "jane") if word in text}


def test_a_good_server_is_read() -> None:
    with scripted() as server:
        reading = connector(server)
        (document,) = documents(reading)
        assert reading.fetch(document, max_bytes=1000) == MAIL
        assert server.commands == [
            "GREETING",
            "CAPABILITY",
            "AUTHENTICATE PLAIN",
            "RESPONSE AGFubgBzM2NyZXQ=",
            'LIST "" *',
            'EXAMINE "INBOX"',
            "UID SEARCH UID 1:1",
            server.commands[7],
            'LIST "" *',
            'EXAMINE "INBOX"',
            server.commands[10],
        ]


@pytest.mark.parametrize("command", ["GREETING", "AUTHENTICATE", "LIST", "EXAMINE", "SEARCH", "HEADS"])
@pytest.mark.parametrize(
    "answer",
    [
        CUT,
        SILENCE,
        b"* BYE jane\r\n",
        b"rubbish of jane\r\n",
        b"\0" * 5000,
        b"* LIST {10000000000}\r\n",
        b"* LIST {" + b"9" * 6000 + b"}\r\n",
        b"%t BAD jane\r\n",
        b"* OK [UIDVALIDITY nonsense] x\r\n* OK [UIDNEXT jane] x\r\n* jane EXISTS\r\n%t OK done\r\n",
        b"zzz9 OK jane\r\n",
    ],
)
def test_a_bad_answer_to_any_command_is_an_error_of_the_contract(command: str, answer: bytes) -> None:
    with scripted(tls=None, **{command: answer}) as server:
        reading = connector(server, read_s=0.04)
        with pytest.raises((RefusedError, DependencyError)) as error:
            changes(reading)
        assert not told(error.value)


def usage_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(("command", "size"), [("GREETING", 2_000_000), ("LIST", 18_000_000), ("HEADS", 2_000_000)])
@pytest.mark.parametrize(
    "part", [b"* 1 FETCH (FLAGS (" + b"x" * 1000 + b"))\r\n", b"x", b"* OK {900000}\r\n" + b"x" * 900_000]
)
def test_an_endless_answer_is_cut_off_before_it_fills_memory(command: str, size: int, part: bytes) -> None:
    before = usage_mib()
    with (
        scripted(tls=None, **{command: b"* " + part * (size // len(part) + 1)}) as server,
        pytest.raises(DependencyError),
    ):
        changes(connector(server))
    assert usage_mib() - before < 100


@pytest.mark.parametrize(
    "listed", [b"", b'* LIST (\\Noselect) "/" INBOX\r\n', b'* LIST () "/" Archive\r\n', b'* LIST () "/" Inbox/Old\r\n']
)
def test_an_account_without_a_folder_to_read_is_no_empty_mailbox(listed: bytes) -> None:
    with scripted(LIST=listed + b"%t OK done\r\n") as server:
        error = failure(server, {"include": ["INBOX"]})
    assert isinstance(error, RefusedError)
    assert "no folder that the source takes" in error.message


def test_a_folder_that_goes_away_while_it_is_the_only_one_is_no_empty_mailbox() -> None:
    nothing = b"%t OK done\r\n"
    with scripted(LIST=[GOOD["LIST"], nothing], EXAMINE=b"%t NO gone\r\n") as server:
        assert isinstance(failure(server), RefusedError)


def test_a_folder_that_is_no_longer_listed_is_gone_the_second_time() -> None:
    both = b'* LIST () "/" INBOX\r\n* LIST () "/" Old\r\n%t OK done\r\n'
    with scripted(LIST=[both, both, GOOD["LIST"]]) as server:
        _, whole = changes(connector(server))
        assert whole.complete
        narrowed = changes(connector(server, {"include": ["INBOX"]}), whole.cursor)[1]
        first = changes(connector(server), whole.cursor)[1]
        assert first == Finished(complete=False, cursor=None)
        assert changes(connector(server), first.cursor)[1].complete
    assert not narrowed.complete


def test_an_answer_that_drips_is_cut_off_in_time() -> None:
    with scripted(LIST=DRIP) as server, patient():
        assert isinstance(failure(server, read_s=0.1), DependencyError)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"NO [AUTHENTICATIONFAILED] jane", RefusedError),
        (b"NO [AUTHORIZATIONFAILED] jane", RefusedError),
        (b"NO [EXPIRED] jane", RefusedError),
        (b"NO [CONTACTADMIN] jane", RefusedError),
        (b"NO [PRIVACYREQUIRED] jane", RefusedError),
        (b"NO LOGIN of jane failed", RefusedError),
        (b"BAD jane", RefusedError),
        (b"NO [UNAVAILABLE] jane", DependencyError),
        (b"NO [INUSE] jane", DependencyError),
        (b"NO [LIMIT] jane", DependencyError),
        (b"NO [SERVERBUG] jane", DependencyError),
        (b"NO [ALERT] Too many simultaneous connections. (Failure)", DependencyError),
    ],
)
def test_a_refused_login_stops_and_one_put_off_is_tried_again(text: bytes, kind: type[PenstockError]) -> None:
    with scripted(RESPONSE=b"%t " + text + b"\r\n") as server:
        assert type(failure(server)) is kind
        tries = sum(command.startswith("AUTHENTICATE") for command in server.commands)
        assert tries == (1 if kind is RefusedError else 4)


def test_a_server_that_asks_for_a_pause_is_given_it() -> None:
    throttled = b"%t BAD Request is throttled. Suggested Backoff Time: 1500 milliseconds\r\n"
    waits = Waits()
    with scripted(SEARCH=[throttled, throttled, GOOD["SEARCH"]]) as server:
        assert len(documents(connector(server, waits=waits))) == 1
    assert waits.seconds == [1.5, 1.5]


def test_a_server_that_asks_for_a_long_pause_is_left_alone_for_as_long() -> None:
    waits = Waits()
    throttled = b"%t NO Throttled. Suggested Backoff Time: 3600000 milliseconds\r\n"
    with scripted(HEADS=throttled) as server, pytest.raises(DependencyError) as error:
        documents(connector(server, waits=waits))
    assert error.value.retry_after_s == 3600
    assert waits.seconds == []


def test_a_connection_that_is_lost_once_costs_nothing() -> None:
    for command in ("LIST", "EXAMINE", "SEARCH", "HEADS"):
        with scripted(tls=None, **{command: [CUT, GOOD[command]]}) as server:
            assert len(documents(connector(server))) == 1
            assert server.commands.count("GREETING") == 2


def test_credentials_that_are_revoked_in_mid_run_stop_it() -> None:
    refused = b"%t NO [AUTHENTICATIONFAILED] jane\r\n"
    with scripted(HEADS=CUT, RESPONSE=[GOOD["RESPONSE"], refused]) as server:
        assert type(failure(server)) is RefusedError
    with scripted(HEADS=b"* BYE [EXPIRED] jane\r\n") as server:
        assert type(failure(server)) is RefusedError
    with scripted(BODY=CUT, RESPONSE=[GOOD["RESPONSE"], refused]) as server:
        reading = connector(server)
        (document,) = documents(reading)
        with pytest.raises(RefusedError):
            reading.fetch(document, max_bytes=1000)


def test_a_listing_that_breaks_off_never_finishes() -> None:
    examined = b"* 300 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 301] ok\r\n%t OK done\r\n"
    numbers = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 301)) + b"\r\n%t OK done\r\n"
    first = b"".join(fetched(uid, mail(str(uid), end=b"\r\n")) for uid in range(1, 101)) + b"%t OK done\r\n"
    with scripted(EXAMINE=examined, SEARCH=numbers, HEADS=[first, CUT]) as server:
        listing = connector(server).list(None)
        found = [next(listing) for _ in range(100)]
        assert {type(change) for change in found} == {Upsert}
        with pytest.raises(DependencyError):
            next(listing)


@pytest.mark.parametrize(
    "answer",
    [
        b"%t OK done\r\n",
        b"* 1 FETCH (UID 1)\r\n%t OK done\r\n",
        b"* 1 FETCH (UID 99 BODY[HEADER.FIELDS (TO)]<0> {0}\r\n)\r\n%t OK done\r\n",
    ],
)
def test_a_listing_in_which_messages_are_withheld_is_not_complete(answer: bytes) -> None:
    with scripted(HEADS=answer) as server:
        assert changes(connector(server)) == ([], Finished(complete=False, cursor=None))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"%t OK done\r\n", "gone"),
        (fetched(2, body=MAIL) + b"%t OK done\r\n", "gone"),
        (fetched(1) + b"%t OK done\r\n", "gone"),
        (fetched(1, MAIL.replace(b"ann@", b"eve@"), body=MAIL) + b"%t OK done\r\n", "changed"),
        (fetched(1, body=b"x" * 1001) + b"%t OK done\r\n", "too_large"),
    ],
)
def test_what_is_fetched_is_the_message_that_was_listed(answer: bytes, why: str) -> None:
    with scripted(BODY=answer) as server:
        reading = connector(server)
        (document,) = documents(reading)
        with pytest.raises(PenstockError) as error:
            reading.fetch(document, max_bytes=1000)
        assert getattr(error.value, "reason", "") == why


def test_a_message_larger_than_asked_for_is_not_read() -> None:
    with scripted(BODY=fetched(1, body=b"x" * 3_000_000) + b"%t OK done\r\n") as server:
        reading = connector(server)
        (document,) = documents(reading)
        with pytest.raises(DependencyError):
            reading.fetch(document, max_bytes=1000)


def test_other_numbers_than_those_asked_for_are_not_asked_for() -> None:
    with scripted(SEARCH=b"* SEARCH 1 1 0 2 99 4294967295\r\n%t OK done\r\n") as server:
        assert len(documents(connector(server))) == 1
        assert [command.split()[2] for command in server.commands if command.startswith("UID FETCH")] == ["1"]


def test_unasked_for_answers_are_passed_over() -> None:
    heads = b"* 5 EXISTS\r\n* 1 FETCH (FLAGS (UID 9))\r\n" + fetched(1) + b"* 9 EXPUNGE\r\n%t OK done\r\n"
    with scripted(HEADS=heads) as server:
        assert len(documents(connector(server))) == 1


def test_a_server_that_says_less_of_a_folder_than_it_must_is_not_believed() -> None:
    for missing in (b"* 1 EXISTS\r\n", b"* OK [UIDNEXT 2] ok\r\n", b"* OK [UIDVALIDITY 7] ok\r\n"):
        with scripted(EXAMINE=GOOD["EXAMINE"].replace(missing, b"")) as server:
            assert isinstance(failure(server), DependencyError)


def test_a_folder_that_may_not_be_opened_stops_the_run_and_one_that_went_away_does_not() -> None:
    with scripted(EXAMINE=b"%t NO [NOPERM] jane\r\n") as server:
        assert type(failure(server)) is RefusedError
    both = b'* LIST () "/" INBOX\r\n* LIST () "/" Old\r\n%t OK done\r\n'
    examined = [GOOD["EXAMINE"], b"%t NO jane\r\n", GOOD["EXAMINE"]]
    with scripted(EXAMINE=examined, LIST=[both, GOOD["LIST"]]) as server:
        found, finished = changes(connector(server))
    assert (len(found), finished.complete) == (1, True)


@pytest.mark.parametrize(
    "line",
    [
        b'* LIST (\\Noselect) "/" INBOX',
        b'* LIST (\\NonExistent \\HasChildren) "/" INBOX',
        b"* LIST nonsense",
        b'* LIST () "/"',
    ],
)
def test_what_holds_no_messages_is_not_opened(line: bytes) -> None:
    with scripted(LIST=line + b'\r\n* LIST () "/" Read\r\n%t OK done\r\n') as server:
        documents(connector(server))
    assert {command for command in server.commands if "EXAMINE" in command} == {'EXAMINE "Read"'}


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b'* LIST () "/" {5}\r\nA "B\\', r'EXAMINE "A \"B\\"'),
        (b'* LIST () NIL "A/B"', 'EXAMINE "A/B"'),
        (b'* LIST () "\\\\" "A\\\\B"', r'EXAMINE "A\\B"'),
        (b'* LIST () "." inbox', 'EXAMINE "inbox"'),
        (b'* LIST () "/" "caf\xc3\xa9"', 'EXAMINE "caf\xc3\xa9"'),
    ],
)
def test_folders_are_opened_by_the_very_name_they_have(line: bytes, command: str) -> None:
    with scripted(LIST=line + b"\r\n%t OK done\r\n") as server:
        assert len(documents(connector(server))) == 1
        assert command in server.commands


def test_too_many_folders_are_refused() -> None:
    lines = b"".join(b'* LIST () "/" f%d\r\n' % number for number in range(10_001))
    with scripted(LIST=lines + b"%t OK done\r\n") as server:
        assert type(failure(server)) is RefusedError


def test_a_cursor_that_would_be_too_long_is_none() -> None:
    lines = b"".join(b'* LIST () "/" f%d\r\n' % number for number in range(1850))
    nothing = b"* 0 EXISTS\r\n* OK [UIDVALIDITY 4294967295] ok\r\n* OK [UIDNEXT 1] ok\r\n%t OK done\r\n"
    with scripted(LIST=lines + b"%t OK done\r\n", EXAMINE=nothing) as server:
        assert changes(connector(server)) == ([], Finished(complete=True, cursor=None))


def test_a_header_longer_than_asked_for_ends_the_listing_and_one_at_its_limit_is_refused() -> None:
    head = b"To: " + b"x" * (MAX_HEAD_BYTES - 3)
    answer = b"* 1 FETCH (UID 1 BODY[HEADER.FIELDS (TO)]<0> %s)\r\n%%t OK done\r\n"
    with scripted(HEADS=answer % literal(head)) as server:
        (found,), last = changes(connector(server))
        assert last.complete
        assert getattr(found, "reason", "") == "header_too_large"


def test_starttls_is_not_gone_without() -> None:
    offers: Sequence[dict[str, bytes]] = (
        {"STARTTLS": b"%t BAD unknown\r\n"},
        {"STARTTLS": b"%t NO not now\r\n"},
        {"STARTTLS": CUT},
        {"STARTTLS": b"%t OK begin\r\n* OK nonsense instead of TLS\r\n"},
        {"GREETING": b"* PREAUTH welcome\r\n"},
    )
    for offer in offers:
        with scripted(tls=None, **offer) as server:
            failure(server, {"security": "starttls"})
            assert not any(command.startswith(("AUTHENTICATE", "LOGIN", "LIST")) for command in server.commands)


def test_what_was_said_before_tls_is_not_taken_for_an_answer_under_it(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    options = {"security": "starttls", "ca_file": str(certificate)}
    with scripted(tls=tls) as server:
        assert len(documents(connector(server, options))) == 1
    with scripted(tls=tls, STARTTLS=b"%t OK begin\r\n* CAPABILITY IMAP4rev1\r\n") as server:
        assert isinstance(failure(server, options), DependencyError)
        assert not any(command.startswith("AUTHENTICATE") for command in server.commands)


def test_a_server_that_asks_for_no_password_is_refused() -> None:
    with scripted(GREETING=b"* PREAUTH welcome\r\n") as server:
        assert type(failure(server)) is RefusedError


def test_a_token_is_shown_as_xoauth2_has_it() -> None:
    with scripted() as server:
        assert len(documents(connector(server, TOKEN))) == 1
        assert "AUTHENTICATE XOAUTH2" in server.commands
        assert "RESPONSE dXNlcj1hbm4BYXV0aD1CZWFyZXIgczNjcmV0AQE=" in server.commands


def test_a_refused_token_stops_the_run() -> None:
    challenge = b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"
    with scripted(RESPONSE=[challenge + b"%t NO jane\r\n"]) as server:
        assert type(failure(server, TOKEN)) is RefusedError


def test_a_mailbox_that_does_not_come_to_rest_is_not_listed_completely() -> None:
    answers = [
        b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT %d] ok\r\n%%t OK done\r\n" % (number, number + 1)
        for number in range(1, 20)
    ]
    with scripted(EXAMINE=answers, SEARCH=b"%t OK done\r\n") as server:
        assert changes(connector(server)) == ([], Finished(complete=False, cursor=None))


def test_a_folder_that_is_numbered_anew_is_listed_anew() -> None:
    renumbered = GOOD["EXAMINE"].replace(b"UIDVALIDITY 7", b"UIDVALIDITY 8")
    with scripted() as server:
        _, last = changes(connector(server))
    with scripted(EXAMINE=renumbered) as server:
        found, again = changes(connector(server), last.cursor)
    assert [type(change) for change in found] == [Upsert]
    assert again.complete
    assert again.cursor != last.cursor


def test_a_server_that_is_not_there_is_away() -> None:
    with scripted() as server:
        pass
    assert isinstance(failure(server), DependencyError)
