import pytest

from indexer.formats.elements import Element, Parsed
from indexer.formats.markup.pages import markdown, web_page
from policies.errors import QuarantineError


def read(text: str) -> list[Element]:
    return [Element(text=text)]


def text_of(parsed: Parsed) -> str:
    return parsed.elements[-1].text


def test_a_page_is_read_in_the_encoding_that_was_declared_outside_before_its_own() -> None:
    page = '<meta charset="utf-8"><p>Привет'.encode("cp1251")
    assert "Привет" in text_of(web_page(page, read=read, declared="cp1251"))
    assert "Привет" in text_of(web_page('<meta charset="cp1251"><p>Привет'.encode("cp1251"), read=read))


def test_the_title_stands_in_the_head_or_in_the_front_matter() -> None:
    assert web_page(b"<TITLE lang=en>A &amp; B</TITLE>x", read=read).title == "A & B"
    assert markdown(b"---\ntitle: 'Guide'\n---\nText.", read=read).title == "Guide"
    assert markdown(b"Text.\n---\ntitle: no\n---\n", read=read).title is None


def test_a_page_nested_deeper_than_its_reader_follows_is_refused_and_not_read_in_part() -> None:
    assert text_of(web_page(b"<div>" * 250 + b"x", read=read)).endswith("x")
    assert text_of(web_page(b"<p>" * 5000 + b"x", read=read)).endswith("x")  # each ends the one before
    with pytest.raises(QuarantineError) as caught:
        web_page(b"<div>" * 300 + b"x" + b"</div>" * 300 + b"<p>after", read=read)
    assert caught.value.reason == "corrupt"
