"""Pseudonyms: equal for equal values under one key, unchanged by a second redaction, and nothing else touched."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from indexer import detect
from indexer.detect import LANGUAGES
from indexer.recognisers import ENTITIES
from indexer.redact import REFUSALS, Redacted, Redactor, detector, pseudonym
from indexer.sandbox import JSON
from policies.errors import DependencyError, QuarantineError, RefusedError

KEY = bytes(range(32))
ADDRESS = "ann@example.com"


class Answering:
    """Answers what it was made with, and keeps what it was asked."""

    def __init__(self, answer: dict[str, JSON] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[Mapping[str, JSON], bytes, float]] = []

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        self.asked.append((header, body, timeout_s))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(scope="module")
def redactor() -> Iterator[Redactor]:
    with detector() as sandbox:
        yield Redactor(sandbox)


def redact(redactor: Redactor, *texts: str, key: bytes = KEY, profile: str = "balanced") -> Redacted:
    return redactor.redact(texts, key=key, profile=profile, languages=LANGUAGES)


def test_values_are_replaced_and_nothing_else_is_touched(redactor: Redactor) -> None:
    redacted = redact(redactor, f" né\u00a0à {ADDRESS},\r\n+33 6 12 34 56 78 ", "", ADDRESS)
    token = pseudonym("EMAIL_ADDRESS", ADDRESS, key=KEY)
    phone = pseudonym("PHONE_NUMBER", "0612345678", key=KEY)
    assert redacted.texts == (f" né\u00a0à {token},\r\n{phone} ", "", token)
    assert redacted.counts == {"EMAIL_ADDRESS": 2, "PHONE_NUMBER": 1}


def test_a_query_and_a_document_meet_in_the_pseudonym(redactor: Redactor) -> None:
    document = redact(redactor, "National Insurance no. AB\u200912\u200934\u200956\u2009C")
    query = redact(redactor, "who is ab123456c")
    assert re.findall(r"\[.*\]", document.texts[0]) == re.findall(r"\[.*\]", query.texts[0]) != []


def test_another_key_gives_another_pseudonym() -> None:
    assert pseudonym("EMAIL_ADDRESS", ADDRESS, key=KEY) != pseudonym("EMAIL_ADDRESS", ADDRESS, key=KEY[::-1])
    assert pseudonym("SECRET", "1234", key=KEY) != pseudonym("PASSPORT", "1234", key=KEY)


def test_a_pseudonym_is_eighty_bits_in_one_word() -> None:
    for entity in ENTITIES:
        assert re.fullmatch(rf"\[{entity}_[a-p]{{20}}\]", pseudonym(entity, "12/03/1980", key=KEY))
    # Pinned: a change of it severs every query from every document indexed before.
    assert pseudonym("EMAIL_ADDRESS", "Ann@Example.com", key=KEY) == "[EMAIL_ADDRESS_dnafonaccnfcbchdhoih]"


def test_a_value_on_two_lines_has_the_pseudonym_of_the_value_on_one(redactor: Redactor) -> None:
    redacted = redact(redactor, "Tel. +44 20 7946\n0958, card 4111 1111\n1111 1111 or jane@example.\ncom")
    phone = pseudonym("PHONE_NUMBER", "020 7946 0958", key=KEY)
    card = pseudonym("CREDIT_CARD", "4111111111111111", key=KEY)
    address = pseudonym("EMAIL_ADDRESS", "jane@example.com", key=KEY)
    assert redacted.texts == (f"Tel. {phone}, card {card} or {address}",)
    assert redact(redactor, *redacted.texts) == Redacted(texts=redacted.texts, counts={})


def test_a_second_redaction_changes_nothing(redactor: Redactor) -> None:
    once = redact(
        redactor,
        f"{ADDRESS} AB123456C passport 912803456 born 3 May 1980 password=hunter2 10.0.0.1 {'x' * 300}",
        profile="strict",
    )
    assert sum(once.counts.values()) == 7
    assert redact(redactor, *once.texts, profile="strict") == Redacted(texts=once.texts, counts={})


def test_a_lone_surrogate_is_no_way_round(redactor: Redactor) -> None:
    assert redact(redactor, f"{ADDRESS[:3]}\ud800{ADDRESS[3:]}").counts == {"EMAIL_ADDRESS": 1}


def test_the_profile_none_asks_nobody() -> None:
    detector = Answering({})
    assert redact(Redactor(detector), ADDRESS, profile="none") == Redacted(texts=(ADDRESS,), counts={})
    assert detector.asked == []


def test_time_is_allowed_by_the_kilobyte_and_two_seconds_at_least() -> None:
    detector = Answering({"spans": [[]]})
    redact(Redactor(detector), "x")
    redact(Redactor(detector), "x" * 1_000_000)
    assert [timeout_s for _, _, timeout_s in detector.asked] == [2.0, 50.5]


def test_the_detector_sees_no_key() -> None:
    detector = Answering({"spans": [[]]})
    redact(Redactor(detector), "x")
    assert detector.asked[0][:2] == ({"texts": ["x"], "languages": list(LANGUAGES), "profile": "balanced"}, b"")


def test_running_out_of_time_quarantines() -> None:
    late = QuarantineError("late", reason="timeout", stage="redact", mend="")
    with pytest.raises(QuarantineError) as caught:
        redact(Redactor(Answering(late)), ADDRESS)
    assert (caught.value.reason, caught.value.stage) == ("redaction_timeout", "redact")
    assert ADDRESS not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        QuarantineError("dead", reason="crashed", stage="redact", mend=""),
        DependencyError("no start", mend=""),
    ],
)
def test_a_failing_detector_lets_nothing_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        redact(Redactor(Answering(error)), ADDRESS)
    assert caught.value is error


@pytest.mark.parametrize(
    "spans",
    [
        None,
        [],
        [[], []],
        ["x"],
        [[[0, 3]]],
        [[[0, 3, "NOBODY"]]],
        [[[2, 2, "SECRET"]]],
        [[[-1, 3, "SECRET"]]],
        [[[0, 16, "SECRET"]]],
        [[[0, 3, "SECRET"], [2, 5, "SECRET"]]],
        [[[3, 5, "SECRET"], [0, 2, "SECRET"]]],
        [[["0", 3, "SECRET"]]],
    ],
)
def test_spans_that_do_not_fit_quarantine(spans: JSON) -> None:
    with pytest.raises(QuarantineError) as caught:
        redact(Redactor(Answering({"spans": spans})), ADDRESS)
    assert (caught.value.reason, caught.value.stage) == ("redaction_failed", "redact")
    assert "ann" not in str(caught.value)


def test_a_short_key_or_an_unknown_profile_is_refused() -> None:
    detector = Answering({"spans": [[]]})
    with pytest.raises(RefusedError):
        redact(Redactor(detector), "x", key=b"short")
    with pytest.raises(RefusedError):
        redact(Redactor(detector), "x", profile="lax")
    assert detector.asked == []


def test_every_reason_for_which_the_detector_refuses_has_its_words_here() -> None:
    """The child only names a reason; one that is not listed would be told as a fault of the parser."""
    tree = ast.parse(Path(detect.__file__).read_text("utf-8"))
    named = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "reason"]
    assert {ast.literal_eval(reason) for reason in named} == REFUSALS.keys()


def test_a_language_that_is_not_covered_quarantines(redactor: Redactor) -> None:
    with pytest.raises(QuarantineError) as caught:
        redactor.redact(["x"], key=KEY, profile="balanced", languages=["de"])
    assert caught.value.reason == "redaction_not_covered"


def test_the_version_is_stable_and_needs_no_presidio() -> None:
    program = "import sys; from indexer.redact import Redactor as R; print(R(None).version, 'spacy' in sys.modules)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert other == [Redactor(Answering({})).version, "False"]
    assert re.fullmatch(r"[0-9a-f]{64}", other[0])
