"""Names, headers and times."""

from datetime import UTC, datetime

import pytest

from connectors.web.answers import Headers
from connectors.web.content import document_name
from connectors.web.sitemap import read_time


def test_a_name_is_short_and_printable_and_keeps_its_end() -> None:
    assert document_name("x" * 3000 + ".pdf", "application/pdf") == "x" * 196 + ".pdf"
    assert document_name("a\n\u202eb", "text/html") == "a__b.html"
    assert document_name("", "application/pdf") == "index.pdf"
    assert document_name("x", "other/type") == "x"


def headers(**fields: str) -> Headers:
    return Headers(fields=[(name.replace("_", "-"), value) for name, value in fields.items()])


def test_a_stamp_needs_an_etag_or_a_time_that_is_past() -> None:
    time_ = "Tue, 03 Mar 2026 10:00:00 GMT"
    assert headers(etag='W/"x"', last_modified=time_).stamp == 'etag W/"x"'
    assert headers(etag="x" * 501).stamp == ""
    settled = headers(last_modified=time_, date="Tue, 03 Mar 2026 10:00:02 GMT", content_length="7")
    assert settled.stamp == "modified 2026-03-03T10:00:00+00:00 7"
    assert headers(last_modified=time_, date="Tue, 03 Mar 2026 10:00:01 GMT").stamp == ""
    assert headers(last_modified=time_, date="Tue, 03 Mar 2020 10:00:00 GMT").stamp == ""
    assert headers(last_modified=time_).stamp == ""
    assert headers().stamp == ""


@pytest.mark.parametrize(
    "value",
    ["", "x", "0", "Tue, 31 Feb 2026 10:00:00 GMT", "Tue, 03 Mar 2026 25:00:00 GMT", "2026-03-03T10:00:00Z", "-1"],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert headers(last_modified=value).time("last-modified") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Tue, 03 Mar 2026 10:01:00 GMT", 60.0),
        ("Tue, 03 Mar 2026 09:00:00 GMT", 0.0),
        ("-5", None),
        ("1e9", None),
        ("9" * 5000, None),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_sites_own_clock(value: str, seconds: float | None) -> None:
    assert headers(retry_after=value, date="Tue, 03 Mar 2026 10:00:00 GMT").retry_after_s == seconds


def test_a_size_counts_only_where_nothing_was_compressed() -> None:
    assert headers(content_length="5").size_bytes == 5
    assert headers(content_length="5", content_encoding="gzip").size_bytes is None
    assert headers(content_length="-5").size_bytes is None


@pytest.mark.parametrize(
    ("text", "time_"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:15.5Z", datetime(2026, 3, 1, 12, 30, 15, 500_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_lastmod_is_a_time_in_utc_or_nothing(text: str, time_: datetime | None) -> None:
    assert read_time(text) == time_
