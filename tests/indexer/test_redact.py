"""Pseudonyms: equal for equal values under one key, unchanged by a second redaction, and nothing else touched."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from indexer import detect, hunt
from indexer.detect import LANGUAGES
from indexer.recognisers import ENTITIES
from indexer.redact import REFUSALS, Redacted, Redactor, detector, pseudonym
from indexer.rules import RedactionRules
from indexer.sandbox import JSON
from policies.errors import DependencyError, QuarantineError, RefusedError
from policies.manifest import Redaction

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
    return redactor.redact(texts, key=key, rules=RedactionRules(profile=profile, languages=LANGUAGES))


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
    assert redact(redactor, *redacted.texts) == Redacted(texts=redacted.texts, counts={}, uncovered=0)


def test_a_second_redaction_changes_nothing(redactor: Redactor) -> None:
    once = redact(
        redactor,
        f"{ADDRESS} AB123456C passport 912803456 born 3 May 1980 password=hunter2 10.0.0.1 {'x' * 300}",
        profile="strict",
    )
    assert sum(once.counts.values()) == 7
    assert redact(redactor, *once.texts, profile="strict") == Redacted(texts=once.texts, counts={}, uncovered=0)


def by(redactor: Redactor, *texts: str, **more: object) -> Redacted:
    """The texts as a source redacts them, which a second redaction must not change."""
    rules = RedactionRules.of(Redaction.model_validate({"profile": "balanced", "languages": ["en"], **more}))
    once = redactor.redact(texts, key=KEY, rules=rules)
    assert redactor.redact(once.texts, key=KEY, rules=rules) == Redacted(texts=once.texts, counts={}, uncovered=0)
    return once


LETTER = "Mail ann@example.com, card 4111 1111\n1111 1111 or **IP** of AB123456C. password: hunter2!"


@pytest.mark.parametrize(
    ("output", "left"),
    [
        (
            {"default": "opaque"},
            "Mail [EMAIL_ADDRESS], card [CREDIT_CARD] or **IP** of [UK_NINO]. password: [SECRET]",
        ),
        ({"default": "mask"}, "Mail *************, card ************1111 or **IP** of *********. password: *******"),
        ({"default": "drop"}, "Mail, card or **IP** of. password:"),
        (
            {"default": "drop", "CREDIT_CARD": "mask", "SECRET": "opaque"},
            "Mail, card ************1111 or **IP** of. password: [SECRET]",
        ),
    ],
)
def test_what_takes_the_place_of_a_value_is_the_sources_choice(
    redactor: Redactor, output: dict[str, str], left: str
) -> None:
    redacted = by(redactor, LETTER, output=output)
    assert redacted.texts[0] == left
    assert redacted.counts == {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1, "SECRET": 1, "UK_NINO": 1}


def test_dropping_brings_nothing_together_that_stays(redactor: Redactor) -> None:
    assert by(redactor, f"passport {ADDRESS} 912803456 end", output={"default": "drop"}).texts == ("passport end",)
    assert by(redactor, f"{ADDRESS} first", f"({ADDRESS})", ADDRESS, output={"default": "drop"}).texts == (
        "first",
        "()",
        "",
    )


def test_without_an_opaque_output_its_look_is_ordinary_text(redactor: Redactor) -> None:
    assert by(redactor, "account number [PERSON] 12345678").counts == {"BANK_ACCOUNT": 1}


def test_an_allowed_string_stays_but_hides_nothing_longer(redactor: Redactor) -> None:
    allow = [ADDRESS, "Ada Lovelace Building"]
    texts = (ADDRESS.upper(), f"x{ADDRESS}", f"{ADDRESS}.fr", "Meet Mr Jones in the Ada  Lovelace building.")
    redacted = by(redactor, *texts, allow=allow)
    assert redacted.texts[0] == texts[0]
    assert redacted.counts["EMAIL_ADDRESS"] == 2
    assert redacted.texts[3].endswith(" in the Ada  Lovelace building.")
    assert "Jones" not in redacted.texts[3]


def test_an_allowed_string_leaves_no_secret_that_goes_on_after_it(redactor: Redactor) -> None:
    assert by(redactor, "password: hunter2!!", allow=["hunter2"]).counts == {"SECRET": 1}
    assert by(redactor, "password: hunter2!!", allow=["hunter2!!"]).counts == {}


@pytest.mark.parametrize("phrase", ["(staff)", "*staff", "\\staff", "[staff", "²staff"])
def test_signs_before_the_words_of_a_context_mean_nothing(redactor: Redactor, phrase: str) -> None:
    near = {"entity": "STAFF_NUMBER", "regex": "NW-[0-9]{6}", "context": [phrase]}
    assert by(redactor, f"{phrase} NW-123456", patterns=[near]).counts == {"STAFF_NUMBER": 1}


def test_own_patterns_are_whole_words_and_meet_in_a_query(redactor: Redactor) -> None:
    staff = {"entity": "STAFF_NUMBER", "regex": "(?i:NW)-[0-9]{6}"}
    redacted = by(redactor, "Account number NW-123456, nw\u2011123456 and NW-1234567", patterns=[staff])
    token = pseudonym("STAFF_NUMBER", "NW-123456", key=KEY)
    assert redacted.texts[0].startswith(f"Account number {token}, {token} and NW-")
    near = staff | {"context": ["Employé"]}
    redacted = by(redactor, f"NW-123456 {'and so on ' * 9} employe NW-123456", patterns=[near])
    assert redacted.counts == {"STAFF_NUMBER": 1}
    assert redacted.texts[0].startswith("NW-123456 ")


def test_kinds_are_added_and_kept(redactor: Redactor) -> None:
    text = "on 3 May 2020 by AB123456C"
    assert by(redactor, text, also=["DATE"], keep=["UK_NINO"]).counts == {"DATE": 1}


def test_a_lone_surrogate_is_no_way_round(redactor: Redactor) -> None:
    assert redact(redactor, f"{ADDRESS[:3]}\ud800{ADDRESS[3:]}").counts == {"EMAIL_ADDRESS": 1}


def test_the_profile_none_asks_nobody() -> None:
    detector = Answering({})
    assert redact(Redactor(detector), ADDRESS, profile="none") == Redacted(texts=(ADDRESS,), counts={}, uncovered=0)
    assert detector.asked == []


def test_time_is_allowed_by_the_kilobyte_and_two_seconds_at_least() -> None:
    detector = Answering({"spans": [[]], "uncovered": 0})
    redact(Redactor(detector), "x")
    redact(Redactor(detector), "x" * 1_000_000)
    assert [timeout_s for _, _, timeout_s in detector.asked] == [2.0, 200.0]


def test_the_detector_sees_no_key() -> None:
    detector = Answering({"spans": [[]], "uncovered": 0})
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
        redact(Redactor(Answering({"spans": spans, "uncovered": 0})), ADDRESS)
    assert (caught.value.reason, caught.value.stage) == ("redaction_failed", "redact")
    assert "ann" not in str(caught.value)


def test_a_short_key_is_refused() -> None:
    detector = Answering({"spans": [[]], "uncovered": 0})
    with pytest.raises(RefusedError):
        redact(Redactor(detector), "x", key=b"short")
    assert detector.asked == []


def test_every_reason_for_which_the_detector_refuses_has_its_words_here() -> None:
    """The child only names a reason; one that is not listed would be told as a fault of the parser."""
    trees = [ast.parse(Path(module.__file__ or "").read_text("utf-8")) for module in (detect, hunt)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "reason"]
    assert {ast.literal_eval(reason) for reason in named} == REFUSALS.keys()


def test_a_language_that_is_not_covered_quarantines(redactor: Redactor) -> None:
    with pytest.raises(QuarantineError) as caught:
        redactor.redact(["x"], key=KEY, rules=RedactionRules(profile="balanced", languages=("de",)))
    assert caught.value.reason == "redaction_not_covered"


def test_the_version_is_stable_and_needs_no_presidio() -> None:
    program = "import sys; from indexer.redact import Redactor as R; print(R(None).version, 'spacy' in sys.modules)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert other == [Redactor(Answering({})).version, "False"]
    assert re.fullmatch(r"[0-9a-f]{64}", other[0])
