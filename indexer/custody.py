"""What catalog and keyring say of each other: whether the audit is whole, and which keys nothing names."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from indexer import joblog, orders, revisions
from indexer.keyring import KeyId, Keyring
from policies import ledger
from policies.errors import IntegrityError
from policies.ledger import Head, Problem
from policies.model import Action, SourceName

_TOMBSTONED = Action.PURGE_TOMBSTONED
_ORDERED = (Action.HOLD_PLACED, Action.RESTRICTION_PLACED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Audited:
    """What a check of the audit found, over so many records and signed heads."""

    records: int
    anchors: int
    problems: tuple[Problem, ...]


def audited(session: Session, keyring: Keyring, *, also: Sequence[Head] = ()) -> Audited:
    """Check the whole audit, against the keyring's anchors and `also` these heads, whose signatures were checked."""
    anchors = keyring.checked_anchors()
    problems = ledger.check(session, [*anchors.heads, *also])
    return Audited(
        records=ledger.current_head(session).sequence,
        anchors=len(anchors.heads),
        problems=(*anchors.problems, *_older_keyring(session, keyring), *problems),
    )


def require(session: Session, keyring: Keyring) -> None:
    """Return if the keyring knows of all that the audit says was buried or ordered.

    Raises:
        IntegrityError: it does not, so that it is one from before. What was erased would come back, and be deleted
            what is on hold.
    """
    for problem in _older_keyring(session, keyring):
        raise older_keyring(f"record {problem.sequence} of the audit")


def unnamed_keys(session: Session, keyring: Keyring, source: SourceName | None = None) -> frozenset[KeyId]:
    """The document keys, of one source or of all, that nothing names: of versions that came to nothing.

    None of a source on which an order stands: it may be about a version that this catalog, restored, does not name yet.
    """
    with keyring.database.reading() as kept:
        ordered = orders.sources(kept)
    spared = (keyring.document_key_ids(name) for name in ordered)
    return keyring.document_key_ids(source).difference(revisions.ids(session), joblog.keys(session), *spared)


def older_keyring(what: str) -> IntegrityError:
    """That the keyring does not know of something."""
    return IntegrityError(
        f"The keyring knows nothing of {what}: an older keyring was put back.",
        mend="Put the present keyring back. Until then nothing is shown, taken in or deleted.",
    )


def _older_keyring(session: Session, keyring: Keyring) -> Iterator[Problem]:
    """Every record of a purge without a trace of its tombstones, and of an order that is not there."""
    # Before the keyring, which is told of each act first: of one that another process does meanwhile it knows then.
    records = tuple(ledger.of(session, _TOMBSTONED, *_ORDERED))
    buried = keyring.burials()
    with keyring.database.reading() as keys:
        ordered = orders.ids(keys)
    for record in records:
        match _parsed(record.objects):
            case [str(), str(purge), *documents] if record.action == _TOMBSTONED and all(
                (document, purge) in buried for document in documents
            ):
                pass
            case [str(), str(order), *_] if record.action in _ORDERED and order in ordered:
                pass
            case _:
                yield Problem(
                    sequence=record.sequence,
                    what="is of an act that the keyring knows nothing of: an older keyring was put back, and what was "
                    "purged can come back",
                )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
