import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer import NOTHING_VISIBLE, Answer, CitedPassage, Confidence, RetrievalRequest, VisibleSource
from gateway.problems import BodyInvalidError, BodyMalformedError
from gateway.schemas import (
    ConfidenceBody,
    PassageBody,
    SourcesBody,
    answer_examples,
    read_answer,
    read_request,
    render_answer,
    render_sources,
)
from policies.model import ConfidenceStatus, DocumentId, SourceName, Verdict
from tests.gateway.fakes import ANSWER, PASSAGE

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_PASSAGES = st.builds(
    CitedPassage,
    text=_TEXT,
    score=st.floats(-10, 10).map(lambda score: round(score, 6) + 0.0),
    source=_TEXT.map(SourceName),
    document=_TEXT.map(DocumentId),
    title=_TEXT,
    uri=_TEXT,
    version=_TEXT,
    page=st.none() | st.integers(1, 9),
    section=st.none() | _TEXT,
    ordinal=st.integers(0, 9),
)
_ANSWERS = st.builds(
    Answer,
    verdict=st.sampled_from(Verdict),
    reasons=st.lists(_TEXT, max_size=3).map(tuple),
    confidence=st.builds(
        Confidence,
        value=st.none() | st.floats(0, 1).map(lambda value: round(value, 4) + 0.0),
        status=st.sampled_from(ConfidenceStatus),
        calibration=st.none() | _TEXT,
        missing_labels=st.none() | st.integers(0, 99),
    ),
    unmatched_terms=st.lists(_TEXT, max_size=3).map(tuple),
    passages=st.lists(_PASSAGES, max_size=3).map(tuple),
)


def body(**fields: object) -> bytes:
    return json.dumps({"query": "leave", "purpose": "employee-support", **fields}).encode()


def test_a_body_becomes_the_request_it_describes() -> None:
    text = body(query="  days of leave?\n", sources=["b", "a", "b"], k=50, conversation="c-1:2.x_Y")
    assert read_request(text) == RetrievalRequest(
        query="days of leave?",
        purpose="employee-support",
        sources=frozenset({SourceName("a"), SourceName("b")}),
        k=50,
        conversation="c-1:2.x_Y",
    )


def test_what_is_left_out_means_every_source_and_ten_passages() -> None:
    assert read_request(body()) == RetrievalRequest(
        query="leave", purpose="employee-support", sources=None, k=10, conversation=None
    )
    assert read_request(body(sources=None, conversation=None)) == read_request(body())


@pytest.mark.parametrize("length", [1, 20_000])
def test_a_query_of_allowed_length_passes(length: int) -> None:
    assert len(read_request(body(query="é" * length)).query) == length


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"query": ""}, "query"),
        ({"query": " \n\t\u2003 "}, "query"),
        ({"query": "x" * 20_001}, "query"),
        ({"query": "x" * 100_000}, "query"),
        ({"query": "a\x00b"}, "query"),
        ({"query": "\ud800"}, "query"),
        ({"query": None}, "query"),
        ({"query": 5}, "query"),
        ({"query": ["x"]}, "query"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "Employee Support"}, "purpose"),
        ({"purpose": "a\n"}, "purpose"),
        ({"purpose": "p" * 64}, "purpose"),
        ({"sources": []}, "sources"),
        ({"sources": "hr"}, "sources"),
        ({"sources": ["a"] * 101}, "sources"),
        ({"sources": ["a", "../b"]}, "sources.1"),
        ({"sources": ["a", {"b": 1}]}, "sources.1"),
        ({"k": 0}, "k"),
        ({"k": 51}, "k"),
        ({"k": True}, "k"),
        ({"k": 1.0}, "k"),
        ({"k": "3"}, "k"),
        ({"k": None}, "k"),
        ({"k": 10**30}, "k"),
        ({"conversation": ""}, "conversation"),
        ({"conversation": "a b"}, "conversation"),
        ({"conversation": "c" * 129}, "conversation"),
        ({"Query": "x"}, ""),
        ({"within": ["everything"]}, ""),
        ({"__proto__": {}}, ""),
    ],
)
def test_a_field_that_is_not_as_it_must_be_is_named(fields: dict[str, object], path: str) -> None:
    with pytest.raises(BodyInvalidError) as caught:
        read_request(body(**fields))
    assert [fault.path for fault in caught.value.faults] == [path]


