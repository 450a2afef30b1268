import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mailbox.message import PARTICIPANT_FIELDS, Head, split
from connectors.mailbox.participants import MAX_ADDRESSES, addresses, is_address, readers
from tests.connectors.mailbox.mails import mail
from tests.patience import patient


def named(**fields: str) -> frozenset[str]:
    head, _ = split(mail("a", b"", end=b"\n", **({"From": "", "To": ""} | fields)))
    return readers(Head.read(head), {"all@x.example": "group:staff", "ceo@x.example": "user:c123"})


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("ann@x.example", ("ann@x.example",)),
        ("Ann <ANN@X.Example>", ("ann@x.example",)),
        ("<ann@x.example>", ("ann@x.example",)),
        ("ann@x.example, Bob <bob@x.example>,", ("ann@x.example", "bob@x.example")),
        ("ann@x.example (Ann (the first) Smith)", ("ann@x.example",)),
        ("Ann Q. Smith <ann@x.example>", ("ann@x.example",)),
        ("Smith, Ann <ann@x.example>", ("ann@x.example",)),
        ("=?utf-8?q?Ann=2C_=3Cboss=40x=2Eexample=3E?= <ann@x.example>", ("ann@x.example",)),
        ("\u00e0nn <ann@x.example>", ("ann@x.example",)),
        ("Team: ann@x.example, bob@x.example;, carl@x.example", ("ann@x.example", "bob@x.example", "carl@x.example")),
        ("undisclosed-recipients:;", ()),
        ("<>", ()),
        ("MAILER-DAEMON", ()),
        ("", ()),
    ],
)
def test_a_list_of_addresses_is_read(field: str, found: tuple[str, ...]) -> None:
    assert addresses(field.encode().decode("latin-1")) == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ('"boss@x.example" <eve@y.example>', ("eve@y.example",)),
        ('"Boss <boss@x.example>" <eve@y.example>', ("eve@y.example",)),
        ('"boss@x.example, " <eve@y.example>', ("eve@y.example",)),
        (r'"\"boss@x.example, " <eve@y.example>', ("eve@y.example",)),
        ("boss@x.example <eve@y.example>", ("eve@y.example",)),
        ("(boss@x.example) eve@y.example", ("eve@y.example",)),
        (r"(\)boss@x.example,) eve@y.example", ("eve@y.example",)),
        ('"boss@x.example"', ()),
        ('"<boss@x.example>"', ()),
        # What the library's parser made of these was CVE-2023-27043.
        ("eve@y.example)boss@x.example", ()),
        ("eve@y.example<boss@x.example", ()),
        ("<eve@y.example>boss@x.example", ()),
        ("eve@y.example;boss@x.example", ()),
        ("boss@x.example:eve@y.example", ()),
        ("<boss@x.example> <eve@y.example>", ()),
        ("<boss@x.example@y.example>", ()),
        ("<@x.example:eve@y.example>", ()),
        ("boss @ x.example", ()),
        ("boss@ x.example", ()),
        ("boss(hidden)@x.example", ()),
        ("boss@[127.0.0.1]", ()),
        ("a: b: boss@x.example;;", ()),
        ("a: boss@x.example", ()),
        ("a: b@x.example; boss@x.example", ()),
        (": boss@x.example;", ()),
        ('"boss@x.example', ()),
        ("(boss@x.example", ()),
        ("eve@y.example\x00, boss@x.example", ()),
        ("eve@y.example\\, boss@x.example", ()),
    ],
)
def test_no_display_name_is_an_address_and_a_broken_list_names_nobody(field: str, found: tuple[str, ...]) -> None:
    assert addresses(field) == found


@pytest.mark.parametrize(
    "odd",
    [
        '"ann smith"@x.example',
        "a..b@x.example",
        ".ann@x.example",
        "ann@x_y.example",
        "ann@-x.example",
        "ann@x.example.",
        "*@x.example",
        "\u0430nn@x.example",
        "ann@b\u00fccher.example",
        f"{'a' * 242}@x.example",
    ],
)
def test_an_address_that_no_principal_can_have_names_nobody_and_takes_nobody_else_along(odd: str) -> None:
    assert addresses(f"{odd}, bob@x.example".encode().decode("latin-1")) == ("bob@x.example",)


def test_every_participant_reads_and_nobody_else() -> None:
    fields = {field.replace("-", "_"): f"{field}@x.example" for field in PARTICIPANT_FIELDS}
    others = {"Reply_To": "reply@x.example", "Subject": "s@x.example", "List_Post": "<mailto:l@x.example>"}
    assert named(**fields, **others) == {f"user:{field}@x.example" for field in PARTICIPANT_FIELDS}


def test_an_address_may_stand_for_a_group_or_a_user() -> None:
    assert named(To="ALL@x.example, bob@x.example", From="ceo@x.example") == {
        "group:staff",
        "user:bob@x.example",
        "user:c123",
    }


def test_a_broken_field_takes_no_other_along() -> None:
    assert named(From="ann@x.example", To='"bob@x.example', Cc="carl@x.example") == {
        "user:ann@x.example",
        "user:carl@x.example",
    }


def test_a_message_without_a_header_names_nobody() -> None:
    assert readers(Head.read(b""), {}) == frozenset()


def test_a_message_that_names_too_many_names_nobody() -> None:
    at_limit = ",".join(f"u{number}@x.example" for number in range(MAX_ADDRESSES))
    assert len(named(To=at_limit)) == MAX_ADDRESSES
    assert named(To=at_limit, Cc="one@x.example") == frozenset()


def test_a_made_up_header_takes_little_room() -> None:
    tracemalloc.start()
    kept = [named(To=",".join(f"u{number}-{count}@x.example" for number in range(count))) for count in (200, 9000)]
    size_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(one) for one in kept] == [200, 0]
    assert size_bytes < 2**16


@pytest.mark.parametrize("part", ["(", '"', "<", "a@b,", "\\", ":", "a:;", '"\\', "(\\(", "a ", "@"])
def test_a_long_hostile_field_takes_no_long_time(part: str) -> None:
    with patient():
        addresses(part * 100_000)


@given(st.text(alphabet='ab@.<>,;:"\\() \t\u00e9', max_size=60))
def test_any_text_gives_addresses_that_principals_can_have(field: str) -> None:
    for address in addresses(field):
        assert is_address(address)
        assert address in field.replace("\t", " ").lower()


@given(st.lists(st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True), max_size=8))
def test_addresses_survive_being_written_with_names(listed: list[str]) -> None:
    assert addresses(", ".join(f'"x, y@z" <{address}>' for address in listed)) == tuple(listed)
