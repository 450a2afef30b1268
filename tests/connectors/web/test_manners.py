"""What a site asks of crawlers, and when nothing may be asked."""

import pytest

from policies.errors import DependencyError, RefusedError
from tests.connectors.web.server import TAKEN, Answer, Web


def test_pages_that_do_not_want_to_be_indexed_are_not_taken(web: Web) -> None:
    web.html("/", "/meta", "/ours", "/theirs", "/header", "/header-ours", "/header-theirs", "/none", "/dated")
    web.html("/meta", "/below", head='<META NAME=Robots CONTENT="NOARCHIVE, noindex">')
    web.html("/ours", head='<meta name="penstock" content="noindex">')
    web.html("/theirs", head='<meta name="otherbot" content="noindex">')
    web.html("/header", **{"X-Robots-Tag": "noindex"})
    web.html("/header-ours", **{"X-Robots-Tag": "penstock: noindex, nofollow"})
    web.html("/header-theirs", **{"X-Robots-Tag": "otherbot: noindex"})
    web.html("/dated", **{"X-Robots-Tag": "unavailable_after: 25 Jun 2040 15:00:00 PST"})
    web.html("/none", "/hidden", head='<meta name="robots" content="none">')
    web.html("/below")
    web.html("/hidden")
    taken = ("/", "/theirs", "/header-theirs", "/dated", "/below")
    assert web.told() == {"": "complete"} | dict.fromkeys(taken, TAKEN)
    web.sitemap("/meta", "/header")
    (document,) = web.documents(**web.begin(by="sitemap")).values()
    assert (document.name, web.fetched("/meta")) == ("meta.html", "noindex")


def test_links_with_nofollow_are_not_followed(web: Web) -> None:
    web.html("/", '/a" rel="external nofollow', '/b" rel="noopener')
    web.html("/b")
    assert web.told() == {"": "complete", "/": TAKEN, "/b": TAKEN}


def test_robots_txt_is_honoured_also_behind_a_redirect(web: Web) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: Penstock\nDisallow: /private\nAllow: /private/open$\n"
    web.pages["/robots.txt"] = Answer(body=rules)
    web.html("/", "/private", "/private/open", "/private/open/x", "/hop")
    web.redirect("/hop", "/private")
    web.html("/private/open")
    assert web.told(user_agent="penstock/1.0 (+https://x.example/)") == {
        "": "complete",
        "/": TAKEN,
        "/private/open": TAKEN,
    }
    assert web.targets == ["/", "/private/open", "/hop"]
    assert {asked.headers["User-Agent"] for asked in web.asked} == {"penstock/1.0 (+https://x.example/)"}
    with pytest.raises(RefusedError, match=r"start\[0\].*robots.txt forbids"):
        web.told(user_agent="other")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_robots_txt_that_is_not_there_or_not_shown_allows_everything(web: Web, status: int) -> None:
    web.pages["/robots.txt"] = Answer(status=status, body=b"User-agent: *\nDisallow: /")
    web.html("/")
    assert web.told() == {"": "complete", "/": TAKEN}


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_robots_txt_that_fails_forbids_everything(web: Web, status: int) -> None:
    web.pages["/robots.txt"] = Answer(status=status)
    web.html("/")
    with pytest.raises(DependencyError, match="does not answer"):
        web.told()
    assert web.targets == []


def test_a_robots_txt_may_be_redirected_within_the_site_only(web: Web) -> None:
    web.html("/")
    web.redirect("/robots.txt", "/real-robots.txt", 301)
    web.pages["/real-robots.txt"] = Answer(body=b"User-agent: *\nDisallow: /x")
    assert web.told()["/"] == TAKEN
    for outside in ("https://elsewhere.example/robots.txt", "mailto:x"):
        web.redirect("/robots.txt", outside, 301)
        with pytest.raises(DependencyError):
            web.told()
    web.redirect("/robots.txt", "/robots.txt")
    assert web.told()["/"] == TAKEN


def test_only_the_first_500_kib_of_robots_txt_count(web: Web) -> None:
    late = b"User-agent: *\n" + b"#" * 500 * 1024 + b"\nDisallow: /\n"
    web.pages["/robots.txt"] = Answer(body=late)
    web.html("/")
    assert web.told() == {"": "complete", "/": TAKEN}


def test_requests_keep_the_distance_that_the_owner_or_the_site_wants(web: Web) -> None:
    web.html("/", "/a", "/b")
    web.html("/a")
    web.html("/b")
    web.told(delay_s=1)
    assert [round(sleep) for sleep in web.slept] == [1, 2]  # the clock does not move with a sleep that is only noted
    web.slept.clear()
    web.pages["/robots.txt"] = Answer(body=b"User-agent: *\nCrawl-delay: 999999\n")
    web.told(delay_s=1)
    assert [round(sleep) for sleep in web.slept] == [30, 60]


def test_a_robots_txt_elsewhere_is_not_asked_for(web: Web, other: Web) -> None:
    web.html("/")
    for target in ("/robots.txt", "/x"):
        web.redirect("/robots.txt", f"{other.url}{target}")
        with pytest.raises(DependencyError):
            web.told()
    assert other.asked == []
