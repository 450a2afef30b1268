import json

import pytest

from indexer.formats.records import json_document, json_lines, xml_document
from indexer.formats.tables import MAX_BLOCK_CHARS
from policies.errors import QuarantineError


def blocks(value: object) -> list[str]:
    return [element.text for element in json_document(json.dumps(value))]


def test_values_stand_beside_their_path() -> None:
    value = {"a": 1, "b": {"c": [True, None, {"d": "x"}]}, "e": ""}
    assert blocks(value) == ["a: 1\n\nb.c: true\nb.c.d: x"]


def test_numbers_stay_as_they_are_written() -> None:
    assert [item.text for item in json_document("[1e400, 1.10, 12345678901234567890123]")] == [
        "1e400\n\n1.10\n\n12345678901234567890123"
    ]


def test_each_object_of_a_list_stays_together() -> None:
    found = blocks([{"id": number, "note": "x" * 400} for number in range(10)])
    assert all(len(block) <= MAX_BLOCK_CHARS for block in found)
    assert "\n\n".join(found) == "\n\n".join(f"id: {number}\nnote: {'x' * 400}" for number in range(10))


def test_saved_elements_are_read_as_elements() -> None:
    saved = [
        {"type": "Title", "element_id": "a", "text": "Head", "metadata": {"page_number": 2}},
        {"type": "NarrativeText", "element_id": "b", "text": "Body.", "metadata": {}},
    ]
    assert [(item.kind, item.depth, item.page, item.text) for item in json_document(json.dumps(saved))] == [
        ("title", 1, 2, "Head"),
        ("text", 0, None, "Body."),
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "Title", "element_id": "a", "text": "Head"},
        {"type": "Invented", "element_id": "a", "text": "Head", "metadata": {}},
        {"type": "Title", "element_id": "a", "text": None, "metadata": {}},
        {"type": "Title", "text": "Head", "metadata": {"owner": "Bo"}},
        {"type": "Title", "element_id": "a", "text": "Head", "metadata": {}, "limit": 5000},
    ],
)
def test_what_only_looks_like_saved_elements_is_data(item: dict[str, object]) -> None:
    good = {"type": "Title", "element_id": "b", "text": "Good", "metadata": {}}
    (element,) = json_document(json.dumps([good, item]))
    assert element.kind == "text"
    assert all(str(value) in element.text for value in item.values() if value and value != {"owner": "Bo"})


def test_of_a_name_that_stands_twice_every_value_is_kept() -> None:
    text = '{"a": "first", "b": {"c": 1, "c": [2, 3], "c": {"d": 4}}, "a": "second"}'
    assert sorted("\n".join(item.text for item in json_document(text)).split()) == [
        *("1", "2", "3", "4", "a:", "a:", "b.c.d:", "b.c:", "b.c:", "b.c:", "first", "second")
    ]


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "[Infinity]", "[" * 101 + "]" * 101 + "x"])
def test_what_is_not_json_is_corrupt(text: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        json_document(text)
    assert caught.value.reason == "corrupt"


def test_a_broken_line_of_many_is_corrupt() -> None:
    with pytest.raises(QuarantineError):
        json_lines('{"a": 1}\n{"a": \n')


def test_xml_keeps_attributes_and_the_order_of_mixed_text() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><f:feed xmlns:f="u:x"><f:p id="7">a <b>bold</b> word</f:p></f:feed>'
    assert [item.text for item in xml_document(text)] == ["p.id: 7\np: a bold word"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("<doc owner='Bo'>Lead <b>bold</b> tail</doc>", "doc.owner: Bo\ndoc: Lead bold tail"),
        ("<doc><b>bold</b> tail</doc>", "doc: bold tail"),
        ("<doc owner='Bo'>\n <a>x</a>\n <a>y</a>\n</doc>", "doc.owner: Bo\n\na: x\n\na: y"),
        ("<doc owner='Bo'/>", "doc.owner: Bo"),
    ],
)
def test_xml_keeps_what_the_root_says_itself(text: str, lines: str) -> None:
    assert [item.text for item in xml_document(text)] == [lines]


@pytest.mark.parametrize("declaration", ["<!DOCTYPE a>", "<!doctype a>", "<!ENTITY a 'b'>"])
def test_xml_with_a_declaration_is_hostile(declaration: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        xml_document(f"{declaration}<a/>")
    assert caught.value.reason == "hostile"
