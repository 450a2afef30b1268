"""What is found, under which id and stamp, and at which cost."""

import gzip
from datetime import UTC, datetime

import pytest

from tests.connectors.web.server import DATE, TAKEN, Answer, Handler, Web, page

OLD = "Mon, 02 Mar 2026 10:00:00 GMT"


def test_links_are_followed_nearest_first_and_each_page_comes_once(web: Web) -> None:
    web.html("/", "a", "/b#part", "./c?x=1", "//other.example/", "mailto:x@y.example", "")
    web.html("/a", "/", "/b", "d/e")
    web.html("/b", "/a")
    web.html("/c?x=1", "?x=2")
    web.html("/c?x=2")
    web.html("/d/e", "../a")
    assert list(web.documents()) == ["/", "/a", "/b", "/c?x=1", "/d/e", "/c?x=2"]
    assert web.targets == ["/", "/a", "/b", "/c?x=1", "/d/e", "/c?x=2"]


def test_one_page_in_several_spellings_is_asked_for_once(web: Web) -> None:
    web.html("/", "/%7Ea/./b", "/~a/b#x", "/x/../~a/b", f"HTTP://127.0.0.1:{web.port}/%7ea/b", "/~a\\b")
    web.html("/~a/b")
    assert web.told() == {"": "complete", "/": TAKEN, "/~a/b": TAKEN}
    assert web.targets == ["/", "/~a/b"]


def test_nothing_outside_the_allow_list_is_asked_for(web: Web) -> None:
    web.html("/docs/", "/docs/in", "/docs-old/x", "/", "/docs/../secret", "/docs/..%2fsecret", "/docs/..;/secret")
    web.html("/docs/in", f"http://127.0.0.1:{web.port + 1}/docs/", f"https://127.0.0.1:{web.port}/docs/")
    assert web.told(start=[f"{web.url}/docs/"], allow=[f"{web.url}/docs"]) == {
        "": "complete",
        "/docs/": TAKEN,
        "/docs/in": TAKEN,
    }
    assert web.targets == ["/docs/", "/docs/in"]


def test_what_is_excluded_is_not_even_asked_for(web: Web) -> None:
    web.html("/", "/keep", "/calendar/2026/03", "/old/", "/x/print?id=1", "/archive.zip")
    web.html("/keep")
    patterns = ["**/calendar/**", "127.0.0.1:*/old/**", "**/print?*", "**/*.zip"]
    assert web.told(exclude=patterns) == {"": "complete", "/": TAKEN, "/keep": TAKEN}
    assert web.targets == ["/", "/keep"]


def test_max_depth_says_what_the_source_is(web: Web) -> None:
    for number in range(5):
        web.html(f"/{number or ''}", f"/{number + 1}")
    assert web.told(max_depth=2) == {"": "complete", "/": TAKEN, "/1": TAKEN, "/2": TAKEN}


def test_more_pages_than_allowed_leave_the_listing_incomplete_and_say_so_once(web: Web) -> None:
    web.html("/", *(f"/{number}" for number in range(10)))
    for number in range(10):
        web.html(f"/{number}", f"/{number}/x", f"/{number}/y")
        web.html(f"/{number}/x")
        web.html(f"/{number}/y")
    assert web.told(max_pages=3) == {
        "": "incomplete",
        "/": TAKEN,
        "/0": TAKEN,
        "/1": TAKEN,
        "/2": "unreadable",
    }
    assert len(web.targets) == 3
    assert web.told(max_pages=31)[""] == "complete"


def test_a_sitemap_with_more_pages_than_allowed_leaves_the_listing_incomplete(web: Web) -> None:
    web.sitemap("/a", "/b", "/c")
    web.html("/a")
    web.html("/b")
    web.html("/", "/d")
    begins: list[dict[str, object]] = [{}, {"start": [f"{web.url}/"]}]
    for begin in begins:
        assert web.told(**web.begin(by="sitemap"), **begin, max_pages=2) == {
            "": "incomplete",
            "/a": TAKEN,
            "/b": TAKEN,
            "/c": "unreadable",
        } | dict.fromkeys(["/"] * len(begin), TAKEN)


def test_an_unchanged_page_of_a_sitemap_costs_one_head_request(web: Web) -> None:
    web.sitemap("/a", "/b.pdf")
    web.html("/a", ETag='"1"')
    web.pages["/b.pdf"] = Answer(headers={"Last-Modified": OLD, "Content-Type": "application/pdf"}, body=b"%PDF-")
    first = web.documents(**web.begin(by="sitemap"))
    web.asked.clear()
    assert web.documents(**web.begin(by="sitemap")) == first
    assert [(asked.method, asked.target) for asked in web.asked] == [
        ("GET", "/robots.txt"),
        ("GET", "/sitemap.xml"),
        ("HEAD", "/a"),
        ("HEAD", "/b.pdf"),
    ]
    assert first["/a"].stamp == 'etag "1"'
    assert first["/b.pdf"].stamp == "modified 2026-03-02T10:00:00+00:00 5"
    assert first["/b.pdf"].modified == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_a_page_without_etag_or_settled_time_has_no_stamp(web: Web) -> None:
    web.sitemap("/a", "/b", lastmod="2026-03-01")
    web.html("/a")
    web.pages["/b"] = Answer(headers={"Last-Modified": DATE}, body=b"b")
    found = web.documents(**web.begin(by="sitemap"))
    assert [(document.stamp, document.modified) for document in found.values()] == [
        ("", datetime(2026, 3, 1, tzinfo=UTC)),
        ("", datetime(2026, 3, 3, 10, tzinfo=UTC)),
    ]


