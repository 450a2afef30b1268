"""The public keys of token issuers (RFC 7517): read from a file, or fetched over https and cached."""

import http.client
import json
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt

from gateway.exchange import Address, Connection
from gateway.settings import Algorithm, HttpsAddress
from policies.errors import DependencyError

FRESH_FOR = timedelta(minutes=10)
"""How long fetched keys are used without asking again."""
STALE_AFTER = timedelta(hours=24)
"""How long fetched keys are used while the issuer cannot be reached; then its tokens are refused."""
RETRY_AFTER = timedelta(seconds=30)
"""Chosen: the least time between two fetches, so that tokens with invented key ids cannot flood an issuer."""
FETCH_TIMEOUT_S = 5.0
"""Chosen: for a whole fetch from when the host's name was looked up, and for whoever waits for another's."""
MAX_KEY_SET_BYTES = 256 * 1024
MIN_RSA_BITS = 2048

Fetch = Callable[[HttpsAddress], bytes]
"""Reads a key set.

Raises:
    OSError, http.client.HTTPException: it cannot be had.
"""

_log = logging.getLogger(__name__)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A public key and the one algorithm it may verify."""

    kid: str | None
    algorithm: Algorithm
    jwk: jwt.PyJWK


class KeySource(Protocol):
    """Where the keys of one issuer come from."""

    def keys(self, now: datetime, kid: object) -> Sequence[SigningKey]:
        """The issuer's current keys. `kid` is the key that is looked for, which may show that a cache is behind.

        Raises:
            DependencyError: they cannot be had.
        """


def key_source(jwks: Path | HttpsAddress, fetch: Fetch) -> KeySource:
    """The keys behind a file or an https address."""
    return FileKeys(jwks) if isinstance(jwks, Path) else FetchedKeys(jwks, fetch)


class FileKeys:
    """Keys in a file that is read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], Sequence[SigningKey]] | None = None

    def keys(self, now: datetime, kid: object) -> Sequence[SigningKey]:  # noqa: ARG002 - a file has no age
        """The keys in the file as it is now.

        Raises:
            DependencyError: the file is gone or holds no key set.
        """
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, parse(self._path.read_bytes()))
        except (OSError, ValueError) as error:
            raise _unavailable() from error
        return self._read[1]


class FetchedKeys:
    """Keys at an https address, cached. One thread fetches while the others use what is there.

    Where there is nothing yet, they wait for at most FETCH_TIMEOUT_S.
    """

    def __init__(self, address: HttpsAddress, fetch: Fetch) -> None:
        self._address = address
        self._fetch = fetch
        self._lock = Lock()
        self._attempted: datetime | None = None
        self._fetched: tuple[datetime, Sequence[SigningKey]] | None = None

    def keys(self, now: datetime, kid: object) -> Sequence[SigningKey]:
        """The issuer's keys, fetched at most 24 hours ago.

        Raises:
            DependencyError: none were fetched in that time, or none yet.
        """
        patience_s = FETCH_TIMEOUT_S if self._fetched is None else 0
        if self._is_behind(now, kid) and self._lock.acquire(timeout=patience_s):
            try:
                if not _within(RETRY_AFTER, self._attempted, now):
                    self._refresh(now)
            finally:
                self._lock.release()
        if self._fetched is None or not _within(STALE_AFTER, self._fetched[0], now):
            raise _unavailable()
        return self._fetched[1]

    def _is_behind(self, now: datetime, kid: object) -> bool:
        if self._fetched is None:
            return True
        at, keys = self._fetched
        return not _within(FRESH_FOR, at, now) or (kid is not None and all(key.kid != kid for key in keys))

    def _refresh(self, now: datetime) -> None:
        self._attempted = now
        try:
            self._fetched = (now, parse(self._fetch(self._address)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            _log.warning("jwks_refresh_failed %s", type(error).__name__)


def parse(text: bytes) -> tuple[SigningKey, ...]:
    """The keys of a JWK set that can verify RS256, ES256 or EdDSA (Ed25519). Others are passed over.

    Raises:
        ValueError: not a key set, none usable, or one that holds private or symmetric material: whoever can read
            that set could sign.
    """
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("a key set is not nested that deep") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("a key set is an object with a list of keys")
    if any(_PRIVATE & entry.keys() for entry in entries):
        raise ValueError("the key set holds private material")
    keys = tuple(key for entry in entries if (key := _key(entry)) is not None)
    if not keys:
        raise ValueError("the key set holds no usable key")
    return keys


def fetch_https(address: HttpsAddress) -> bytes:
    """The body at an https address. Redirects, proxies and other schemes are not followed.

    Raises:
        OSError, http.client.HTTPException: no whole answer within FETCH_TIMEOUT_S, not 200, or more than 256 KiB.
    """
    parts = urlsplit(address)
    where = Address(host=parts.hostname or "", port=parts.port or 443, path="", tls=ssl.create_default_context())
    connection = Connection(where, time.monotonic() + FETCH_TIMEOUT_S)
    try:
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(MAX_KEY_SET_BYTES + 1)
    finally:
        connection.close()
    if response.status != HTTPStatus.OK or len(body) > MAX_KEY_SET_BYTES:
        raise OSError("the key set could not be fetched")
    return body


def _key(entry: dict[str, Any]) -> SigningKey | None:
    algorithm: Algorithm
    match entry:
        case {"kty": "RSA"}:
            algorithm = "RS256"
        case {"kty": "EC", "crv": "P-256"}:
            algorithm = "ES256"
        case {"kty": "OKP", "crv": "Ed25519"}:
            algorithm = "EdDSA"
        case _:
            return None
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if not isinstance(kid, str | None) or not isinstance(operations, list):
        raise ValueError("a key of the set is malformed")  # noqa: TRY004 - a fault of the text, like the others
    if entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig" or "verify" not in operations:
        return None
    try:
        jwk = jwt.PyJWK(entry, algorithm)
    except jwt.PyJWTError as error:
        raise ValueError("a key of the set is malformed") from error
    if algorithm == "RS256" and jwk.key.key_size < MIN_RSA_BITS:
        return None
    return SigningKey(kid=kid, algorithm=algorithm, jwk=jwk)


def _within(span: timedelta, since: datetime | None, now: datetime) -> bool:
    """Whether `since` lies in the `span` before `now`. A time in the future does not: the clock was set back."""
    return since is not None and since <= now < since + span


def _unavailable() -> DependencyError:
    return DependencyError(
        "The keys of a token issuer cannot be had.",
        mend="Check that its JWKS file or address in PENSTOCK_ISSUERS can be reached and holds a key set.",
    )
