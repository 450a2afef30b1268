"""What becomes of pages and listings when a site refuses, fails or throttles."""

import gzip

import pytest

from connectors.base import Upsert
from connectors.patience import LONGEST_WAIT_S
from connectors.web.client import MAX_WAITS_S
from policies.errors import DependencyError, RefusedError
from tests.connectors.web.server import TAKEN, Answer, Web


def test_pages_that_are_gone_or_forbidden_are_told_apart(web: Web) -> None:
    web.html("/", "/404", "/410", "/401", "/403", "/400", "/ok")
    for status in (410, 401, 403, 400):
        web.pages[f"/{status}"] = Answer(status=status)
    web.html("/ok")
    assert web.told() == {
        "": "incomplete",
        "/": TAKEN,
        "/404": "gone",
        "/404#links": "unreadable",
        "/410": "gone",
        "/410#links": "unreadable",
        "/401": "forbidden",
        "/403": "forbidden",
        "/400": "unreadable",
        "/ok": TAKEN,
    }


@pytest.mark.parametrize("hub", [Answer(status=status) for status in (400, 401, 403, 404, 410, 451, 501, 505)])
def test_what_only_a_lost_page_led_to_is_not_taken_for_deleted(web: Web, hub: Answer) -> None:
    web.html("/", "/hub")
    web.html("/hub", "/a")
    web.html("/a")
    assert web.told() == {"": "complete", "/": TAKEN, "/hub": TAKEN, "/a": TAKEN}
    web.pages["/hub"] = hub
    assert web.told()[""] == "incomplete"
    web.redirect("/hub", "https://sign-in.example/")
    assert web.told() == {"": "incomplete", "/": TAKEN, "/hub": "outside_allow_list"}
    web.redirect("/hub", "/sign-in")
    web.pages["/sign-in"] = hub
    assert web.told()[""] == "incomplete"
    web.html("/")
    assert web.told() == {"": "complete", "/": TAKEN}


def test_a_page_that_leads_nowhere_by_its_place_or_name_is_lost_alone(web: Web) -> None:
    web.html("/", "/hub", "/gone.pdf", "/forbidden.PDF")
    web.html("/hub", "/gone")
    web.pages["/forbidden.PDF"] = Answer(status=403)
    told = {"": "complete", "/": TAKEN, "/hub": TAKEN, "/gone.pdf": "gone", "/forbidden.PDF": "forbidden"}
    assert web.told(max_depth=2) == {**told, "/gone": "gone"}
    assert web.told() == {**told, "/gone": "gone", "/gone#links": "unreadable", "": "incomplete"}
    assert web.told(exclude=["**/gone"]) == told
    web.html("/hub")
    assert web.told() == told
    web.pages["/hub"] = Answer(status=404)
    assert web.told(max_depth=1)[""] == "complete"


def test_a_page_that_redirects_to_none_is_told_under_both_addresses(web: Web) -> None:
    web.sitemap("/a", "/b", "/c")
    for name, status in (("a", 404), ("b", 403), ("c", 400)):
        web.redirect(f"/{name}", f"/{name}/there", 301)
        web.pages[f"/{name}/there"] = Answer(status=status)
    told = {"a": "gone", "b": "forbidden", "c": "unreadable"}
    assert web.told(**web.begin(by="sitemap")) == {"": "complete"} | {
        f"/{name}{rest}": reason for name, reason in told.items() for rest in ("", "/there")
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


def test_a_listing_waits_for_so_long_in_all_and_no_longer(web: Web) -> None:
    slow = [f"/{number}.txt" for number in range(int(MAX_WAITS_S / (3 * LONGEST_WAIT_S)))]
    throttled = Answer(status=429, headers={"Retry-After": f"{LONGEST_WAIT_S:.0f}"})
    web.sitemap(*slow, "/bad.txt", "/good.txt")
    web.pages["/bad.txt"] = Answer(status=500)
    web.pages["/good.txt"] = Answer(body=b"text")

    def told() -> dict[str, str]:
        web.slept.clear()
        for target in slow:
            web.pages[target] = [throttled, throttled, throttled, Answer(body=b"text")]
        return web.told(**web.begin(by="sitemap"))

    # A page that only fails then is not tried again, and the listing goes on.
    taken = dict.fromkeys([*slow, "/good.txt"], TAKEN)
    assert told() == {"": "incomplete", "/bad.txt": "unreadable"} | taken
    assert (sum(web.slept), web.targets.count("/bad.txt")) == (MAX_WAITS_S, 1)
    web.pages["/good.txt"] = [throttled, Answer(body=b"text")]
    web.asked.clear()
    with pytest.raises(DependencyError, match="delay_s"):
        told()
    assert (sum(web.slept), web.targets.count("/good.txt")) == (MAX_WAITS_S, 1)


def test_what_a_listing_waited_is_not_held_against_a_fetch(web: Web) -> None:
    throttled = Answer(status=429, headers={"Retry-After": f"{LONGEST_WAIT_S:.0f}"})
    pages = [f"/{number}.txt" for number in range(int(MAX_WAITS_S / (3 * LONGEST_WAIT_S)))]
    web.sitemap(*pages)
    for target in pages:
        web.pages[target] = [throttled, throttled, throttled, Answer(body=b"text")]
    connector = web.connector(**web.begin(by="sitemap"))  # type: ignore[arg-type]
    first, *_ = connector.list(None)
    assert isinstance(first, Upsert)
    web.pages[pages[0]] = [throttled, Answer(body=b"text")]
    assert connector.fetch(first.document, max_bytes=10) == b"text"


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
