"""Documents of web sites, found by sitemap or by following links within an allow-list."""

from connectors.web.connector import WebConnector

__all__ = ["WebConnector"]
