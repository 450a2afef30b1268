"""Spans are exact, nothing hostile gets past, and what Presidio gives up on is an error."""

import logging
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import hunt
from indexer.detect import LANGUAGES, prepare
from indexer.recognisers import ENTITIES, LONG_TOKEN, NAMES, PROFILES
from indexer.sandbox import JSON, Handler
from policies.errors import QuarantineError

ADDRESS = "ann@example.com"
PATIENCE = 10
"""Ten times what a text may take: a machine that halts for a second fails no test, and what takes the square of a
text's length still does. `tests.evidence.hostile` holds the detector to its time."""


@pytest.fixture(scope="module")
def handler() -> Iterator[Handler]:
    logger = logging.getLogger("presidio-analyzer")
    before = logger.handlers, logger.propagate, logger.level
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hunt, "MIN_CPU_S", PATIENCE * hunt.MIN_CPU_S)
        patched.setattr(hunt, "CPU_PER_KB_S", PATIENCE * hunt.CPU_PER_KB_S)
        yield prepare()
    logger.handlers, logger.propagate, logger.level = before


Span = tuple[int, int, str]


def spans_in(
    handler: Handler, texts: Sequence[str], *, profile: str = "strict", languages: Sequence[str] = LANGUAGES
) -> list[list[Span]]:
    header: dict[str, JSON] = {"texts": list(texts), "languages": list(languages), "profile": profile}
    header["other_languages"] = "patterns"
    answer = handler(header, b"")["spans"]
    assert isinstance(answer, list)
    return [sorted_and_disjoint(spans, len(text)) for text, spans in zip(texts, answer, strict=True)]


def sorted_and_disjoint(spans: JSON, length: int) -> list[Span]:
    assert isinstance(spans, list)
    checked: list[Span] = []
    for span in spans:
        match span:
            case [int(start), int(end), str(entity)]:
                assert (checked[-1][1] if checked else 0) <= start < end <= length
                checked.append((start, end, entity))
            case _:
                pytest.fail("not a span")
    return checked


def found(
    handler: Handler, texts: Sequence[str], *, profile: str = "strict", languages: Sequence[str] = LANGUAGES
) -> list[list[tuple[str, str]]]:
    everywhere = spans_in(handler, texts, profile=profile, languages=languages)
    return [
        [(entity, text[start:end]) for start, end, entity in spans]
        for text, spans in zip(texts, everywhere, strict=True)
    ]


def without(text: str, spans: Sequence[Span], *, token: str = "") -> str:
    for start, end, entity in reversed(spans):
        text = text[:start] + token.format(entity) + text[end:]
    return text


def test_offsets_are_those_of_the_text_as_given(handler: Handler) -> None:
    texts = ["", "ﬁle\u200b \u2028 ａｓ ＡＢ\u200912\u20113456Ｃ!", f"né «{ADDRESS}», 127.0.0.1", "x"]
    assert found(handler, texts) == [
        [],
        [("UK_NINO", "ＡＢ\u200912\u20113456Ｃ")],
        [("EMAIL_ADDRESS", ADDRESS), ("IP_ADDRESS", "127.0.0.1")],
        [],
    ]


@pytest.mark.parametrize(
    ("profile", "entities"),
    [
        ("identifiers", {"UK_NINO"}),
        ("balanced", {"UK_NINO", "EMAIL_ADDRESS"}),
        ("strict", {"UK_NINO", "EMAIL_ADDRESS", "IP_ADDRESS", "MAC_ADDRESS", "DATE"}),
    ],
)
def test_a_profile_finds_its_entities_only(handler: Handler, profile: str, entities: set[str]) -> None:
    text = f"AB123456C {ADDRESS} 10.1.2.3 00:1a:2b:3c:4d:5e 12 March 2020"
    assert {entity for entity, _ in found(handler, [text], profile=profile)[0]} == entities


@pytest.mark.parametrize("languages", [["en"], ["fr"], ["fr", "en"]])
def test_every_entity_is_looked_for_in_either_language(handler: Handler, languages: list[str]) -> None:
    text = "NHS 943 476 5919, né le 3 mai 1980, carte 4111 1111 1111 1111, 1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
    entities = [entity for entity, _ in found(handler, [text], profile="balanced", languages=languages)[0]]
    assert entities == ["UK_NHS", "DATE_OF_BIRTH", "CREDIT_CARD", "CRYPTO"]


