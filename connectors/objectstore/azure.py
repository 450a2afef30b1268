"""Containers of Azure Blob Storage, through adlfs. Tested against a stand-in for the service only.

What adlfs does for files is not used: it takes a container that is missing for an empty one, prefers a connection
string from the environment to the credentials that it is given, and keeps no version. It makes and closes the client.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, Final

from adlfs import AzureBlobFileSystem
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobServiceClient

from connectors.objectstore.buckets import BucketStore, Page, refusal
from connectors.objectstore.options import Options, wrong
from connectors.objectstore.store import Item, Login, Store, Timeouts, away, read_within
from policies.errors import PenstockError, RefusedError

_ACCOUNT_MEND: Final = "Write the name of the storage account, such as account: northwind."


def store(options: Options) -> Store:
    """The store that a manifest describes. Nothing is asked of it yet."""
    account = options.text("account", mend=_ACCOUNT_MEND)
    if account is None or not account.isascii() or not account.isalnum():
        raise wrong("account", "missing, or no name of a storage account", _ACCOUNT_MEND)
    login = options.login()
    if any(";" in secret.get_secret_value() for secret in login.secrets.values()):
        raise wrong("key", "a secret with a semicolon, or connector.token is", "Azure makes none with one.")
    container = AzureContainer(
        options.place.name,
        account=account,
        endpoint=options.endpoint(plain=False) or f"https://{account}.blob.core.windows.net",
        login=login,
        timeouts=options.timeouts(),
    )
    return BucketStore(container, prefix=options.place.prefix)


class AzureContainer:
    """A container. Only an ambient login looks into the environment, for a managed identity, a proxy or ~/.netrc."""

    def __init__(self, name: str, *, account: str, endpoint: str, login: Login, timeouts: Timeouts) -> None:
        self._name = name
        self._login = login
        self._account = account
        self._endpoint = endpoint
        self._opened: AzureBlobFileSystem | None = None
        self._each: dict[str, Any] = {
            "retry_total": 0,
            "permit_redirects": False,
            "connection_timeout": timeouts.connect_s,
            "read_timeout": timeouts.read_s,
        }

    async def page(self, prefix: str, token: str | None, *, max_keys: int) -> Page:
        """Some blobs, in the order of their names."""
        with _told():
            container = self._files().service_client.get_container_client(self._name)
            pages = container.list_blobs(
                name_starts_with=prefix, include=["metadata"], results_per_page=max_keys, **self._each
            ).by_page(token)
            blobs = [blob async for blob in await anext(pages)]
        return Page(items=[_item(blob) for blob in blobs if not _is_folder(blob)], following=pages.continuation_token)

    async def read(self, key: str, *, stamp: str, max_bytes: int) -> bytes:
        """The bytes of a blob as it was listed, as they are stored."""
        condition = {"etag": stamp, "match_condition": MatchConditions.IfNotModified} if stamp else {}
        with _told():
            blob = self._files().service_client.get_blob_client(self._name, key)
            # No range: an empty blob has none. 32 MiB are read at most before the rest is left.
            answer = await blob.download_blob(decompress=False, **condition, **self._each)
            return await read_within(max_bytes, answer.read)

    def _files(self) -> AzureBlobFileSystem:
        if self._opened is None:
            caches = {"use_listings_cache": False, "skip_instance_cache": True}
            if self._login.ambient:
                host = self._endpoint.partition("://")[2]
                self._opened = AzureBlobFileSystem(account_name=self._account, account_host=host, anon=False, **caches)
            else:
                self._opened = _Files(connection_string=self._connection_string(), anon=True, **caches)
        return self._opened

    def _connection_string(self) -> str:
        """What adlfs looks at before anything else, and then at nothing else."""
        parts = {"BlobEndpoint": self._endpoint, "AccountName": self._account}
        if key := self._login.get("key"):
            parts["AccountKey"] = key
        if token := self._login.get("token"):
            parts["SharedAccessSignature"] = token.removeprefix("?")
        return ";".join(f"{name}={value}" for name, value in parts.items())


class _Files(AzureBlobFileSystem):  # type: ignore[misc]
    """A file system whose client takes neither a proxy from the environment nor a login from ~/.netrc."""

    def do_connect(self) -> None:
        self.service_client = BlobServiceClient.from_connection_string(self.connection_string, use_env_settings=False)


def _item(blob: BlobProperties) -> Item:
    return Item(
        path=blob.name,
        size_bytes=blob.size,
        stamp=blob.etag,
        created=blob.creation_time.astimezone(UTC),
        modified=blob.last_modified.astimezone(UTC),
    )


def _is_folder(blob: BlobProperties) -> bool:
    """Whether it stands for a folder of an account with hierarchical names, which holds no bytes."""
    marks = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    return blob.size == 0 and marks.get("hdi_isfolder") == "true"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientAuthenticationError as error:
        if error.response is not None:
            raise _refusal(error) from None
        raise RefusedError(
            "This machine offers no credentials for the store.", mend="Refer to them as connector.key or .token."
        ) from None
    except HttpResponseError as error:
        raise (away(error) if error.response is None else _refusal(error)) from None
    except (AzureError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise away(error) from None


def _refusal(error: HttpResponseError) -> PenstockError:
    return refusal(
        error.status_code or 0, str(getattr(error, "error_code", "")), getattr(error.response, "headers", {})
    )
