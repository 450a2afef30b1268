"""Traps and bombs: what grows without an end."""

import gzip
import tracemalloc
import zlib

import pytest

from connectors.base import Upsert
from connectors.web.client import MAX_REDIRECTS
from connectors.web.crawl import MAX_SITEMAPS
from policies.errors import RefusedError
from tests.connectors.web.server import TAKEN, Answer, Handler, Web, page
from tests.patience import patient


def test_redirects_are_followed_so_far_and_no_further(web: Web) -> None:
    web.html("/", "/1", "/loop", "/nowhere")
    for number in range(1, 9):
        web.redirect(f"/{number}", f"/{number + 1}")
    web.redirect("/loop", "/loop")
    web.pages["/nowhere"] = Answer(status=302)
    assert web.told() == {
        "": "incomplete",
        "/": TAKEN,
        "/1": "unreadable",
        "/loop": "unreadable",
        "/nowhere": "unreadable",
    }
    assert web.targets.count("/loop") == MAX_REDIRECTS + 1
    web.html(f"/{MAX_REDIRECTS + 1}")
    assert web.told()[f"/{MAX_REDIRECTS + 1}"] == TAKEN


def test_a_site_without_an_end_is_left_at_the_limits(web: Web) -> None:
    def trap(handler: Handler) -> None:
        number = int(handler.path.rpartition("/")[2] or 0)
        handler.send(page(*(f"/calendar/{10 * number + digit}" for digit in range(10))))

    class Endless(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            return default if key == "/robots.txt" else trap

    web.pages = Endless()  # type: ignore[assignment]
    told = web.told(max_pages=30)
    assert (told.pop(""), sorted(told.values())) == ("incomplete", [TAKEN] * 30 + ["unreadable"])
    assert len(web.targets) == 30
    assert len(web.told(max_depth=2)) == 1 + 1 + 10 + 90  # 0 leads to itself


def zeros(megabytes: int) -> bytes:
    """A gzip file of so many megabytes of zeros, in no time."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflater.compress(bytes(2**20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * megabytes + b"\x03\0" + bytes(8)


def test_a_page_of_ten_gigabytes_in_ten_megabytes_stops_at_the_limit(web: Web) -> None:
    bomb = zeros(10 * 1024)
    web.pages["/"] = Answer(headers={"Content-Encoding": "gzip", "Content-Type": "text/html"}, body=bomb)
    web.pages["/a.txt"] = Answer(headers={"Content-Encoding": "gzip"}, body=bomb)
    with patient():
        tracemalloc.start()
        assert web.fetched("/a.txt", max_bytes=10**6) == "too_large"
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 5 * 10**6
        assert web.told() == {"": "incomplete", "/": TAKEN, "/#links": "unreadable"}


def test_compressed_bytes_without_an_end_that_hold_nothing_stop_at_the_limit(web: Web) -> None:
    def empty_blocks(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(gzip.compress(b"")[:10])
        while True:
            handler.wfile.write(b"\0\0\0\xff\xff" * 10_000)

    web.pages["/a.txt"] = empty_blocks
    assert web.fetched("/a.txt", max_bytes=10**6) == "too_large"


def test_a_body_without_an_end_stops_at_the_limit(web: Web) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response_only(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(100_000))

    web.pages["/a.txt"] = endless
    assert web.fetched("/a.txt", max_bytes=10**6) == "too_large"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "rot13"])
def test_an_encoding_that_was_not_asked_for_is_not_read(web: Web, encoding: str) -> None:
    web.pages["/a.txt"] = Answer(headers={"Content-Encoding": encoding}, body=b"x")
    assert web.fetched("/a.txt", max_bytes=100) == "unreadable"


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE urlset [<!ENTITY a 'aaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]><urlset><url><loc>&b;</loc></url></urlset>",
        b"<!DOCTYPE urlset SYSTEM 'http://127.0.0.1:1/x.dtd'><urlset/>",
        "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE urlset [<!ENTITY a 'a'>]><urlset>&a;</urlset>".encode(
            "utf-16"
        ),
        b"<urlset>" + b"<url><loc>http://x.example/</loc></url>" * 50_001 + b"</urlset>",
        b"<urlset>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</urlset>",
        b"<urlset>" + b"<a/>" * 1_000_001 + b"</urlset>",
        b"<?xml version='1.0' encoding='zlib'?><urlset/>",
        b"<?xml version='1.0' encoding='nonsense'?><urlset/>",
        b"<html><body>Not found</body></html>",
        b"<urlset><url>",
        b"",
        zeros(60),
        gzip.compress(b"<urlset/>")[:-4],
        b"\x1f\x8bnonsense",
    ],
    ids=range(14),
)
def test_a_hostile_sitemap_ends_the_listing(web: Web, body: bytes) -> None:
    web.pages["/sitemap.xml"] = Answer(headers={"Content-Type": "application/xml"}, body=body)
    with patient(), pytest.raises(RefusedError, match=r"connector.sitemaps\[0\] cannot be read"):
        web.told(sitemaps=[f"{web.url}/sitemap.xml"])


def test_a_sitemap_that_is_a_bomb_on_the_way_ends_the_listing(web: Web) -> None:
    web.pages["/sitemap.xml"] = Answer(headers={"Content-Encoding": "gzip"}, body=zeros(60))
    with pytest.raises(RefusedError, match="too large"):
        web.told(sitemaps=[f"{web.url}/sitemap.xml"])


def test_sitemap_indexes_are_followed_so_deep_and_in_no_circle(web: Web) -> None:
    for number in range(10):
        names = [f"{number + 1}.xml", "0.xml"]
        body = "".join(f"<sitemap><loc>{web.url}/{name}</loc></sitemap>" for name in names)
        web.pages[f"/{number}.xml"] = Answer(body=f"<sitemapindex>{body}</sitemapindex>".encode())
    assert web.told(sitemaps=[f"{web.url}/0.xml"]) == {"": "incomplete", "/4.xml": "unreadable"}
    assert web.targets == ["/0.xml", "/1.xml", "/2.xml", "/3.xml"]


def test_an_index_of_more_sitemaps_than_are_read_tells_the_first_one_left_out(web: Web) -> None:
    def index(*addresses: str) -> Answer:
        entries = "".join(f"<sitemap><loc>{address}</loc></sitemap>" for address in addresses)
        return Answer(body=f"<sitemapindex>{entries}</sitemapindex>".encode())

    web.html("/a")
    empty = index()
    for number in range(1, MAX_SITEMAPS):
        web.pages[f"/{number}.xml"] = empty
    web.sitemap("/a", target=f"/{MAX_SITEMAPS - 1}.xml")
    web.pages["/sitemap.xml"] = index(*(f"{web.url}/{number}.xml" for number in range(1, 20_000)))
    told = {"": "incomplete", "/a": TAKEN, f"/{MAX_SITEMAPS}.xml": "unreadable"}
    assert web.told(**web.begin(by="sitemap")) == told
    outside = (f"https://{number}.example/" for number in range(20_000))
    web.pages["/sitemap.xml"] = index(*outside, f"{web.url}/{MAX_SITEMAPS - 1}.xml")
    changes, is_complete = web.listing(**web.begin(by="sitemap"))
    ids = [change.document.origin_id if isinstance(change, Upsert) else change.origin_id for change in changes]
    assert (ids, is_complete) == (["0.example/", f"{web.id}/a"], False)
