"""What the connector asks of a store, and the words in which all stores refuse."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from pydantic import SecretStr

from connectors.base import Refused
from connectors.patterns import Selection
from policies.errors import DependencyError, QuarantineError

CHUNK_BYTES: Final = 1 << 20
"""Read at a time."""

Sleep = Callable[[float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """How long a store may take to connect, and then from one piece of an answer to the next."""

    connect_s: float
    read_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Who Penstock is to a store: whom the secrets that a manifest refers to make it, by the names of their options.

    Only where the manifest says so is it anybody (`anonymous`) or whom the machine makes it (`ambient`), and never
    because something else failed.
    """

    secrets: Mapping[str, SecretStr]
    anonymous: bool
    ambient: bool

    def get(self, option: str) -> str | None:
        """A secret, in the open."""
        return self.secrets[option].get_secret_value() if option in self.secrets else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One object as a store lists it. `path` is below the prefix or root of the source; times are UTC and aware."""

    path: str
    size_bytes: int | None
    stamp: str
    created: datetime | None
    modified: datetime | None


class Store(Protocol):
    """The part of a store that a source is. It connects when it is first asked, and again after a failure.

    `sleep` waits between two tries of a single request. Raises, from both methods: RefusedError, DependencyError.
    """

    def listing(self, selection: Selection, *, sleep: Sleep) -> Iterator[Item | Refused]:
        """All that is selected, to the end or with an error."""

    def read(self, path: str, *, stamp: str, max_bytes: int, sleep: Sleep) -> bytes:
        """The bytes of the version that was listed with `stamp`, or of whichever there is where that is "".

        Raises:
            QuarantineError: gone, changed, unreadable, or larger than `max_bytes` (which is never read to its end).
        """


def away(error: BaseException) -> DependencyError:
    """The store did not answer. Of the error only the class is told, for its text may hold the name of a document."""
    return DependencyError(
        f"The store does not answer as it should: {type(error).__name__}.",
        mend="Look at the network and the store, then sync again.",
    )


def quarantine(reason: str, mend: str) -> QuarantineError:
    """The object is skipped."""
    return QuarantineError(f"The object was not read: {reason}.", reason=reason, stage="fetch", mend=mend)


def too_large(max_bytes: int) -> QuarantineError:
    """The object is over the limit."""
    return quarantine("too_large", f"Split it, or raise the source's limit of {max_bytes} bytes.")


def changed() -> QuarantineError:
    """The object is another than was listed."""
    return quarantine("changed", "It was written to since it was listed. Sync again.")


def gone() -> QuarantineError:
    """The object is no longer there."""
    return quarantine("gone", "Sync again.")


async def read_within(max_bytes: int, read: Callable[[int], Awaitable[bytes]]) -> bytes:
    """All that `read` gives, piece by piece.

    Raises:
        QuarantineError: it is more than `max_bytes`, and the rest was left.
    """
    pieces: list[bytes] = []
    room = max_bytes + 1
    while room > 0 and (piece := await read(min(room, CHUNK_BYTES))):
        pieces.append(piece)
        room -= len(piece)
    if room <= 0:
        raise too_large(max_bytes)
    return b"".join(pieces)
