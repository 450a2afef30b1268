import pytest

from connectors.web.page import MAX_LINKS, Directives, PageSays, header_directives, read_page
from connectors.web.urls import Url
from tests.patience import patient

BASE = Url(scheme="https", host="h.example", port=443, target="/a/b?c")


def says(html: str | bytes, *, content_type: str = "text/html") -> PageSays:
    content = html.encode() if isinstance(html, str) else html
    return read_page(content, url=BASE, content_type=content_type, agent="penstock")


def links(html: str | bytes, *, content_type: str = "text/html") -> list[str]:
    return [str(link).removeprefix("https://h.example") for link in says(html, content_type=content_type).links]


def test_links_are_found_in_any_writing() -> None:
    html = """
        <!DOCTYPE html><A HREF=/1><a class="x>y" href='/2' href="/not">
        <a\nhref\n=\n"/3?a=1&amp;b=2&#38;c"><area href=/4><iframe src=/5></iframe><frame src="/6">
        <a href="/1#again"><a name=x><a href><a href=""><a href="#top"><a href='/7"'><a/href=/8/><a href=/9>"""
    assert links(html) == ["/1", "/2", "/3?a=1&b=2&c", "/4", "/5", "/6", "/7%22", "/8/", "/9"]


def test_what_only_looks_like_a_link_is_none() -> None:
    html = (
        "<!-- <a href=/1> --><script>'<a href=/2>'</SCRIPT><style><a href=/3></style ><textarea><a href=/4></textarea>"
        "<title><a href=/5></title><p title='<a href=/6>'><link href=/7><img src=/8><form action=/9>< a href=/10>"
        "<a data-href=/11></a href=/12><abbr href=/13><a href=/real>"
    )
    assert links(html) == ["/real"]


def test_a_base_moves_relative_links() -> None:
    assert links("<base href='/x/'><a href=y>") == ["/x/y"]
    assert links("<base href='javascript:x'><a href=y>") == ["/a/y"]


def test_pages_are_read_in_their_own_encoding() -> None:
    assert links("<a href=/é>") == ["/%C3%A9"]
    assert links("<a href=/é>".encode("latin-1"), content_type="text/html; charset=ISO-8859-1") == ["/%C3%A9"]
    assert links("<meta charset='windows-1252'><a href=/é>".encode("cp1252")) == ["/%C3%A9"]
    assert links("<a href=/é>".encode("utf-16")) == ["/%C3%A9"]
    for nonsense in ("rot13", "zlib", "idna", "punycode", "unicode_escape", "undefined", "x" * 99):
        assert links("<a href=/é>", content_type=f"text/html; charset={nonsense}") == ["/%C3%A9"]


def test_directives_are_those_of_all_tags_and_of_headers_for_this_crawler() -> None:
    assert says("<meta name=robots content=noindex><meta name=Penstock content='a,NOFOLLOW'>").directives == Directives(
        index=False, follow=False
    )
    assert says("<meta name=robots content='all'><meta name=x content=none>").directives == Directives()
    assert header_directives(["a", "noarchive , noindex"], agent="penstock") == Directives(index=False)
    assert header_directives(["Penstock: none"], agent="penstock") == Directives(index=False, follow=False)
    assert header_directives(["noindex, max-snippet: 0"], agent="penstock") == Directives(index=False)
    assert header_directives(["other: noindex"], agent="penstock") == Directives()


@pytest.mark.parametrize(
    "unit",
    [
        "<a ",
        "<a<",
        "<!--",
        '<a x="',
        "<a x='",
        "<a b c ",
        "<![CDATA[",
        "</a ",
        "<?",
        "<script>",
        "<a\t\t/",
        "<a href=y>",
        "&#",
    ],
)
def test_hostile_text_takes_time_in_proportion(unit: str) -> None:
    text = (unit * 10**6)[: 2**18]
    with patient():
        says(text)


def test_a_number_without_an_end_in_a_link_is_no_link() -> None:
    assert links(f"<a href='&#{'9' * 5000};'><a href='/&#{'9' * 1900};'>") == ["/%EF%BF%BD"]


def test_so_many_links_are_taken_and_no_more() -> None:
    found = says("".join(f"<a href=/{number}>" for number in range(MAX_LINKS + 1)))
    assert (len(found.links), found.all_links) == (MAX_LINKS, False)
