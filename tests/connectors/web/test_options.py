from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.secrets import Secrets
from connectors.web import WebConnector
from connectors.web.options import read_options
from policies.errors import RefusedError

LEAST: Mapping[str, object] = {"allow": ["https://docs.example/"], "start": ["https://docs.example/"]}
SECRETS = Secrets(environment={"TOKEN": "t0ken", "TWO_LINES": "a\nb"}, base=Path())
BEARER = {"bearer": {"env": "TOKEN"}}


def test_a_site_needs_an_allow_list_and_a_beginning() -> None:
    site = read_options(LEAST, secrets=SECRETS)
    assert [str(url) for url in site.start] == ["https://docs.example/"]
    assert (site.user_agent, site.max_pages, site.delay_s, site.trust_lastmod) == ("penstock", 10_000, 0.5, False)
    assert "text/html" in site.types
    assert "image/png" not in site.types


def test_making_a_connector_asks_for_nothing_and_shows_no_secret() -> None:
    options = {**LEAST, "credentials": {"https://docs.example": BEARER}}
    connector = WebConnector.from_options(options, secrets=SECRETS)
    assert connector.site.credentials["https://docs.example"].get_secret_value() == "Bearer t0ken"
    assert "t0ken" not in repr(connector)


def test_an_id_leads_back_to_the_address_that_the_allow_list_holds() -> None:
    site = read_options(
        {"allow": ["http://a.example:81/x", "https://b.example"], "start": ["https://b.example"]}, secrets=SECRETS
    )
    assert str(site.url_of("a.example:81/x/y?z")) == "http://a.example:81/x/y?z"
    assert str(site.url_of("b.example/")) == "https://b.example/"
    for outside in (
        "a.example:81/y",
        "a.example/x",
        "b.example",
        "b.example/../",
        "x@b.example/",
        "",
        "https://b.example/",
    ):
        assert site.url_of(outside) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alow": []}, "no option 'alow'.*allow, allow_private, credentials"),
        ({"allow": None}, "connector.allow is not a list"),
        ({"allow": []}, "connector.allow is not a list"),
        ({"allow": "https://docs.example/"}, "connector.allow is not a list"),
        ({"allow": ["docs.example"]}, r"connector.allow\[0\] is no address"),
        ({"allow": ["https://docs.example//board"]}, r"connector.allow\[0\] is no address.*no empty folder"),
        ({"start": ["https://docs.example/board;x/"]}, r"connector.start\[0\] is no address.*semicolon"),
        ({"sitemaps": ["https://docs.example/a%2Fb.xml"]}, r"connector.sitemaps\[0\] is no address.*slash"),
        ({"allow": ["https://docs.example/?x"]}, "connector.allow has a query"),
        ({"allow": ["https://docs.example/", "http://docs.example/x"]}, "with http and with https"),
        ({"start": []}, "Neither connector.start nor connector.sitemaps"),
        ({"start": ["https://other.example/"]}, r"connector.start\[0\] lies outside"),
        (
            {"start": ["https://docs.example/", "https://u:pass@docs.example/"]},
            r"start\[1\] is no address.*credentials",
        ),
        ({"sitemaps": ["https://other.example/sitemap.xml"]}, r"connector.sitemaps\[0\] lies outside"),
        ({"exclude": "x"}, "connector.exclude"),
        ({"exclude": ["/x"]}, "never match"),
        ({"types": []}, "connector.types.*text/html"),
        ({"types": ["video/mp4"]}, "connector.types"),
        ({"max_pages": 0}, "connector.max_pages.*at least 1"),
        ({"max_pages": True}, "connector.max_pages"),
        ({"max_pages": 1.5}, "connector.max_pages"),
        ({"max_depth": -1}, "connector.max_depth"),
        ({"delay_s": -1}, "connector.delay_s"),
        ({"delay_s": 61}, "connector.delay_s"),
        ({"delay_s": float("nan")}, "connector.delay_s"),
        ({"delay_s": "soon"}, "connector.delay_s"),
        ({"user_agent": ""}, "connector.user_agent"),
        ({"user_agent": "1"}, "connector.user_agent"),
        ({"user_agent": "bot\r\nX: y"}, "connector.user_agent"),
        ({"trust_lastmod": "yes"}, "connector.trust_lastmod"),
        ({"allow_private": "10.0.0.0/8"}, "connector.allow_private is not a list"),
        ({"allow_private": ["10.0.0.1/8"]}, "neither a network nor a host"),
        ({"allow_private": ["wiki.example:80"]}, "neither a network nor a host"),
        ({"allow_private": ["https://wiki.example"]}, "neither a network nor a host"),
        ({"credentials": []}, "connector.credentials is not a mapping"),
        ({"credentials": {"https://other.example": BEARER}}, "no origin of the allow-list"),
        ({"credentials": {"https://docs.example/x": BEARER}}, "no origin of the allow-list"),
        ({"credentials": {7: BEARER}}, "no origin of the allow-list"),
        ({"credentials": {"https://docs.example": "secret"}}, "neither `bearer` nor `basic`"),
        ({"credentials": {"https://docs.example": {**BEARER, "basic": {}}}}, "neither `bearer` nor `basic`"),
        ({"credentials": {"https://docs.example": {"bearer": "secret"}}}, "must not be a secret itself"),
        ({"credentials": {"https://docs.example": {"bearer": {"env": "NONE"}}}}, "NONE.*missing or empty"),
        ({"credentials": {"https://docs.example": {"bearer": {"env": "TWO_LINES"}}}}, "is no token"),
        (
            {"credentials": {"https://docs.example": {"basic": {"user": "u", "password": "secret"}}}},
            "must not be a secret itself",
        ),
        (
            {"credentials": {"https://docs.example": {"basic": {"user": "u:v", "password": {"env": "TOKEN"}}}}},
            "has a colon",
        ),
        (
            {
                "allow": ["http://docs.example"],
                "start": ["http://docs.example"],
                "credentials": {"http://docs.example": BEARER},
            },
            "in the clear",
        ),
    ],
)
def test_wrong_options_are_refused_with_the_mend(options: Mapping[str, object], message: str) -> None:
    with pytest.raises(RefusedError, match=message) as refusal:
        WebConnector.from_options({**LEAST, **options}, secrets=SECRETS)
    assert not any(secret in str(refusal.value) for secret in ("secret'", "pass@", "t0ken"))


def test_a_credential_may_travel_in_the_clear_to_a_host_that_is_opened() -> None:
    for opened in ("wiki.corp.example", "10.0.0.0/8"):
        host = opened if "/" not in opened else "10.1.2.3"
        options = {
            "allow": [f"http://{host}"],
            "start": [f"http://{host}"],
            "credentials": {f"http://{host}": BEARER},
            "allow_private": [opened],
        }
        assert list(read_options(options, secrets=SECRETS).credentials) == [f"http://{host}"]


def test_numbers_and_switches_come_as_text_from_a_manifest() -> None:
    given = {"max_pages": "10", "max_depth": "2", "delay_s": "0.25", "trust_lastmod": "true"}
    site = read_options({**LEAST, **given}, secrets=SECRETS)
    assert (site.max_pages, site.max_depth, site.delay_s, site.trust_lastmod) == (10, 2, 0.25, True)
