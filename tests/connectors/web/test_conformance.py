import hashlib
from urllib.parse import quote

import pytest

from connectors.web import WebConnector
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.web.server import DATE, Answer, Handler, Web, page


class Shelf:
    """A folder of files on a site, as an origin."""

    many = 200  # there are no pages of listings, and each file costs a request

    def __init__(self, web: Web, *, by: str) -> None:
        self.secret = "bearer-of-the-shelf"
        self._web = web
        self._by = by
        self._paths: dict[str, str] = {}
        web.pages["/"] = self._index
        web.pages["/sitemap.xml"] = self._sitemap

    def connector(self) -> WebConnector:
        return self._web.connector(
            environment={"TOKEN": self.secret},
            credentials={self._web.url: {"bearer": {"env": "TOKEN"}}},
            **self._web.begin(by=self._by),  # type: ignore[arg-type]
        )

    def put(self, name: str, content: bytes) -> None:
        self._paths[name] = f"/{quote(name)}"
        etag = hashlib.sha256(content).hexdigest()
        headers = {"Content-Type": "text/plain", "ETag": f'W/"{etag}"', "Last-Modified": DATE}
        self._web.pages[self._paths[name]] = Answer(headers=headers, body=content)

    def rename(self, name: str, new_name: str) -> None:
        answer = self._web.pages[self._paths[name]]
        assert isinstance(answer, Answer)
        self.delete(name)
        self.put(new_name, answer.body)

    def delete(self, name: str) -> None:
        del self._web.pages[self._paths.pop(name)]

    def break_off(self) -> None:
        self._web.is_away = True

    cut_off = break_off

    def throttle(self, times: int, retry_after_s: float) -> None:
        self._web.throttled, self._web.retry_after_s = times, int(retry_after_s)

    def _index(self, handler: Handler) -> None:
        handler.send(page(*self._paths.values(), head='<meta name="robots" content="noindex">'))

    def _sitemap(self, handler: Handler) -> None:
        handler.send(self._web.sitemap_page(*self._paths.values()))


class TestLinksConform(ConnectorConformance):
    @pytest.fixture
    def origin(self, web: Web) -> Origin:
        return Shelf(web, by="links")


class TestSitemapsConform(ConnectorConformance):
    @pytest.fixture
    def origin(self, web: Web) -> Origin:
        return Shelf(web, by="sitemap")
