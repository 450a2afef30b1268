from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mailbox.message import FIELDS, Head, link, moment, split
from tests.connectors.mailbox.mails import mail


def head(content: bytes) -> Head:
    return Head.read(split(content)[0])


def key(content: bytes) -> str:
    before, body = split(content)
    return Head.read(before).key(body)


def test_a_key_is_what_it_always_was() -> None:
    assert key(mail("a", b"hello")) == "ee8ed70ad205cc3cd1795c9f9b3a3a7d1605220648fcedd311f134632c899410"


@pytest.mark.parametrize("name", ["Status", "X-Status", "X-Keywords", "X-UID", "X-Mozilla-Status", "Content-Length"])
def test_what_mail_programs_write_when_a_message_is_seen_or_filed_changes_no_key(name: str) -> None:
    assert key(f"{name}: RO\n".encode() + mail("a", b"x")) == key(mail("a", b"x"))


def test_line_ends_and_folding_change_no_key() -> None:
    folded = mail("a", Subject="Plan for\n  the year")
    assert key(folded) == key(mail("a", Subject="Plan for the year", end=b"\r\n"))


@pytest.mark.parametrize("field", FIELDS)
def test_a_message_with_the_same_message_id_and_another_field_is_another(field: str) -> None:
    fields = {field.title().replace("-Id", "-ID").replace("-", "_"): "other@x.example"}
    assert key(mail("a", b"", end=b"\n", **fields)) != key(mail("a"))


def test_a_message_with_the_same_header_and_another_body_is_another() -> None:
    assert key(mail("a", b"one")) != key(mail("a", b"two"))


def test_values_cannot_be_shifted_from_one_field_into_another() -> None:
    keys = {
        Head(fields={"to": values, "cc": more}).key(b"")
        for values, more in [
            ((b"a", b"b"), ()),
            ((b"a",), (b"b",)),
            ((b"ab",), ()),
            ((b"a\0b",), ()),
            ((), (b"a", b"b")),
        ]
    }
    assert len(keys) == 5


def test_the_header_ends_at_the_first_empty_line() -> None:
    assert split(b"A: b\r\n\r\nTo: x\r\n\r\n") == (b"A: b\r\n\r\n", b"To: x\r\n\r\n")
    assert split(b"A: b\n\nTo: x") == (b"A: b\n\n", b"To: x")
    assert split(b"\nTo: x") == (b"", b"\nTo: x")
    assert split(b"To: x") == (b"To: x", b"")
    assert split(b"") == (b"", b"")


def test_fields_are_found_by_any_case_and_lines_that_are_none_are_passed_over() -> None:
    read = head(
        b"From x Thu Jan  1 00:00:00 1970\n>From y\nnonsense\nTO : a@x\n\tand more\nto: b@x\nX-To: c@x\n\nto: d@x\n"
    )
    assert read.fields == {"to": (b"a@x and more", b"b@x")}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("<a.b@x.example>", "a.b@x.example"),
        ("<a/b%20@x>", "a/b%20@x"),
        ("a@x.example", None),
        ("<a b@x.example>", None),
        ("<a@x><b@x>", None),
        ("<é@x.example>", None),
        (f"<{'a' * 300}@x>", None),
        ("", None),
    ],
)
def test_a_message_id_is_taken_only_where_it_is_one(field: str, found: str | None) -> None:
    assert head(mail("a", Message_ID=field)).message_id == found


def test_of_two_message_ids_none_is_taken() -> None:
    assert head(mail("a", Message_Id="<b@x>")).message_id is None


def test_a_link_is_quoted_and_without_a_message_id_the_name_of_the_key() -> None:
    assert link(head(mail("a", Message_ID="<a/b%+c@x.example>")), "00") == "mid:a%2Fb%25%2Bc@x.example"
    assert link(head(mail("a", Message_ID="")), "00" * 32) == "ni:///sha-256;" + "A" * 43


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Wed, 21 Feb 2024 12:00:00 +0100", datetime(2024, 2, 21, 11, tzinfo=UTC)),
        ("21-Feb-2024 12:00:00 +0100", datetime(2024, 2, 21, 11, tzinfo=UTC)),
        (" 1-Feb-2024 12:00:00 +0100", datetime(2024, 2, 1, 11, tzinfo=UTC)),
        ("Wed Feb 21 12:00:00 2024", datetime(2024, 2, 21, 12, tzinfo=UTC)),
        ("Wed Feb 21 12:00:00 +0100 2024", datetime(2024, 2, 21, 11, tzinfo=UTC)),
        ("Wed, 21 Feb 2024 12:00:00 -0000", datetime(2024, 2, 21, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Wed, 31 Feb 2024 12:00:00 +0100", None),
        ("Wed, 21 Feb 0000 12:00:00 +0100", datetime(2000, 2, 21, 11, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
        ("Wed, 21 Feb 2024 12:00:00 +" + "9" * 60, None),
        ("1" * 10_000, None),
    ],
)
def test_times_are_utc_or_unknown(text: str, when: datetime | None) -> None:
    assert moment(text) == when


@given(st.text(max_size=120))
def test_no_text_for_a_time_raises(text: str) -> None:
    found = moment(text)
    assert found is None or found.tzinfo is UTC


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message(content: bytes) -> None:
    before, body = split(content)
    assert before + body == content
    assert len(Head.read(before).key(body)) == 64