def test_a_label_in_one_text_announces_the_value_in_the_next(handler: Handler) -> None:
    assert found(handler, ["Passport no.", "", "912803456", "912803457"])[2:] == [
        [("PASSPORT", "912803456")],
        [("PASSPORT", "912803457")],
    ]


def test_a_value_over_the_end_of_a_text_is_found_in_both(handler: Handler) -> None:
    assert found(handler, ["card 4111 1111", "1111 1111 is mine", "ann@", "example.com"]) == [
        [("CREDIT_CARD", "4111 1111")],
        [("CREDIT_CARD", "1111 1111")],
        [("EMAIL_ADDRESS", "ann@")],
        [("EMAIL_ADDRESS", "example.com")],
    ]
    assert found(handler, ["card 4111 1111", "", "1111 1111"]) == [[], [], []]


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("Card 4111 1111\n1111 1111 please", "CREDIT_CARD", "4111 1111\n1111 1111"),
        ("Card 4111-1111-\n  1111-1111", "CREDIT_CARD", "4111-1111-\n  1111-1111"),
        ("4111 1111\u20281111 1111", "CREDIT_CARD", "4111 1111\u20281111 1111"),
        ("IBAN GB82 WEST 1234\n5698 7654 32", "IBAN_CODE", "GB82 WEST 1234\n5698 7654 32"),
        ("GB82\nWEST 1234 5698 7654 32", "IBAN_CODE", "GB82\nWEST 1234 5698 7654 32"),
        ("Tel. +44 20 7946\n0958", "PHONE_NUMBER", "+44 20 7946\n0958"),
        ("a line\nTel. (020)\n7946 0958\nanother", "PHONE_NUMBER", "(020)\n7946 0958"),
        ("AB 12 34\n56 C", "UK_NINO", "AB 12 34\n56 C"),
        ("NHS no. 943 476\n5919", "UK_NHS", "943 476\n5919"),
        ("jane.doe@example.\ncom", "EMAIL_ADDRESS", "jane.doe@example.\ncom"),
        ("<jane.doe@\nexample.com>", "EMAIL_ADDRESS", "jane.doe@\nexample.com"),
        ("to jane@our-\ncompany.example, today", "EMAIL_ADDRESS", "jane@our-\ncompany.example"),
    ],
)
def test_a_value_on_two_lines_is_found(handler: Handler, text: str, entity: str, value: str) -> None:
    assert found(handler, [text], profile="balanced") == [[(entity, value)]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("020 7946 0958\n12 items", ["020 7946 0958"]),
        ("+49 30 901820\n2 rooms", ["+49 30 901820"]),
        ("Write to ann@example.com.\nwe answer", ["ann@example.com"]),
        ("ann@host.\nThen go on", []),
        ("4111 1111\n\n1111 1111", []),
        ("4111\n1111\n1111\n1111", []),
        ("4111 1111\n1111 1112", []),
        ("2019 2020\n2021 2022", []),
    ],
)
def test_no_value_grows_into_the_next_line(handler: Handler, text: str, values: list[str]) -> None:
    in_balanced = found(handler, [text], profile="balanced")[0]
    assert [value for entity, value in in_balanced if entity not in NAMES] == values


def test_a_profile_finds_its_entities_only_on_two_lines(handler: Handler) -> None:
    text = "Tel. +44 20 7946\n0958, jane@\nexample.com, AB 12 34\n56 C"
    assert [entity for entity, _ in found(handler, [text], profile="identifiers")[0]] == ["UK_NINO"]


