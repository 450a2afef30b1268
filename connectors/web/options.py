"""A manifest's options, validated into what a site is and what of it is taken."""

import base64
import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from pydantic import SecretStr

from connectors.patterns import read_patterns
from connectors.secrets import Secrets
from connectors.web.addresses import Addresses
from connectors.web.content import EXTENSIONS, USUAL_TYPES
from connectors.web.robots import product
from connectors.web.urls import Prefix, Url, folder_of, read_url
from policies.errors import RefusedError
from policies.globs import matches

USUAL_MAX_PAGES: Final = 10_000
USUAL_MAX_DEPTH: Final = 16
USUAL_DELAY_S: Final = 0.5
"""Chosen: two requests a second are what a small site carries beside its readers."""
LONGEST_DELAY_S: Final = 60.0

_OPTIONS: Final = frozenset(
    {
        "allow",
        "allow_private",
        "credentials",
        "delay_s",
        "exclude",
        "max_depth",
        "max_pages",
        "sitemaps",
        "start",
        "trust_lastmod",
        "types",
        "user_agent",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What of the web a source is, as its manifest says. `credentials` holds Authorization headers by origin.

    `allow` and `exclude` tell capitals from small letters, as access rules do.
    """

    start: tuple[Url, ...]
    sitemaps: tuple[Url, ...]
    allow: tuple[Prefix, ...]
    exclude: tuple[str, ...]
    types: frozenset[str]
    max_pages: int
    max_depth: int
    delay_s: float
    user_agent: str
    credentials: Mapping[str, SecretStr]
    addresses: Addresses
    trust_lastmod: bool

    @property
    def agent(self) -> str:
        """The product token that robots.txt knows this crawler by."""
        return product(self.user_agent)

    def allows(self, url: Url) -> bool:
        """Whether pages at this address may be asked for."""
        return any(prefix.covers(url) for prefix in self.allow)

    def allows_sitemap(self, url: Url) -> bool:
        """Whether sitemaps may be: where pages may, and in the folders of the sitemaps that the manifest names."""
        return self.allows(url) or any(folder_of(sitemap).covers(url) for sitemap in self.sitemaps)

    def allows_robots(self, url: Url) -> bool:
        """Whether robots.txt may be: at the root of every origin of the allow-list."""
        return url.target == "/robots.txt" and any(prefix.origin == url.origin for prefix in self.allow)

    def excludes(self, url: Url) -> bool:
        """Whether a pattern of `exclude` matches."""
        return any(matches(pattern, url.document_id) for pattern in self.exclude)

    def url_of(self, document_id: str) -> Url | None:
        """The address with this id, None where the allow-list does not hold it (any more)."""
        for scheme in ("https", "http"):
            url = read_url(f"{scheme}://{document_id}")
            if url is not None and url.document_id == document_id and self.allows(url):
                return url
        return None


def read_options(options: Mapping[str, object], *, secrets: Secrets) -> Site:
    """The site that a manifest describes.

    Raises:
        RefusedError: an option is unknown, missing or wrong, or a credential cannot be read.
    """
    if unknown := sorted(set(options) - _OPTIONS):
        raise RefusedError(
            f"The web connector has no option {unknown[0]!r}.", mend=f"Its options are {', '.join(sorted(_OPTIONS))}."
        )
    allow = tuple(_prefix(url) for url in _urls("allow", options.get("allow")))
    _one_scheme_a_host(allow)
    start, sitemaps = _urls("start", options.get("start", [])), _urls("sitemaps", options.get("sitemaps", []))
    if not start and not sitemaps:
        raise RefusedError(
            "Neither connector.start nor connector.sitemaps names an address.",
            mend="Write where to begin, such as start: [https://docs.example/].",
        )
    addresses = _addresses(options.get("allow_private", []))
    site = Site(
        start=start,
        sitemaps=sitemaps,
        allow=allow,
        exclude=read_patterns("exclude", options["exclude"]) if "exclude" in options else (),
        types=_types(options.get("types")),
        max_pages=_whole("max_pages", options.get("max_pages", USUAL_MAX_PAGES), least=1),
        max_depth=_whole("max_depth", options.get("max_depth", USUAL_MAX_DEPTH), least=0),
        delay_s=_delay(options.get("delay_s", USUAL_DELAY_S)),
        user_agent=_user_agent(options.get("user_agent", "penstock")),
        credentials=_credentials(options.get("credentials", {}), allow=allow, addresses=addresses, secrets=secrets),
        addresses=addresses,
        trust_lastmod=_switch("trust_lastmod", options.get("trust_lastmod", False)),
    )
    for key, urls in (("start", start), ("sitemaps", sitemaps)):
        for index, url in enumerate(urls):
            if not (site.allows(url) if key == "start" else any(url.origin == prefix.origin for prefix in allow)):
                raise RefusedError(
                    f"connector.{key}[{index}] lies outside the allow-list.", mend="Add its address to connector.allow."
                )
    return site


def _is_texts(value: object) -> TypeGuard[Sequence[str]]:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _urls(key: str, value: object) -> tuple[Url, ...]:
    mend = f"Write a list of http or https addresses, such as {key}: [https://docs.example/]."
    if not _is_texts(value) or (key == "allow" and not value):
        raise RefusedError(f"connector.{key} is not a list of addresses.", mend=mend)
    urls = []
    for index, text in enumerate(value):
        url = read_url(text)
        if url is None:
            # Not shown: it may hold a password.
            raise RefusedError(
                f"connector.{key}[{index}] is no address that can be asked for.",
                mend=f"{mend} A user or password goes to connector.credentials. Its path has no empty folder, no "
                "semicolon, and no slash or percent sign that is encoded.",
            )
        urls.append(url)
    return tuple(urls)


def _prefix(url: Url) -> Prefix:
    if url.target != url.path:
        raise RefusedError("An address of connector.allow has a query.", mend="End it before the question mark.")
    return Prefix(origin=url.origin, path=url.path)


def _one_scheme_a_host(allow: Sequence[Prefix]) -> None:
    """Documents are told apart by host and path, so that a site that moves to https keeps them."""
    origins = {prefix.origin for prefix in allow}
    for origin in sorted(origins):
        scheme, _, authority = origin.partition("://")
        if scheme == "http" and f"https://{authority}" in origins:
            raise RefusedError(
                f"connector.allow names {authority!r} with http and with https.", mend="Keep the one with https."
            )


def _types(value: object) -> frozenset[str]:
    if value is None:
        return USUAL_TYPES
    if not _is_texts(value) or not value or not set(value) <= set(EXTENSIONS):
        raise RefusedError(
            "connector.types is not a list of content types that can be taken.",
            mend=f"Choose from {', '.join(sorted(EXTENSIONS))}.",
        )
    return frozenset(value)


# A manifest is read without guessing types, so that its numbers and switches come as text.


def _whole(key: str, value: object, *, least: int) -> int:
    number = int(value[:12]) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise RefusedError(f"connector.{key} is not a whole number.", mend=f"Write one of at least {least}.")
    return number


def _delay(value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, str | int | float) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= LONGEST_DELAY_S:
        raise RefusedError(
            "connector.delay_s is not a number of seconds.", mend=f"Write one from 0 to {LONGEST_DELAY_S:.0f}."
        )
    return number


def _switch(key: str, value: object) -> bool:
    match value:
        case True | "true":
            return True
        case False | "false":
            return False
        case _:
            raise RefusedError(
                f"connector.{key} is neither true nor false.", mend=f"Write {key}: true, or leave it out."
            )


def _user_agent(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not product(value):
        raise RefusedError(
            "connector.user_agent does not begin with a product's name.",
            mend="Write one such as user_agent: penstock (+https://www.example/crawler).",
        )
    return value


def _addresses(value: object) -> Addresses:
    if not _is_texts(value):
        raise RefusedError(
            "connector.allow_private is not a list.",
            mend="Write networks and hosts, such as allow_private: [10.1.0.0/16, wiki.corp.example].",
        )
    networks, hosts = [], set()
    for text in value:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            url = None if "/" in text else read_url(f"http://{text}")
            if url is None or url.authority != text:
                raise RefusedError(
                    f"{text!r} in connector.allow_private is neither a network nor a host.",
                    mend="Write one such as 10.1.0.0/16, or a host's name without a port.",
                ) from None
            hosts.add(url.host)
    return Addresses(networks=tuple(networks), hosts=frozenset(hosts))


def _credentials(
    value: object, *, allow: Sequence[Prefix], addresses: Addresses, secrets: Secrets
) -> Mapping[str, SecretStr]:
    if not isinstance(value, Mapping):
        raise RefusedError("connector.credentials is not a mapping.", mend=_CREDENTIALS_MEND)
    headers = {}
    for key, credential in value.items():
        url = read_url(key) if isinstance(key, str) else None
        if url is None or url.target != "/" or url.origin not in {prefix.origin for prefix in allow}:
            raise RefusedError("connector.credentials names no origin of the allow-list.", mend=_CREDENTIALS_MEND)
        if url.scheme == "http" and not _is_opened(url.host, addresses):
            raise RefusedError(
                f"Credentials for {url.origin} would travel in the clear.",
                mend="Use https, or name the host under connector.allow_private.",
            )
        headers[url.origin] = _authorization(credential, secrets=secrets, option=f"credentials.{url.origin}")
    return headers


_CREDENTIALS_MEND: Final = "Write it such as credentials: {https://wiki.example: {bearer: {env: WIKI_TOKEN}}}."


def _is_opened(host: str, addresses: Addresses) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in addresses.hosts
    return any(address in network for network in addresses.networks)


def _authorization(credential: object, *, secrets: Secrets, option: str) -> SecretStr:
    """The value of an Authorization header (RFC 6750, section 2.1, and RFC 7617)."""
    match credential:
        case {"bearer": reference, **rest} if not rest:
            token = secrets.read(reference, option=f"{option}.bearer").get_secret_value()
            if not token.isascii() or not token.isprintable() or " " in token:
                raise RefusedError(f"What connector.{option}.bearer refers to is no token.", mend="Write it bare.")
            return SecretStr(f"Bearer {token}")
        case {"basic": {"user": str(user), "password": reference, **rest}, **more} if not rest and not more:
            password = secrets.read(reference, option=f"{option}.basic.password").get_secret_value()
            if ":" in user:
                raise RefusedError(f"connector.{option}.basic.user has a colon.", mend="Basic authentication has none.")
            return SecretStr("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        case _:
            raise RefusedError(
                f"connector.{option} is neither `bearer` nor `basic`.",
                mend=f"{_CREDENTIALS_MEND} Or {{basic: {{user: reader, password: {{file: wiki.password}}}}}}.",
            )
