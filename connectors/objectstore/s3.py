"""Buckets of Amazon S3 and of stores that speak its protocol, through s3fs.

What s3fs does for files is not used: it drops a slash at the end of a key, tries again by itself, and reads an object
without regard to the version that was listed. It makes and closes the client.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from s3fs import S3FileSystem

from connectors.objectstore.buckets import MAX_PAGE_BYTES, BucketStore, Page, refusal
from connectors.objectstore.options import Options, wrong
from connectors.objectstore.store import Item, Login, Store, Timeouts, away, changed, read_within
from policies.errors import DependencyError, PenstockError, RefusedError

_NO_FILES: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""By logical name: the name in a configuration file, the environment variable, the default, the conversion."""
_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
_REGION_MEND: Final = "Write one such as region: eu-west-2."


def store(options: Options) -> Store:
    """The store that a manifest describes. Nothing is asked of it yet."""
    region = options.text("region", mend=_REGION_MEND)
    if region is not None and not _REGION.fullmatch(region):
        raise wrong("region", "no name of a region", _REGION_MEND)
    bucket = S3Bucket(
        options.place.name,
        endpoint=options.endpoint(plain=True),  # what is signed does not hold the secret
        region=region,
        login=options.login(),
        timeouts=options.timeouts(),
    )
    return BucketStore(bucket, prefix=options.place.prefix)


class S3Bucket:
    """A bucket. Only an ambient login looks into the environment, ~/.aws, for a proxy or the machine's metadata."""

    def __init__(
        self, name: str, *, endpoint: str | None, region: str | None, login: Login, timeouts: Timeouts
    ) -> None:
        self._name = name
        # Every argument is named that a configuration file of fsspec would set otherwise.
        self._files = S3FileSystem(
            anon=login.anonymous,
            key=login.get("key"),
            secret=login.get("secret"),
            token=login.get("token"),
            username=None,
            password=None,
            endpoint_url=endpoint,
            client_kwargs={"region_name": region} if region else {},
            config_kwargs={
                "connect_timeout": timeouts.connect_s,
                "read_timeout": timeouts.read_s,
                "retries": {"total_max_attempts": 1, "mode": "standard"},
                "ignore_configured_endpoint_urls": not login.ambient,
                "http_session_cls": _Transport,
                "proxies": None if login.ambient else {},  # None: those of the environment
            },
            s3_additional_kwargs={},
            session=_session(ambient=login.ambient),
            use_ssl=True,
            requester_pays=False,
            cache_regions=False,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    async def page(self, prefix: str, token: str | None, *, max_keys: int) -> Page:
        """Some keys, in the order of their bytes."""
        start = {} if token is None else {"ContinuationToken": token}
        with _told():
            client = await self._files.set_session()
            answer = await client.list_objects_v2(Bucket=self._name, Prefix=prefix, MaxKeys=max_keys, **start)
            items = [_item(entry) for entry in answer.get("Contents", ())]
        # An answer without a word reads like an empty bucket, but for this: a listing says whether it is truncated.
        is_truncated, following = answer.get("IsTruncated"), answer.get("NextContinuationToken")
        if is_truncated is None or (is_truncated and not following):
            raise DependencyError("The store sent half a listing.", mend="Sync again.")
        return Page(items=items, following=following if is_truncated else None)

    async def read(self, key: str, *, stamp: str, max_bytes: int) -> bytes:
        """The bytes of an object, of the version that was listed where the store has ETags."""
        etag = stamp.rpartition(" ")[2]
        with _told():
            client = await self._files.set_session()
            # No range: of an empty object there is none, and the rest of one that grew is left unread all the same.
            answer = await client.get_object(Bucket=self._name, Key=key, **({"IfMatch": etag} if etag else {}))
            async with answer["Body"] as body:
                if etag and answer.get("ETag") != etag:  # the store knows no If-Match
                    raise changed()
                return await read_within(max_bytes, body.read)


def _session(*, ambient: bool) -> AioSession:
    if ambient:
        return AioSession()
    session = AioSession(_NO_FILES)
    session.register_component("data_loader", _descriptions())
    return session


@cache
def _descriptions() -> Loader:
    """What botocore knows of the services of AWS, but for ~/.aws/models. It took two thirds of the time to connect."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _item(entry: Mapping[str, Any]) -> Item:
    modified = entry["LastModified"].astimezone(UTC)
    return Item(
        path=entry["Key"],
        size_bytes=entry["Size"],
        stamp=f"{entry['Size']} {modified.isoformat()} {entry.get('ETag', '')}",
        created=None,
        modified=modified,
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        answer = error.response
        about = answer.get("ResponseMetadata", {})
        code = answer.get("Error", {}).get("Code") or ""
        raise refusal(about.get("HTTPStatusCode", 0), code, about.get("HTTPHeaders", {})) from None
    except HTTPClientError as error:
        cause = error.kwargs.get("error")
        raise (cause if isinstance(cause, PenstockError) else away(error)) from None
    except (NoCredentialsError, CredentialRetrievalError):
        raise RefusedError(
            "This machine offers no credentials for the store.", mend="Refer to them as connector.key and .secret."
        ) from None
    except (BotoCoreError, ResponseParserError, aiohttp.ClientError, OSError, LookupError, ValueError) as error:
        raise away(error) from None


class _Transport(AIOHTTPSession):  # type: ignore[misc]
    """A client that follows no redirect, which could lead into this network, and reads no more than a page holds."""

    async def _get_session(self, proxy_url: str | None) -> "_Cautious":
        return _Cautious(await super()._get_session(proxy_url))


class _Cautious:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> "_Bounded":  # noqa: ANN401 - as aiohttp has them
        answer = await self._session.request(method, **options, allow_redirects=False)
        # Without a region, botocore asks for it by a request that is redirected too, until the stack is full.
        if (
            HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
            and "x-amz-bucket-region" not in answer.headers
        ):
            answer.close()
            raise refusal(answer.status, "Redirect", {})
        return _Bounded(answer)


class _Bounded:
    """An answer, of which `read` gives all or nothing. Objects are read from its `content`, piece by piece."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the answer has it
        return getattr(self._answer, name)

    async def read(self) -> bytes:
        async with self._answer:
            return await read_within(MAX_PAGE_BYTES, self._answer.content.read)
