"""What a purge is: what is due, and the receipt that says what is gone and how that was checked.

The act itself is in `indexer.erase`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from policies.errors import RefusedError
from policies.model import DocumentId, PolicyHash, SourceName

OUT_OF_REACH = (
    "Backups made outside Penstock: sealed with keys that are gone, unless one holds the keyring from before as well.",
    "Blocks that a solid-state disk or a copy-on-write file system keeps of deleted files: use an encrypted volume.",
    "Memory and open files of processes that had the passages open, until they ask again or end; swap; core dumps.",
    "The documents at their origin, and what callers did with passages they were given before.",
)
"""What deleting files cannot reach. Every receipt says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DueDocument:
    """A document whose retention has passed. `due` is when it did: UTC, aware."""

    document: DocumentId
    due: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgePlan:
    """What a purge of a source would delete."""

    source: SourceName
    policy_hash: PolicyHash
    retention: str
    at: datetime
    documents: tuple[DueDocument, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Something that was looked for after deletion: how many such things, and how many were found."""

    what: str
    searched: int
    found: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What was deleted, why, by whom, and which checks were made. Documents are named by their opaque ids."""

    purge: str
    source: SourceName
    policy_hash: PolicyHash
    reason: str
    actor: str
    planned_at: str
    finished_at: str
    documents: tuple[str, ...]
    passages: int
    keys_destroyed: int
    files_scanned: int
    bytes_scanned: int
    checks: tuple[Check, ...]
    out_of_reach: tuple[str, ...] = OUT_OF_REACH


def sign(receipt: Receipt, *, signer: Callable[[bytes], bytes], public_key: bytes) -> str:
    """The receipt as JSON with the home's Ed25519 signature over its canonical form."""
    content = asdict(receipt)
    return _dump(content, signer(_canonical(content)), public_key)


def is_genuine(signed: str, *, verifier: Callable[[bytes, bytes, bytes], bool], public_key: bytes) -> bool:
    """Whether a receipt was signed by the home with this public key and not edited since.

    Raises:
        RefusedError: it is not a receipt.
    """
    try:
        plain = json.loads(signed)
        content, value = plain["receipt"], base64.b64decode(plain["signature"]["value"], validate=True)
        message, written = _canonical(content), _dump(content, value, public_key)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(
            "This is not a purge receipt.", mend="Name the JSON that `penstock purge run` printed."
        ) from error
    # As `sign` writes it, to the letter: of two keys of one name some readers take the first and some the last, and
    # what is written beside the receipt is not signed.
    return signed.strip() == written and verifier(public_key, message, value)


def _dump(content: Mapping[str, object], value: bytes, public_key: bytes) -> str:
    signature = {
        "algorithm": "Ed25519",
        "public_key": base64.b64encode(public_key).decode(),
        "value": base64.b64encode(value).decode(),
    }
    return json.dumps({"receipt": content, "signature": signature}, indent=2, sort_keys=True)


def _canonical(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
