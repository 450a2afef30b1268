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


@pytest.mark.parametrize("tag", ["title", "template", "script src=x", "textarea", "svg", "iframe", "style", "nav"])
def test_a_tag_that_prose_speaks_of_hides_nothing(tag: str) -> None:
    page = text_of(markdown(f"Put the <{tag}> above.\n\nIt is *last*.".encode(), read=read))
    assert "<em>last</em>" in page
    assert f"&lt;{tag}&gt;" in page or tag == "nav"
    assert f"<{tag}>" not in page or tag == "nav"


def test_a_tag_that_ends_stays_a_tag() -> None:
    page = text_of(markdown(b"A <svg><title>chart</title></svg> and the <title> tag.", read=read))
    assert page == "<p>A <svg><title>chart</title></svg> and the &lt;title&gt; tag.</p>"


@pytest.mark.parametrize("page", [b"\n", b"<!-- nothing -->", b"<script>x</script>"])
def test_a_page_of_nothing_holds_no_elements(page: bytes) -> None:
    assert web_page(page, read=read).elements == ()


def test_a_page_nested_deeper_than_its_reader_follows_is_refused_and_not_read_in_part() -> None:
    assert text_of(web_page(b"<div>" * 250 + b"x", read=read)).endswith("x")
    assert text_of(web_page(b"<p>" * 5000 + b"x", read=read)).endswith("x")  # each ends the one before
    with pytest.raises(QuarantineError) as caught:
        web_page(b"<div>" * 300 + b"x" + b"</div>" * 300 + b"<p>after", read=read)
    assert caught.value.reason == "corrupt"


@pytest.mark.parametrize(("kept", "skipped"), [("one two three four five six seven eight nine", 0), ("one two", 1)])
def test_a_page_that_loses_many_of_its_words_has_a_skipped_part(kept: str, skipped: int) -> None:
    page = b"<head><title>not counted</title></head><body><p>one two three four five<p>six seven eight nine ten"
    assert web_page(page, read=lambda _: [Element(text=kept)]).skipped_parts == skipped
    assert markdown(page.partition(b"<p>")[2], read=lambda _: [Element(text=kept)]).skipped_parts == skipped
