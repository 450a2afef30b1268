"""What a purge is: what is due or asked for, and the receipt that says what is gone and how that was checked.

The act itself is in `indexer.erase`.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from policies import facts
from policies.errors import RefusedError
from policies.facts import Regime
from policies.model import DocumentId, PolicyHash, SourceName
from policies.orders import Order, OrderId, OrderKind, check_reference

OUT_OF_REACH = (
    "Backups of the catalog made outside Penstock: sealed with keys that are gone, unless one has the former keyring.",
    "Backups and snapshots of the indexes (sources/), which hold words and vectors unsealed: make none.",
    "Blocks that a solid-state disk or a copy-on-write file system keeps of deleted files: use an encrypted volume.",
    "Copies that somebody encoded otherwise than the checks name, such as base64 broken into lines, bzip2 or xz.",
    "Memory and open files of processes that had the passages open, until they ask again or end; swap; core dumps.",
    "The documents at their origin, and what callers did with passages they were given before.",
)
"""What deleting files cannot reach. Every receipt says so."""


WHOLE_DOCUMENT = ""
"""In place of a version: the document must not come back whatever its content."""


def is_entombed(tombstones: Collection[tuple[DocumentId, str]], document: DocumentId, version: str) -> bool:
    """Whether this content of a document, or the document whatever its content, must not come back."""
    return (document, version) in tombstones or (document, WHOLE_DOCUMENT) in tombstones


class PurgeKind(StrEnum):
    """Why a purge deletes: a period passed (GDPR Art. 5(1)(e)), or somebody asked for it (Art. 17)."""

    RETENTION = "retention"
    ERASURE = "erasure"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureRequest:
    """Documents that are to be erased, the record of the request, and the ground in Art. 17(1)."""

    documents: frozenset[DocumentId]
    reference: str
    ground: str

    def check(self) -> None:
        """Refuse what nobody could answer for.

        Raises:
            RefusedError: no documents, no reference, or a ground that Art. 17(1) does not have.
        """
        if not self.documents:
            raise RefusedError("There is nothing to erase.", mend="Name documents, or a data subject they mention.")
        check_ground(self.reference, self.ground)


def check_ground(reference: str, ground: str) -> None:
    """Refuse a request for erasure without a reference, or with a ground that Art. 17(1) does not have.

    Raises:
        RefusedError: it is one.
    """
    check_reference(reference, "reference of the request")
    known = sorted(one.name for one in facts.erasure().grounds)
    if ground not in known:
        raise RefusedError(
            f"{ground!r} is no ground for erasure (GDPR Art. 17(1)).", mend=f"Name one of {', '.join(known)}."
        )


def check_exception(name: str, regime: Regime) -> str:
    """The provision of Art. 17(3) on which an erasure is refused, "" where the regime has no such right.

    Raises:
        RefusedError: Art. 17(3) has no such exception: without one the request must be met.
    """
    rows = {row.name: row for row in facts.erasure().exceptions}
    if name not in rows:
        raise RefusedError(
            f"{name!r} is no exception that Art. 17(3) of the GDPR knows.",
            mend=f"Cite one of {', '.join(sorted(rows))}, or erase the documents. A request that no ground of Art. "
            "17(1) bears, or that Art. 12(5) or a national exemption lets decline, is recorded with your others.",
        )
    return rows[name].article if regime in rows[name].regimes else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptDocument:
    """A document that would be deleted but for a standing order."""

    document: DocumentId
    order: OrderId
    kind: OrderKind


@dataclass(frozen=True, kw_only=True, slots=True)
class DueDocument:
    """A document whose retention has passed. `due` is when it did: UTC, aware."""

    document: DocumentId
    due: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgePlan:
    """What a purge of a source would delete, and what it would but for standing orders. `reason` is a sentence."""

    kind: PurgeKind
    source: SourceName
    policy_hash: PolicyHash
    reason: str
    reference: str
    at: datetime
    documents: tuple[DueDocument, ...]
    kept: tuple[KeptDocument, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Something that was looked for after deletion: how many such things, and how many were found."""

    what: str
    searched: int
    found: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What was deleted, why, by whom, and which checks were made. Documents are named by their opaque ids.

    `actor` is who asked for it. `finished_by` is who finished it, None where that is the same. `kept` is what was to be
    deleted as well, but for an order that stood when it was planned.
    """

    purge: str
    source: SourceName
    policy_hash: PolicyHash
    kind: str
    reason: str
    reference: str
    actor: str
    finished_by: str | None
    planned_at: str
    finished_at: str
    documents: tuple[str, ...]
    kept: tuple[KeptDocument, ...]
    passages: int
    keys_destroyed: int
    files_scanned: int
    bytes_scanned: int
    checks: tuple[Check, ...]
    out_of_reach: tuple[str, ...] = OUT_OF_REACH


def kept(document: DocumentId, order: Order) -> KeptDocument:
    """The document as one that an order keeps."""
    return KeptDocument(document=document, order=order.id, kind=order.kind)


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