@pytest.mark.parametrize("text", [b"[]", b'"x"', b"3", b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(BodyInvalidError) as caught:
        read_request(text)
    assert [fault.path for fault in caught.value.faults] == [""]


def test_every_missing_field_is_named() -> None:
    with pytest.raises(BodyInvalidError) as caught:
        read_request(b"{}")
    assert [fault.path for fault in caught.value.faults] == ["query", "purpose"]


def test_at_most_ten_faults_are_told_and_none_echoes_the_input() -> None:
    with pytest.raises(BodyInvalidError) as caught:
        read_request(body(query=["NEEDLE"], sources=["NEEDLE"] * 50, NEEDLE="NEEDLE"))
    assert len(caught.value.faults) == 10
    assert "NEEDLE" not in repr((caught.value.args, caught.value.faults, caught.value.__cause__))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_a_refusal(text: bytes) -> None:
    try:
        read_request(text)
    except (BodyMalformedError, BodyInvalidError):
        return
    raise AssertionError("no two hundred random bytes are a request")


@given(_ANSWERS)
def test_an_answer_comes_back_from_the_wire_unchanged(answer: Answer) -> None:
    assert read_answer(render_answer(answer, "r1")) == answer


def test_the_wire_and_the_domain_have_the_same_fields() -> None:
    assert list(PassageBody.model_fields) == list(CitedPassage.__dataclass_fields__)
    assert list(ConfidenceBody.model_fields) == list(Confidence.__dataclass_fields__)


def test_the_bytes_of_an_answer_are_fixed() -> None:
    assert render_answer(ANSWER, "r1").decode() == (
        '{"request_id":"r1","verdict":"caution","reasons":["provisional"],'
        '"confidence":{"value":0.8765,"status":"provisional","calibration":"c1","missing_labels":26},'
        '"unmatched_terms":["Sabbatjahr"],'
        '"passages":[{"text":"Leave is 25 days — “per year”.","score":0.123457,"source":"hr-handbook",'
        f'"document":"{"0" * 32}","title":"Leave","uri":"https://intranet.example/leave","version":"v1",'
        '"page":3,"section":null,"ordinal":7}]}'
    )


def test_a_difference_below_the_last_decimal_does_not_show() -> None:
    near = replace(ANSWER, passages=(replace(PASSAGE, score=0.12345679),))
    zero, minus = (replace(ANSWER, passages=(replace(PASSAGE, score=score),)) for score in (0.0, -1e-9))
    assert render_answer(near, "r1") == render_answer(ANSWER, "r1")
    assert render_answer(zero, "r1") == render_answer(minus, "r1")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_never_sent(number: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        render_answer(replace(ANSWER, passages=(replace(PASSAGE, score=number),)), "r1")


def test_sources_are_listed_by_name() -> None:
    listed = [
        VisibleSource(name=SourceName(name), title=name.upper(), purposes=frozenset({"q", "p"})) for name in ("b", "a")
    ]
    text = render_sources(listed, "r1")
    assert json.loads(text) == {
        "request_id": "r1",
        "sources": [
            {"name": "a", "title": "A", "purposes": ["p", "q"]},
            {"name": "b", "title": "B", "purposes": ["p", "q"]},
        ],
    }
    SourcesBody.model_validate_json(text)


def test_the_examples_are_answers() -> None:
    examples = answer_examples()
    assert set(examples) == {"found", "denied"}
    read = {name: read_answer(json.dumps(example["value"]).encode()) for name, example in examples.items()}
    assert read["denied"] == NOTHING_VISIBLE