def test_a_span_does_not_cut_a_word(handler: Handler) -> None:
    assert found(handler, ["ann@example.com2 and more"]) == [[("EMAIL_ADDRESS", "ann@example.com2")]]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a." * 20_000 + ADDRESS, ""),
        ("x" * 1_000_000, ""),
        ("1" * 500_000, ""),
        ("a@" * 20_000 + "example.com", ""),
        ("start " + "é" * 255 + " end", "start  end"),
        ("data:image/png;base64," + "iVBORw0KGgo=" * 5_000, ""),
        ("-" * 500_000 + "\n" + ADDRESS, "-" * 500_000 + "\n"),
        ("Chapter 1" + "." * 400 + "5", "Chapter 1" + "." * 400 + "5"),
        (f"\U000e0041{ADDRESS[:4]}\u00ad\u200d{ADDRESS[4:]}\ue000", "\U000e0041\ue000"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", ""),
        ("020 7946 0958 " * 2_000, " " * 2_000),
        (f"password={ADDRESS} ", "password= "),
        ("1111\n" * 2_000, "1111\n" * 2_000),
        (("a@" * 126 + "\n") * 20, None),
    ],
    ids=range(14),
)
def test_hostile_text_is_redacted_in_time(handler: Handler, text: str, left: str | None) -> None:
    (spans,) = spans_in(handler, [text])
    assert left is None or without(text, spans) == left


def test_long_tokens_are_of_every_profile_that_redacts() -> None:
    assert all(LONG_TOKEN in entities for profile, entities in PROFILES.items() if profile != "none")


def test_what_is_redacted_already_is_left_alone(handler: Handler) -> None:
    text = " ".join(f"{entity.lower()}: [{entity}_{'abcdefghij' * 2}]" for entity in sorted(ENTITIES))
    assert found(handler, [text, "born [DATE_abcdefghijabcdefghij]"]) == [[], []]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"texts": ["a"], "languages": [], "profile": "strict"},
        {"texts": ["a"], "languages": ["en", "de"], "profile": "strict"},
        {"texts": ["a"], "languages": ["en"], "profile": "lax"},
        {"texts": ["a", 1], "languages": ["en"], "profile": "strict"},
    ],
)
def test_what_is_not_covered_is_refused(handler: Handler, header: dict[str, JSON]) -> None:
    with pytest.raises(QuarantineError) as caught:
        handler(header, b"")
    assert (caught.value.reason, caught.value.stage) == ("redaction_not_covered", "redact")


def test_a_language_that_is_not_covered_quarantines_unless_patterns_do(handler: Handler) -> None:
    text = f"Пишите ей на {ADDRESS}, а не мне, и не забудьте про отпуск."
    header: dict[str, JSON] = {"texts": [text], "languages": ["en"], "profile": "balanced"}
    with pytest.raises(QuarantineError) as caught:
        handler(header, b"")
    assert (caught.value.reason, caught.value.stage) == ("language_not_covered", "redact")
    assert "Пишите" not in str(caught.value)
    answer = handler(header | {"other_languages": "patterns"}, b"")
    assert answer["uncovered"] == 1
    match answer["spans"]:
        case [[*spans]]:
            assert [13, 13 + len(ADDRESS), "EMAIL_ADDRESS"] in spans
        case _:
            pytest.fail("one list of spans")


@pytest.mark.usefixtures("handler")
def test_a_warning_of_presidio_is_an_error_without_its_text() -> None:
    with pytest.raises(QuarantineError) as caught:
        logging.getLogger("presidio-analyzer").warning("pattern timed out on %s", ADDRESS)
    assert caught.value.reason == "recogniser_failed"
    assert ADDRESS not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.sampled_from(
                    [
                        *(ADDRESS, "020 7946 0958", "AB 12 34 56 C", "4111 1111 1111 1111", "passport", "912803456"),
                        *("born", "12 March 1980", "password=", "sort code", "12-34-56", "@", "+44", "\u200b", "ﬁ"),
                        *("1234", "-", ".", " ", "\n", "(", "/", "é", "\ue000", "x" * 260, "GB29NWBK60161331926819"),
                        *(
                            "4111 1111",
                            "\n1111 1111",
                            "AB 12 34",
                            "\n56 C",
                            "+44 20 7946",
                            "\n0958",
                            "ann@",
                            "\nexample.com",
                        ),
                    ]
                ),
                st.text(max_size=8),
            ),
            max_size=14,
        ).map("".join),
        max_size=4,
    )
)
def test_a_second_look_at_what_is_left_finds_nothing(handler: Handler, texts: list[str]) -> None:
    token = "[{}_" + "ponmlkjihg" * 2 + "]"
    redacted = [without(text, spans, token=token) for text, spans in zip(texts, spans_in(handler, texts), strict=True)]
    assert spans_in(handler, redacted) == [[] for _ in texts]
