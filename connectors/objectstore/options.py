"""What a manifest says about a store, read and checked option by option."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, urlsplit

from connectors.objectstore.store import Login, Timeouts
from connectors.secrets import Secrets
from policies.errors import RefusedError

USUAL_CONNECT_S: Final = 10.0
USUAL_READ_S: Final = 60.0
LONGEST_S: Final = 600.0

_COMMON: Final = frozenset({"url", "include", "exclude", "uri_prefix", "connect_timeout_s", "read_timeout_s"})
_CLOUD: Final = _COMMON | {"endpoint", "anonymous", "ambient_credentials"}
OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "s3": _CLOUD | {"region", "key", "secret", "token"},
    "gs": _CLOUD | {"key"},
    "az": _CLOUD | {"account", "key", "token"},
    "sftp": _COMMON | {"username", "password", "private_key", "passphrase", "host_key", "known_hosts"},
}
"""What there is to say, by the scheme of the url."""
_LOGINS: Final[Mapping[str, frozenset[frozenset[str]]]] = {
    "s3": frozenset({frozenset({"key", "secret"}), frozenset({"key", "secret", "token"})}),
    "gs": frozenset({frozenset({"key"})}),
    "az": frozenset({frozenset({"key"}), frozenset({"token"})}),
    "sftp": frozenset({frozenset({"password"}), frozenset({"private_key"}), frozenset({"private_key", "passphrase"})}),
}
"""Which secrets make a login."""
_FILES: Final = frozenset({("gs", "key"), ("sftp", "private_key")})
"""The secrets that are files of many lines."""
_LOGIN_MENDS: Final = {
    "s3": "Refer to `key` and `secret` (and `token`), or write `anonymous: true` or `ambient_credentials: true`.",
    "gs": "Refer to a service account's key file, `key: {file: …}`, or write `anonymous: true` or "
    "`ambient_credentials: true`.",
    "az": "Refer to the account's `key` or to a shared access signature as `token`, or write `anonymous: true` or "
    "`ambient_credentials: true`.",
    "sftp": "Refer to `password`, or to `private_key` (and its `passphrase`).",
}
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._-]+)*/?")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a source is: a bucket, container or host, its port, and the path behind without the first slash."""

    scheme: str
    name: str
    port: int | None
    path: str

    @property
    def prefix(self) -> str:
        """What the keys of the source begin with."""
        return self.path if not self.path or self.path.endswith("/") else f"{self.path}/"

    @property
    def link(self) -> str:
        """What links to the source's documents begin with."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}/{quote(self.prefix)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of a manifest, of which none is unknown."""

    place: Place
    given: Mapping[str, object] = field(repr=False)
    secrets: Secrets = field(repr=False)

    @classmethod
    def of(cls, given: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The options.

        Raises:
            RefusedError: the url is wrong, or an option unknown.
        """
        place = _place(given.get("url"))
        if unknown := sorted(set(given) - OPTIONS[place.scheme]):
            raise RefusedError(
                f"The objectstore connector has no option {unknown[0]!r} for {place.scheme}.",
                mend=f"Its options are {', '.join(sorted(OPTIONS[place.scheme]))}.",
            )
        return cls(place=place, given=given, secrets=secrets)

    def text(self, key: str, *, mend: str) -> str | None:
        """A line of text, None where there is none."""
        value = self.given.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value or not value.isprintable():
            raise wrong(key, "not a line of text", mend)
        return value

    def timeouts(self) -> Timeouts:
        """Both timeouts, the usual ones where the manifest is silent."""
        return Timeouts(
            connect_s=self._seconds("connect_timeout_s", USUAL_CONNECT_S),
            read_s=self._seconds("read_timeout_s", USUAL_READ_S),
        )

    def login(self) -> Login:
        """Who to be."""
        scheme = self.place.scheme
        anonymous, ambient = self._is_on("anonymous"), self._is_on("ambient_credentials")
        named = frozenset(self.given) & frozenset[str]().union(*_LOGINS[scheme])
        if (bool(named) + anonymous + ambient) != 1 or (named and named not in _LOGINS[scheme]):
            raise RefusedError("The manifest does not say in one way how to log in.", mend=_LOGIN_MENDS[scheme])
        secrets = {key: self.secrets.read(self.given[key], option=key) for key in named}
        for key, secret in secrets.items():
            if (scheme, key) not in _FILES and not secret.get_secret_value().isprintable():
                raise wrong(key, "referring to more than one line", "Mend the secret: it is a single line.")
        return Login(secrets=secrets, anonymous=anonymous, ambient=ambient)

    def endpoint(self, *, plain: bool) -> str | None:
        """Where the store is asked, None for the maker's own. Without TLS only if `plain`, or on this machine."""
        mend = "Write where the store is, such as endpoint: https://objects.example:9000."
        value = self.text("endpoint", mend=mend)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or not _ADDRESS.fullmatch(value):
            raise wrong("endpoint", "not an address without user, password and query", mend)
        if parts.scheme == "http" and not plain and not _is_this_machine(host):
            raise wrong("endpoint", "one that would show the credentials to the network", "Write https.")
        return value.rstrip("/")

    def _seconds(self, key: str, usual: float) -> float:
        value = self.given.get(key, usual)
        try:
            seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
        except (ValueError, OverflowError):
            seconds = 0.0
        if not 0 < seconds <= LONGEST_S:
            raise wrong(key, "not a number of seconds", f"Write one above 0 and up to {LONGEST_S:.0f}.")
        return seconds

    def _is_on(self, key: str) -> bool:
        match self.given.get(key, "false"):
            case True | "true":
                return True
            case False | "false":
                return False
            case _:
                raise wrong(key, "neither true nor false", f"Write {key}: true, or leave it out.")


def wrong(key: str, what: str, mend: str) -> RefusedError:
    """An option is not as it must be. Its value is not shown: it may hold a secret in the wrong place."""
    return RefusedError(f"connector.{key} is {what}.", mend=mend)


def _place(value: object) -> Place:
    mend = "Write one such as s3://bucket/folder, gs://bucket/folder, az://container/folder or sftp://host/folder."
    if not isinstance(value, str) or not value.isprintable() or "?" in value or "#" in value:
        raise wrong("url", "missing, or no url without a query", mend)
    scheme, _, rest = value.partition("://")
    authority, _, path = rest.partition("/")
    if "@" in authority:
        raise wrong("url", "one with a user or a password in it", "Name the user as `username`, and refer to secrets.")
    if scheme not in OPTIONS:
        raise wrong("url", "of no scheme that is known here", mend)
    if scheme != "sftp":
        if not _BUCKET.fullmatch(authority):
            raise wrong("url", "one without the name of a bucket", mend)
        return Place(scheme=scheme, name=authority, port=None, path=path)
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not _HOST.fullmatch(host) or port == 0:
        raise wrong("url", "one without a host", mend)
    return Place(scheme=scheme, name=host, port=port, path=path.strip("/"))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
