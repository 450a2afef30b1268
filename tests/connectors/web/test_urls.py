import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.web.urls import MAX_URL_CHARS, Prefix, Url, folder_of, read_url

BASE = Url(scheme="https", host="h.example", port=443, target="/a/b?c")


def at(text: str) -> str:
    """An address seen from BASE, "" where it is none."""
    return str(read_url(text, base=BASE) or "")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "https://h.example/a/b?c"),
        ("#x", "https://h.example/a/b?c"),
        ("?d", "https://h.example/a/b?d"),
        ("c?", "https://h.example/a/c"),
        ("c;", "https://h.example/a/c"),
        ("../../../c/./d/", "https://h.example/c/d/"),
        ("/c/..", "https://h.example/"),
        ("/c/.", "https://h.example/c/"),
        ("//o.example", "https://o.example/"),
        ("HTTPS://O.EXAMPLE:443/A", "https://o.example/A"),
        ("http://o.example.:8080/", "http://o.example:8080/"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("https://bücher.example/ü?ö", "https://xn--bcher-kva.example/%C3%BC?%C3%B6"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("/%7e%41%zz%e9 x", "https://h.example/~A%25zz%E9%20x"),
        ("/50%.txt", "https://h.example/50%25.txt"),
        ("/%c1rea", "https://h.example/%C1rea"),
        ("/c?d=//e;f%2Fg%252e", "https://h.example/c?d=//e;f%2Fg%252e"),
        ("\\c\\d?e\\f", "https://h.example/c/d?e%5Cf"),
        (" \t/c\n", "https://h.example/c"),
        ("/c\td", "https://h.example/cd"),
        ("/c?d=../e", "https://h.example/c?d=../e"),
        ("/..c/d..", "https://h.example/..c/d.."),
        ("http://127.1/", "http://127.1/"),
    ],
)
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    assert at(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "ftp://h.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user@h.example/",
        "https://user:password@h.example/",
        "https://@h.example/",
        "https://h.example:0/",
        "https://h.example:70000/",
        "https://h.example:x/",
        "https://[::1/",
        "https://[::1%25eth0]/",
        "https://[v1.x]/",
        "https://h_.exa mple/",
        "https://a..b/",
        "https://" + "a" * 64 + ".example/",
        "https://xn--\u200d.example/",
        "/" + "a" * MAX_URL_CHARS,
        "/" + "é" * (MAX_URL_CHARS // 2),
        "/c//d",
        "/c//",
        "https://h.example//c",
        "/c%2Fd",
        "/c%5cd",
        "/c;x/d",
        "/c%3Bx",
        "/c/%252e%252e/d",
        "/c/%25252e%25252e/d",
        "/%2563",
        "/c%c0%afd",
        "/c/%c0%ae%c0%ae/d",
        "/c/%2e%2e%2fd",
        "/c/..%2Fd",
        "/c/..%5Cd",
        "/c/..;x/d",
        "/c%2f..",
    ],
)
def test_what_is_never_asked_for_is_no_address(text: str) -> None:
    assert at(text) == ""


@pytest.mark.parametrize("text", ["", "/x", "//h.example/", "h.example", "https://", "https:///x", "https:h.example"])
def test_an_address_without_a_page_to_see_it_from_is_whole(text: str) -> None:
    assert read_url(text) is None


@given(text=st.text(max_size=60) | st.from_regex(r"/?([a.%2eEfF5cC/\\;?#:@é ]|%2e|\.\.){0,20}", fullmatch=True))
def test_every_address_is_ascii_stays_as_it_is_and_below_the_root(text: str) -> None:
    url = read_url(text, base=BASE)
    if url is None:
        return
    assert str(url).isascii()
    assert " " not in str(url)
    assert url.target.startswith("/")
    assert not {"..", "."} & set(url.path.split("/"))
    assert "" not in url.path.split("/")[1:-1]
    assert not re.search(r";|%(2f|5c|3b|25(2e|2f|5c))", url.path, re.IGNORECASE)
    assert read_url(str(url)) == url


def test_an_id_is_the_address_without_its_scheme() -> None:
    url = read_url("http://o.example:8080/a?b")
    assert url is not None
    assert (url.document_id, url.origin) == ("o.example:8080/a?b", "http://o.example:8080")
    assert BASE.document_id == "h.example/a/b?c"


def test_a_prefix_covers_its_page_and_what_lies_below() -> None:
    def covers(path: str, text: str) -> bool:
        url = read_url(text, base=BASE)
        return url is not None and Prefix(origin="https://h.example", path=path).covers(url)

    for inside in ("/docs", "/docs?x", "/docs/", "/docs/a/../b", "/x/%2e%2e/docs/a"):
        assert covers("/docs", inside)
    for outside in (
        "/",
        "/docs-old",
        "/docsx/a",
        "/docs/../a",
        "/DOCS",
        "http://h.example/docs",
        "//h.example:8443/docs",
    ):
        assert not covers("/docs", outside)
    assert covers("/", "/anything")
    assert not covers("/docs/", "/docs?x")
    assert folder_of(BASE) == Prefix(origin="https://h.example", path="/a/")
    assert folder_of(BASE.at("/sitemap.xml")) == Prefix(origin="https://h.example", path="/")
