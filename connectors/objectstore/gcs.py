"""Buckets of Google Cloud Storage, through gcsfs.

What gcsfs does for files is not used: it tries again six times by itself, follows redirects, reads answers of any size,
and falls back from one login to the next, in the end to none. It makes and closes the session, and renews its token.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp
from gcsfs.core import GCSFileSystem  # the package's own class asks a second service before anything else
from gcsfs.retry import HttpError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from yarl import URL

from connectors.objectstore.buckets import MAX_PAGE_BYTES, BucketStore, Page, refusal
from connectors.objectstore.options import Options, wrong
from connectors.objectstore.store import Item, Login, Store, Timeouts, away, changed, read_within
from policies.errors import DependencyError, RefusedError

GOOGLE: Final = "https://storage.googleapis.com"
_FIELDS: Final = "kind,nextPageToken,items(name,size,generation,timeCreated,updated)"
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_only"


def store(options: Options) -> Store:
    """The store that a manifest describes. Nothing is asked of it yet."""
    bucket = GcsBucket(
        options.place.name,
        endpoint=options.endpoint(plain=False) or GOOGLE,
        login=options.login(),
        timeouts=options.timeouts(),
    )
    return BucketStore(bucket, prefix=options.place.prefix)


class GcsBucket:
    """A bucket. Only an ambient login looks into the environment, into gcloud's files or for the machine's metadata."""

    def __init__(self, name: str, *, endpoint: str, login: Login, timeouts: Timeouts) -> None:
        self._name = name
        self._timeout = aiohttp.ClientTimeout(sock_connect=timeouts.connect_s, sock_read=timeouts.read_s)
        self._endpoint = endpoint
        self._token = "anon" if login.anonymous else "google_default" if login.ambient else _service_account(login)
        self._opened: GCSFileSystem | None = None

    async def page(self, prefix: str, token: str | None, *, max_keys: int) -> Page:
        """Some objects, in the order of their names."""
        query = {"prefix": prefix, "maxResults": str(max_keys), "projection": "noAcl", "fields": _FIELDS}
        async with self._asked(
            f"storage/v1/b/{self._name}/o", query | ({"pageToken": token} if token else {})
        ) as answer:
            listing = json.loads(await read_within(MAX_PAGE_BYTES, answer.content.read))
            if listing["kind"] != "storage#objects":
                raise DependencyError("The store sent something else than a listing.", mend="Sync again.")
            return Page(
                items=[_item(entry) for entry in listing.get("items", ())], following=listing.get("nextPageToken")
            )

    async def read(self, key: str, *, stamp: str, max_bytes: int) -> bytes:
        """The bytes of the generation that was listed, as they are stored."""
        query = {"alt": "media"} | ({"ifGenerationMatch": stamp} if stamp else {})
        async with self._asked(f"download/storage/v1/b/{self._name}/o/{quote(key, safe='')}", query) as answer:
            if stamp and answer.headers.get("x-goog-generation", stamp) != stamp:
                raise changed()
            return await read_within(max_bytes, answer.content.read)

    @asynccontextmanager
    async def _asked(self, path: str, query: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(f"{self._endpoint}/{path}?{urlencode(query)}", encoded=True)
        try:
            files = await asyncio.to_thread(self._files)  # an ambient login is looked up
            session = await files._set_session()  # noqa: SLF001 - the only way to it outside of gcsfs's own requests
            headers = {"accept-encoding": "gzip"}  # or it is unpacked on the way, to whatever size
            await asyncio.to_thread(files.credentials.apply, headers)  # a token is renewed
            async with session.get(url, headers=headers, timeout=self._timeout, allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    raise refusal(answer.status, "", answer.headers)
                yield answer
        except (HttpError, RefreshError) as error:
            if getattr(error.__cause__ or error, "retryable", False):
                raise away(error) from None
            raise RefusedError(
                "The store's maker refuses the credentials.", mend="Renew the key that connector.key refers to."
            ) from None
        except DefaultCredentialsError:
            raise RefusedError(
                "This machine offers no credentials for the store.", mend="Refer to them as connector.key."
            ) from None
        except (GoogleAuthError, aiohttp.ClientError, OSError, LookupError, TypeError, ValueError) as error:
            raise away(error) from None

    def _files(self) -> GCSFileSystem:
        if self._opened is None:
            # Every argument is named that a configuration file of fsspec, or the environment, would set otherwise.
            self._opened = GCSFileSystem(
                project="",
                access="read_only",
                token=self._token,
                session_kwargs={"auto_decompress": False},
                requester_pays=False,
                use_listings_cache=False,
                skip_instance_cache=True,
            )
        return self._opened


class _Told(Credentials):
    """A service account that gets its token without a proxy from the environment or a login from ~/.netrc."""

    def refresh(self, request: Request) -> None:
        request.session.trust_env = False
        super().refresh(request)  # type: ignore[no-untyped-call]


def _service_account(login: Login) -> Credentials:
    """The service account whose key file `key` refers to. Other files of Google's can run programs or ask anybody."""
    try:
        key = json.loads(login.get("key") or "")
        made: Credentials = _Told.from_service_account_info(key, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise wrong(
            "key", "referring to something else than the key file of a service account", "Make one, in JSON."
        ) from None
    return made


def _item(entry: Mapping[str, str]) -> Item:
    return Item(
        path=entry["name"],
        size_bytes=int(entry["size"]),
        stamp=entry["generation"],
        created=datetime.fromisoformat(entry["timeCreated"]).astimezone(UTC),
        modified=datetime.fromisoformat(entry["updated"]).astimezone(UTC),
    )
