"""What becomes of pages and listings when a site refuses, fails or throttles."""

import gzip

import pytest

from policies.errors import DependencyError, RefusedError
from tests.connectors.web.server import TAKEN, Answer, Web


def test_pages_that_are_gone_or_forbidden_are_told_apart(web: Web) -> None:
    web.html("/", "/404", "/410", "/401", "/403", "/400", "/ok")
    for status in (410, 401, 403, 400):
        web.pages[f"/{status}"] = Answer(status=status)
    web.html("/ok")
    assert web.told() == {
        "": "complete",
        "/": TAKEN,
        "/404": "gone",
        "/410": "gone",
        "/401": "forbidden",
        "/403": "forbidden",
        "/400": "unreadable",
        "/ok": TAKEN,
    }


def test_a_crawler_that_is_locked_out_on_the_way_tells_no_page_forbidden(web: Web) -> None:
    start = Answer(body=b'<a href="/a"><a href="/b">')
    web.pages["/"] = [start, Answer(status=403)]
    web.html("/a")
    web.pages["/b"] = Answer(status=403)
    listing = web.connector().list(None)
    names = [next(listing) for _ in range(2)]
    assert len(names) == 2
    with pytest.raises(RefusedError, match="forbids"):
        next(listing)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 302])
def test_a_listing_does_not_begin_where_its_first_address_is_not_to_be_had(web: Web, status: int) -> None:
    web.pages["/"] = Answer(status=status, headers={"Location": "https://login.example/"})
    with pytest.raises(RefusedError, match=r"connector.start\[0\]"):
        web.told()
    with pytest.raises(RefusedError, match=r"connector.sitemaps\[0\]"):
        web.told(sitemaps=[f"{web.url}/"])


def test_a_page_that_fails_is_kept_and_nothing_is_taken_for_deleted(web: Web) -> None:
    web.html("/", "/bad", "/good")
    web.pages["/bad"] = Answer(status=500)
    web.html("/good")
    assert web.told() == {"": "incomplete", "/": TAKEN, "/bad": "unreadable", "/good": TAKEN}
    assert web.targets.count("/bad") == 4


def test_a_page_that_fails_once_is_taken(web: Web) -> None:
    web.html("/", "/shaky")
    web.pages["/shaky"] = [Answer(status=502), Answer(status=503, headers={"Retry-After": "7"}), Answer(body=b"text")]
    assert web.told() == {"": "complete", "/": TAKEN, "/shaky": TAKEN}
    assert web.slept[-1] == 7


def test_a_site_that_went_away_ends_the_listing_after_five_pages(web: Web) -> None:
    web.html("/", *(f"/{number}" for number in range(9)))
    for number in range(9):
        web.pages[f"/{number}"] = Answer(status=500)
    with pytest.raises(DependencyError):
        web.told()
    assert len(set(web.targets)) == 6


def test_retry_after_is_honoured_in_seconds_and_as_a_date(web: Web) -> None:
    web.html("/", "/a", "/b")
    web.pages["/a"] = [Answer(status=429, headers={"Retry-After": "11"}), Answer(body=b"a")]
    later = {"Retry-After": "Tue, 03 Mar 2026 10:00:42 GMT"}
    web.pages["/b"] = [Answer(status=503, headers=later), Answer(body=b"b")]
    assert web.told()[""] == "complete"
    assert web.slept == [11, 42]


def test_a_site_that_throttles_beyond_patience_ends_the_listing(web: Web) -> None:
    web.html("/", "/a", "/b")
    web.pages["/a"] = Answer(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(DependencyError) as failure:
        web.told()
    assert failure.value.retry_after_s == 3600
    assert web.targets == ["/", "/a"]
    assert web.slept == []


def test_a_sitemap_below_an_index_that_fails_leaves_the_listing_incomplete(web: Web) -> None:
    body = "".join(f"<sitemap><loc>{web.url}/{name}.xml</loc></sitemap>" for name in ("good", "bad", "missing", "slow"))
    web.pages["/sitemap.xml"] = Answer(body=f"<sitemapindex>{body}</sitemapindex>".encode())
    web.sitemap("/a", target="/good.xml")
    web.pages["/bad.xml"] = Answer(body=b"<urlset><url>")
    web.pages["/slow.xml"] = Answer(status=500)
    web.html("/a")
    assert web.told(**web.begin(by="sitemap")) == {
        "": "incomplete",
        "/bad.xml": "unreadable",
        "/missing.xml": "unreadable",
        "/slow.xml": "unreadable",
        "/a": TAKEN,
    }


def test_fetching_tells_what_became_of_a_page(web: Web) -> None:
    web.html("/")
    outcomes = {}
    for status in (404, 410, 401, 403, 400, 500):
        web.pages["/"] = Answer(status=status)
        outcomes[status] = web.fetched("/")
    assert outcomes == dict.fromkeys((404, 410), "gone") | dict.fromkeys((401, 403, 400, 500), "unreadable")
    web.redirect("/", "https://login.example/")
    assert web.fetched("/") == "unreadable"
    web.pages["/"] = Answer(headers={"Content-Type": "image/png"}, body=b"x")
    assert web.fetched("/") == "other_type"
    assert web.fetched("/", start=[f"{web.url}/x"], allow=[f"{web.url}/x"]) == "outside_allow_list"


def test_a_compressed_page_is_fetched_as_it_was_before(web: Web) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0"
    web.sitemap("/a.txt")
    web.pages["/a.txt"] = Answer(headers={"Content-Encoding": "gzip"}, body=packed)
    (document,) = web.documents(**web.begin(by="sitemap")).values()
    assert (document.size_bytes, web.fetched("/a.txt")) == (None, "one two")
    assert web.fetched("/a.txt", max_bytes=7) == "one two"
    assert web.fetched("/a.txt", max_bytes=6) == "too_large"
