"""Credentials go to one origin; cookies nowhere."""

from pathlib import Path

import pytest

from connectors.base import Finished, Upsert
from policies.errors import RefusedError
from tests.connectors.web.server import Answer, Web


def test_a_credential_goes_to_its_origin_and_nowhere_else(web: Web, other: Web) -> None:
    web.html("/", "/hop", f"{other.url}/linked")
    web.redirect("/hop", f"{other.url}/target", 301)
    other.html("/linked")
    other.html("/target")
    listing = web.connector(
        allow=[web.url, other.url],
        credentials={web.url: {"bearer": {"env": "TOKEN"}}},
        environment={"TOKEN": "t0ken"},
    ).list(None)
    ids = [change.document.origin_id for change in listing if isinstance(change, Upsert)]
    assert ids == [f"{web.id}/", f"{other.id}/target", f"{other.id}/linked"]
    assert {asked.headers.get("Authorization") for asked in web.asked} == {"Bearer t0ken"}
    assert {asked.headers.get("Authorization") for asked in other.asked} == {None}
    assert other.targets == ["/target", "/linked"]


def test_a_user_and_password_are_sent_as_basic_authentication(web: Web, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pässword\n")
    web.html("/")
    web.told(credentials={f"{web.url}/": {"basic": {"user": "reader", "password": {"file": "password"}}}})
    assert {asked.headers["Authorization"] for asked in web.asked} == {"Basic cmVhZGVyOnDDpHNzd29yZA=="}


def test_a_credential_that_is_no_longer_accepted_ends_the_run(web: Web) -> None:
    credentials = {web.url: {"bearer": {"env": "TOKEN"}}}
    environment = {"TOKEN": "t0ken"}
    web.html("/", "/a")
    web.pages["/a"] = Answer(status=401)
    with pytest.raises(RefusedError, match="does not accept its credentials") as refusal:
        web.told(credentials=credentials, environment=environment)
    assert "t0ken" not in str(refusal.value)
    with pytest.raises(RefusedError, match="does not accept its credentials"):
        web.fetched("/a", credentials=credentials, environment=environment)


def test_no_cookie_is_kept(web: Web) -> None:
    web.html("/", "/a", **{"Set-Cookie": "session=1; Path=/"})
    web.html("/a")
    web.told()
    assert not any("Cookie" in asked.headers for asked in web.asked)


def test_a_listing_that_is_left_leaves_no_connection_to_the_collector(web: Web) -> None:
    web.html("/", "/a")
    web.html("/a")
    listing = web.connector().list(None)
    assert not isinstance(next(listing), Finished)
    del listing  # an unclosed socket would warn, and warnings are errors