def test_a_trusted_lastmod_costs_no_request_and_changes_the_stamp(web: Web) -> None:
    options = {**web.begin(by="sitemap"), "trust_lastmod": True}
    web.sitemap("/a", "/b.pdf", lastmod="2026-03-01T08:00:00+01:00")
    web.html("/a")
    first = web.documents(**options)
    assert web.targets == ["/sitemap.xml"]
    assert [(document.name, document.modified) for document in first.values()] == [
        ("a.html", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("b.pdf", datetime(2026, 3, 1, 7, tzinfo=UTC)),
    ]
    web.sitemap("/a", "/b.pdf", lastmod="2026-03-02")
    assert web.documents(**options)["/a"].stamp != first["/a"].stamp
    web.sitemap("/a", lastmod="")
    web.html("/a", ETag='"1"')
    assert web.documents(**options)["/a"].stamp == 'etag "1"'


def test_a_crawled_page_is_stamped_by_its_content_and_a_file_by_a_head_request(web: Web) -> None:
    web.html("/", "/file.pdf", ETag='"the same for ever"')
    web.pages["/file.pdf"] = Answer(headers={"Content-Type": "application/pdf", "ETag": '"f"'}, body=b"%PDF-")
    before = web.documents()
    assert [(asked.method, asked.target) for asked in web.asked[1:]] == [("GET", "/"), ("HEAD", "/file.pdf")]
    web.html("/", "/file.pdf", "/new", ETag='"the same for ever"')
    after = web.documents()
    assert before["/"].stamp != after["/"].stamp
    assert before["/file.pdf"].stamp == after["/file.pdf"].stamp == 'etag "f"'


def test_a_file_that_is_a_page_after_all_is_read_for_its_links(web: Web) -> None:
    web.html("/", "/list.pdf", "/image")
    web.html("/list.pdf", "/found")
    web.html("/found")
    web.pages["/image"] = Answer(headers={"Content-Type": "image/png"}, body=b"x" * 100)
    assert web.told() == {"": "complete", "/": TAKEN, "/list.pdf": TAKEN, "/found": TAKEN}


def test_a_site_that_mistakes_head_is_asked_by_get(web: Web) -> None:
    web.sitemap("/a", "/gone")
    for status in (404, 405, 501, 403):
        web.pages["/a"] = [Answer(status=status), Answer(body=b"text")]
        assert web.told(**web.begin(by="sitemap")) == {"": "complete", "/a": TAKEN, "/gone": "gone"}


def test_sitemaps_are_read_through_indexes_compressed_or_not(web: Web) -> None:
    def index(*targets: str) -> Answer:
        entries = "".join(f"<sitemap><loc>{web.url}{target}</loc></sitemap>" for target in targets)
        return Answer(body=f"<?xml version='1.0'?><sitemapindex>{entries}</sitemapindex>".encode())

    web.pages["/sitemap.xml"] = index("/one.xml", "/two.xml.gz", "/sitemap.xml", "/three.xml")
    web.sitemap("/a", "/b", target="/one.xml")
    web.sitemap("/b", "/c", target="/two.xml.gz")
    web.sitemap("/d", target="/three.xml")
    two, three = web.pages["/two.xml.gz"], web.pages["/three.xml"]
    assert isinstance(two, Answer)
    assert isinstance(three, Answer)
    web.pages["/two.xml.gz"] = Answer(headers={"Content-Type": "application/gzip"}, body=gzip.compress(two.body))
    web.pages["/three.xml"] = Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(three.body))
    for target in "abcd":
        web.html(f"/{target}")
    assert web.told(**web.begin(by="sitemap")) == {"": "complete"} | dict.fromkeys(("/a", "/b", "/c", "/d"), TAKEN)


def test_a_sitemap_may_lie_above_the_allow_list_and_leads_no_page_out_of_it(web: Web) -> None:
    web.sitemap("/docs/a", "/secret", "/docs/../secret")
    web.html("/docs/a")
    assert web.told(**web.begin(by="sitemap"), allow=[f"{web.url}/docs/"]) == {"": "complete", "/docs/a": TAKEN}
    assert web.targets == ["/sitemap.xml", "/docs/a"]


