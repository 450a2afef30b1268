import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mailbox.replies import Piece, Reply, away, failure, refused, replies
from policies.errors import DependencyError, RefusedError

HEAD = b"BODY[HEADER.FIELDS (DATE FROM)]<0>"


def read(*pieces: Piece) -> list[Reply]:
    return list(replies(pieces))


def test_a_message_is_read_whatever_the_order_of_its_parts() -> None:
    for pieces in (
        ((b"1 (UID 5 " + HEAD + b" {3}", b"A:b"), (b" BODY[]<0> {1}", b"x"), b")"),
        ((b"1 (BODY[] {1}", b"x"), (b' BODY[HEADER.FIELDS ("Date" "From")] {3}', b"A:b"), b" UID 5)"),
        ((b"1 (BODY[]<0> {1}", b"x"), b" UID 5 " + HEAD + b' "A:b")'),
    ):
        assert read(*pieces) == [Reply(uid=5, head=b"A:b", body=b"x", arrived=None)]


def test_an_empty_value_may_be_written_in_several_ways() -> None:
    for pieces in (
        (b"1 (UID 5 " + HEAD + b" NIL)",),
        (b"1 (UID 5 " + HEAD + b' "")',),
        ((b"1 (UID 5 " + HEAD + b" {0}", b""), b")"),
    ):
        assert read(*pieces) == [Reply(uid=5, head=b"", body=None, arrived=None)]


def test_several_messages_keep_their_own_parts() -> None:
    found = read(
        (b"1 (UID 5 " + HEAD + b" {1}", b"a"),
        b")",
        b"1 (FLAGS (\\Seen))",
        None,
        (b"2 (UID 6 " + HEAD + b" {1}", b"b"),
        b")",
    )
    assert [(reply.uid, reply.head) for reply in found] == [(5, b"a"), (6, b"b")]


def test_no_text_of_a_mail_or_a_flag_is_taken_for_a_part() -> None:
    pieces = (
        (b"1 (FLAGS (UID 9) UID 5 " + HEAD + b" {60}", b'UID 7 BODY[] "x" INTERNALDATE "1-Jan-2020 00:00:00 +0000"'),
        b")",
    )
    assert read(*pieces) == [Reply(uid=5, head=pieces[0][1], body=None, arrived=None)]


@pytest.mark.parametrize("line", [b"", b"1 (UID 5)", b"1 (" + HEAD + b' "a")', b"1 (UID x " + HEAD + b' "a")'])
def test_what_has_no_uid_or_no_header_is_left_out(line: bytes) -> None:
    assert read(line) == []


@given(
    st.lists(st.one_of(st.none(), st.binary(max_size=40), st.tuples(st.binary(max_size=40), st.binary(max_size=40))))
)
def test_no_answer_raises(pieces: list[Piece]) -> None:
    read(*pieces)


def test_a_number_in_place_of_a_literal_reads_no_other() -> None:
    assert read((b"1 (UID 5 X {1}", b"a"), b" " + HEAD + b" {7})") == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("BAD Request is throttled. Suggested Backoff Time: 292339 milliseconds", 292.339),
        ("[THROTTLED] jane", None),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits.", None),
        ("[LIMIT] jane", None),
    ],
)
def test_a_server_that_throttles_is_to_be_asked_later(text: str, seconds: float | None) -> None:
    error = failure(text, otherwise=refused())
    assert isinstance(error, DependencyError)
    assert error.retry_after_s == seconds
    assert "jane" not in str(error)


def test_a_failure_without_a_known_code_is_what_the_command_makes_of_it() -> None:
    for text in ("jane", "[TRYCREATE] jane", "[", "[]", ""):
        assert isinstance(failure(text, otherwise=refused()), RefusedError)
        assert isinstance(failure(text, otherwise=away()), DependencyError)
