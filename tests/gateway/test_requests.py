from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import requests
from gateway.requests import (
    IN_FLIGHT,
    KEPT,
    MAX_KEY_CHARS,
    MAX_KEYS,
    Claimed,
    Key,
    KeyInFlightError,
    KeyMalformedError,
    KeyMissingError,
    KeyReusedError,
    KeysExhaustedError,
    Reply,
    read_key,
    seal,
)
from indexer.joblog import JobId
from policies.model import Caller
from tests import catalogs
from tests.gateway.operating import OPERATOR, OTHER
from tests.indexer.workbench import Bench, left_below

JOB = JobId("0" * 24)
REPLY = Reply(status=HTTPStatus.ACCEPTED, body=b'{"id":"1"}', job=JOB)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ('  "a"  ', "a"),
        ('" "', " "),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"' + "a" * MAX_KEY_CHARS + '"', "a" * MAX_KEY_CHARS),
    ],
)
def test_a_key_is_what_stands_between_the_quotes(header: str, key: str) -> None:
    assert read_key([header]) == key


@pytest.mark.parametrize(
    "headers",
    [
        [""],
        ["8e03978e-40d5-43e8-bc93-6894a57f9324"],
        ['""'],
        ['"a'],
        ['a"'],
        ['"a"b"'],
        ["'a'"],
        ['"a", "b"'],
        ['"a";b=1'],
        ['"a" "b"'],
        [r'"a\n"'],
        ['"a\\"'],
        ['"a\x00"'],
        ['"a\tb"'],
        ['"a\n"'],
        ['\t"a"'],
        ['"é"'],
        ['"\x7f"'],
        ['"' + "a" * (MAX_KEY_CHARS + 1) + '"'],
        ['"a"', '"a"'],
        ['"a"', '"b"'],
        ["1"],
        ["?1"],
        [":YQ==:"],
        ["(a)"],
    ],
)
def test_what_is_not_one_structured_string_is_malformed(headers: list[str]) -> None:
    with pytest.raises(KeyMalformedError):
        read_key(headers)


def test_no_header_is_a_missing_key() -> None:
    with pytest.raises(KeyMissingError):
        read_key([])


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=MAX_KEY_CHARS))
def test_every_printable_string_can_be_a_key(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    assert read_key([f'"{escaped}"']) == key


def claim(bench: Bench, key: Key, job: JobId = JOB) -> Claimed | Reply:
    with bench.database.writing() as session:
        return requests.claim(session, key, job=job, now=bench.clock())


def settle(bench: Bench, key: Key, reply: Reply | None) -> None:
    with bench.database.writing() as session:
        requests.settle(session, key, reply)


@pytest.fixture
def key(bench: Bench) -> Key:
    return seal(bench.keyring, OPERATOR, "a", ["sync", "hr-handbook"])


def test_the_first_is_served_and_the_next_gets_its_answer(bench: Bench, key: Key) -> None:
    assert claim(bench, key) == Claimed(job=JOB, again=False)
    settle(bench, key, REPLY)
    assert claim(bench, key, JobId("1" * 24)) == REPLY
    assert claim(bench, key, JobId("2" * 24)) == REPLY


def test_while_the_first_is_served_the_next_has_to_wait(bench: Bench, key: Key) -> None:
    claim(bench, key)
    with pytest.raises(KeyInFlightError):
        claim(bench, key)
    bench.clock.forward(IN_FLIGHT - timedelta(seconds=1))
    with pytest.raises(KeyInFlightError):
        claim(bench, key)


@pytest.mark.parametrize("later", [IN_FLIGHT, -IN_FLIGHT, timedelta(hours=5), -timedelta(hours=5)])
def test_one_that_died_is_gone_on_with_by_one_other_and_by_the_id_it_had(
    bench: Bench, key: Key, later: timedelta
) -> None:
    """Also where the clock was set back meanwhile."""
    claim(bench, key)
    bench.clock.forward(later)
    assert claim(bench, key, JobId("1" * 24)) == Claimed(job=JOB, again=True)
    with pytest.raises(KeyInFlightError):
        claim(bench, key)


def test_one_that_failed_may_be_sent_again_at_once(bench: Bench, key: Key) -> None:
    claim(bench, key)
    settle(bench, key, None)
    assert claim(bench, key, JobId("1" * 24)) == Claimed(job=JOB, again=True)


def test_a_key_is_for_one_request(bench: Bench, key: Key) -> None:
    other = seal(bench.keyring, OPERATOR, "a", ["sync", "minutes"])
    claim(bench, key)
    with pytest.raises(KeyReusedError):
        claim(bench, other)
    settle(bench, key, REPLY)
    with pytest.raises(KeyReusedError):
        claim(bench, other)


@pytest.mark.parametrize(
    "other", [OTHER, replace(OPERATOR, subject="otto"), replace(OPERATOR, credential="issuer:https://x.example")]
)
def test_another_callers_same_key_is_another_key(bench: Bench, key: Key, other: Caller) -> None:
    theirs = seal(bench.keyring, other, "a", ["sync", "hr-handbook"])
    claim(bench, key)
    settle(bench, key, REPLY)
    assert claim(bench, theirs, JobId("1" * 24)) == Claimed(job=JobId("1" * 24), again=False)


def test_a_key_is_forgotten_after_a_day(bench: Bench, key: Key) -> None:
    claim(bench, key)
    settle(bench, key, REPLY)
    bench.clock.forward(KEPT - timedelta(seconds=1))
    assert claim(bench, key) == REPLY
    bench.clock.forward(timedelta(seconds=1))
    assert claim(bench, key, JobId("1" * 24)) == Claimed(job=JobId("1" * 24), again=False)


def test_the_keys_of_a_caller_are_bounded_and_those_of_others_do_not_count(bench: Bench) -> None:
    with bench.database.writing() as session:
        for number in range(MAX_KEYS):
            key = seal(bench.keyring, OPERATOR, str(number), ["x"])
            requests.claim(session, key, job=JOB, now=bench.clock())
            requests.settle(session, key, REPLY)
    with pytest.raises(KeysExhaustedError):
        claim(bench, seal(bench.keyring, OPERATOR, "one more", ["x"]))
    assert claim(bench, seal(bench.keyring, OPERATOR, "0", ["x"])) == REPLY
    assert isinstance(claim(bench, seal(bench.keyring, OTHER, "one more", ["x"])), Claimed)
    bench.clock.forward(KEPT)
    assert isinstance(claim(bench, seal(bench.keyring, OPERATOR, "one more", ["x"])), Claimed)


def test_nothing_of_a_key_its_caller_or_its_request_is_kept_readable(bench: Bench) -> None:
    key = seal(bench.keyring, OPERATOR, "NEEDLE-7f3a", ["sync", "NEEDLE-8b1c"])
    claim(bench, key)
    settle(bench, key, REPLY)
    catalogs.flush(bench.home.catalog)
    words = (b"NEEDLE", OPERATOR.subject.encode(), OPERATOR.credential.encode())
    assert left_below(catalogs.folder(bench.home.catalog), words) == set()
