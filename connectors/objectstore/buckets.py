"""Stores that know no folders but keys, listed page by page: S3, Google Cloud Storage, Azure Blob Storage."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Protocol

from connectors.base import Refused
from connectors.objectstore.loop import patient
from connectors.objectstore.store import Item, Sleep, changed, gone, quarantine
from connectors.patterns import Selection
from connectors.web.answers import Headers
from policies.errors import DependencyError, PenstockError, QuarantineError, RefusedError

MAX_PAGES: Final = 100_000
"""Chosen: a hundred million keys."""
MAX_PAGE_BYTES: Final = 16 * 2**20
"""Chosen: a thousand keys of 1,024 bytes, each byte quoted as %XX, take a quarter of it."""
_THROTTLED: Final = frozenset(
    {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequestsException"}
)
"""Codes that S3 and its likes have been seen to send with status 400 too."""
_ARCHIVED: Final = frozenset({"InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"})
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of a bucket's objects, whose paths are their whole keys, and the token of the next page."""

    items: Sequence[Item]
    following: str | None


class Bucket(Protocol):
    """A bucket or container, asked from the event loop. An answer that is not what was asked for is a `refusal`."""

    async def page(self, prefix: str, token: str | None, *, max_keys: int) -> Page:
        """The keys that begin with `prefix`, from the first or where a page before ended."""

    async def read(self, key: str, *, stamp: str, max_bytes: int) -> bytes:
        """The bytes of an object. See `Store`."""


def refusal(status: int, code: str, fields: Mapping[str, str]) -> PenstockError:
    """What an answer means that is not what was asked for: by its status, the store's own code and its header."""
    shown = code if _CODE.fullmatch(code) else str(status)
    headers = Headers(fields=[(name.lower(), value) for name, value in fields.items()])
    match status:
        case _ if code in _ARCHIVED:
            return quarantine("unreadable", "Restore it from the archive and sync again, or leave it out by `exclude`.")
        case HTTPStatus.NOT_FOUND if code != "NoSuchBucket":
            return gone()
        case HTTPStatus.PRECONDITION_FAILED:
            return changed()
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS:
            pass
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR and code not in _THROTTLED:
            return RefusedError(
                f"The store refuses: {shown}.",
                mend="Mend connector.url, its region or endpoint, the credentials, or what these may list and read.",
            )
    return DependencyError(
        f"The store is busy or out of order: {shown}.", mend="Sync again later.", retry_after_s=headers.retry_after_s
    )


class BucketStore:
    """The objects of a bucket whose keys begin with a prefix, which is "" or ends with a slash.

    Keys are mere characters: `..`, empty names and unnormalised forms are kept as they are. Empty objects whose keys
    end with a slash are the folders of a console, and no documents.
    """

    def __init__(self, bucket: Bucket, *, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    def listing(self, selection: Selection, *, sleep: Sleep) -> Iterator[Item | Refused]:
        """Every object that is selected, in the store's own order."""
        token: str | None = None
        for _ in range(MAX_PAGES):
            page = self._page(token, sleep=sleep)
            for item in page.items:
                if not item.path.startswith(self._prefix):
                    raise RefusedError(
                        "The store lists keys that it was not asked for.", mend="Look at connector.endpoint."
                    )
                path = item.path.removeprefix(self._prefix)
                is_folder = item.size_bytes == 0 and (path.endswith("/") or not path)
                if not path and not is_folder:
                    yield Refused(origin_id="", reason="bad_name", mend="Copy it to a key that is longer than the url.")
                elif not is_folder and selection.takes(path):
                    yield replace(item, path=path)
            if page.following is None:
                return
            if page.following == token:
                break
            token = page.following
        raise DependencyError("The store's listing comes to no end.", mend="Look at the store, then sync again.")

    def read(self, path: str, *, stamp: str, max_bytes: int, sleep: Sleep) -> bytes:
        """The bytes of an object.

        Where it is refused, the bucket is asked for a page: if that is refused too, it is not for this object.
        """
        if not path:
            raise gone()
        key = self._prefix + path
        try:
            return patient(lambda: self._bucket.read(key, stamp=stamp, max_bytes=max_bytes), sleep=sleep)
        except RefusedError:
            self._page(None, sleep=sleep, max_keys=1)
            raise quarantine(
                "unreadable", "Let the credentials read and decrypt it, or leave it out by `exclude`."
            ) from None
        except QuarantineError as error:
            if error.reason == "gone":
                self._page(None, sleep=sleep, max_keys=1)
            raise

    def _page(self, token: str | None, *, sleep: Sleep, max_keys: int = 1000) -> Page:
        try:
            return patient(lambda: self._bucket.page(self._prefix, token, max_keys=max_keys), sleep=sleep)
        except QuarantineError as error:
            raise RefusedError(f"The bucket cannot be listed: {error.reason}.", mend="Mend connector.url.") from None