def test_a_page_has_the_id_of_the_address_it_is_read_at(web: Web) -> None:
    """Also behind a temporary redirect, where it used to keep the address that was asked for.

    Anybody's link to such an address, as sign-in pages have them, took the page out of the rules for its own.
    """
    web.html("/", "/moved", "/moved-too", "/today", "/both", "/both-ways")
    web.redirect("/moved", "/new", 301)
    web.redirect("/moved-too", "/new", 308)
    web.redirect("/today", "/2026/03/03", 302)
    web.redirect("/both", "/lasting", 301)
    web.redirect("/lasting", "/2026/03/03", 307)
    web.redirect("/both-ways", "/moved", 303)
    web.html("/new")
    web.html("/2026/03/03", "/new")
    assert web.told() == {"": "complete"} | dict.fromkeys(("/", "/new", "/2026/03/03"), TAKEN)
    assert web.targets.count("/new") == 3
    assert web.documents()["/2026/03/03"].uri == f"{web.url}/2026/03/03"
    assert web.fetched("/2026/03/03").startswith("<html><head></head><body>/2026/03/03")
    assert {web.fetched(target) for target in ("/today", "/both", "/moved")} == {"changed"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_page_out_of_the_rules_for_its_address(web: Web, status: int) -> None:
    web.html("/", "/login?next=/board/minutes.html")
    web.redirect("/login?next=/board/minutes.html", "/board/minutes.html", status)
    web.html("/board/minutes.html", "/board-leads-here")
    web.html("/board-leads-here")
    web.sitemap("/login?next=/board/minutes.html")
    assert set(web.documents()) == {"/", "/board/minutes.html", "/board-leads-here"}
    assert set(web.documents(**web.begin(by="sitemap"))) == {"/board/minutes.html"}
    excluded = ["127.0.0.1:*/board/**"]
    assert web.told(exclude=excluded) == {"": "complete", "/": TAKEN}
    assert web.told(**web.begin(by="sitemap"), exclude=excluded) == {"": "complete"}


def test_a_trusted_sitemap_takes_no_page_by_an_address_that_redirects(web: Web) -> None:
    web.sitemap("/a", lastmod="2026-03-01")
    web.redirect("/a", "/board/minutes", 301)
    web.html("/board/minutes")
    assert web.told(**web.begin(by="sitemap"), trust_lastmod=True) == {"": "complete", "/a": TAKEN}
    assert web.fetched("/a") == "changed"


@pytest.mark.parametrize("alias", ["//board/minutes", "/board%2Fminutes", "/board;x/minutes", "/%2562oard/minutes"])
def test_a_second_spelling_of_an_address_is_never_asked_for(web: Web, alias: str) -> None:
    def merging(handler: Handler) -> None:
        handler.send(page("/", text="minutes"))

    web.html("/", f"{web.url}{alias}", "/hop")
    web.redirect("/hop", f"{web.url}{alias}")
    web.pages[alias] = merging
    assert web.told() == {"": "incomplete", "/": TAKEN, "/hop": "outside_allow_list"}
    assert web.fetched(alias) == "outside_allow_list"
    assert alias not in web.targets


def test_a_redirect_may_be_told_in_utf_8_or_latin_1_or_encoded(web: Web) -> None:
    web.html("/", "/1", "/2", "/3")
    for number, location in enumerate(("/é".encode().decode("latin-1"), "/é", "/%c3%a9"), start=1):
        web.redirect(f"/{number}", location, 301)
    web.html("/%C3%A9")
    assert web.told() == {"": "complete", "/": TAKEN, "/%C3%A9": TAKEN}


def test_names_have_an_extension_by_which_the_format_is_recognised(web: Web) -> None:
    kinds = {
        "/": "text/html",
        "/a": "text/html",
        "/b.php?id=7": "text/html; charset=utf-8",
        "/c.htm": "TEXT/HTML",
        "/rs%00.md": "text/plain",
        "/d": "application/pdf",
        "/e.docx": "application/octet-stream",
        "/f.csv": "text/plain",
        "/g.blob": "text/plain",
        "/h": "application/octet-stream",
        "/i.mp4": "video/mp4",
    }
    web.sitemap(*kinds)
    for target, kind in kinds.items():
        web.pages[target] = Answer(headers={"Content-Type": kind}, body=b"x")
    assert {target: document.name for target, document in web.documents(**web.begin(by="sitemap")).items()} == {
        "/": "index.html",
        "/a": "a.html",
        "/b.php?id=7": "b.php.html",
        "/c.htm": "c.htm",
        "/rs%00.md": "rs_.md",
        "/d": "d.pdf",
        "/e.docx": "e.docx",
        "/f.csv": "f.csv",
        "/g.blob": "g.blob.txt",
    }


def test_types_choose_what_is_taken_and_pages_are_read_for_links_all_the_same(web: Web) -> None:
    web.html("/", "/a.pdf", "/b.txt")
    web.pages["/a.pdf"] = Answer(headers={"Content-Type": "application/pdf"}, body=b"%PDF-")
    web.pages["/b.txt"] = Answer(body=b"text")
    assert web.told(types=["application/pdf"]) == {"": "complete", "/a.pdf": TAKEN}
