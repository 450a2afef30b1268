"""A small audit as it is stored and as it is exported, and the checks that are under test."""

import io
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from indexer.database import Database
from indexer.signature import verify_signature
from policies import ledger, transcript
from policies.ledger import START, AuditRow, Head, Record
from policies.model import Action, AuditEvent

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOME = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
PUBLIC_KEY = HOME.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
CHAIN_BYTES = 7_000
"""The least that the export of the chain takes."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The same records as a list, as the bytes of a SQLite file, and as an export; the last one is anchored."""

    records: Sequence[Record]
    database: bytes
    export: bytes

    @property
    def head(self) -> Head:
        """What the anchor says."""
        return Head(sequence=self.records[-1].sequence, hash=self.records[-1].hash)


def make(folder: Path) -> Chain:
    """A chain of retrievals, written by the code that writes them."""
    path = folder / "chain.db"
    database = Database(path, [AuditRow])
    database.create()
    written: list[bytes] = []
    while sum(map(len, written)) < CHAIN_BYTES:
        number = len(written)
        event = AuditEvent(
            actor=f"caller:ann{number}",
            action=Action.RETRIEVED,
            objects=(f"{number:024x}", f"{number + 1:032x}"),
            policy_hash="a1" * 4,
            detail={"purpose": "support", "passages": number, "confidence": 0.5, "agent": None, "sources": ["café"]},
        )
        with database.writing() as session:
            ledger.append(session, event, now=NOW + timedelta(seconds=number))
        with database.reading() as session:
            records = list(ledger.records(session))
        written = list(
            transcript.lines(records, after=START, signer=HOME.sign, public_key=PUBLIC_KEY, now=NOW),
        )
    database.checkpoint()
    database.close()
    return Chain(records=records, database=_without_log(path.read_bytes()), export=b"".join(written))


def export_holds(raw: bytes) -> bool:
    """What `penstock audit verify-export --key` says of these bytes."""
    checked = transcript.check(io.BytesIO(raw), verifier=verify_signature, public_key=PUBLIC_KEY)
    return not checked.problems


def chain_holds(records: Sequence[Record], anchor: Head) -> bool:
    """What `penstock audit verify` says of these records."""
    return not ledger.verify(records, [anchor])


def stored_records(raw: bytes, anchor: Head) -> list[Record] | None:
    """The records in the bytes of a SQLite file, None where `penstock audit verify` finds something wrong with it."""
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        connection.deserialize(raw)
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        try:
            with Session(engine) as session:
                return None if ledger.check(session, [anchor]) else list(ledger.records(session))
        except DatabaseError:
            # The home says so as an integrity error, and answers nothing more.
            return None


def _without_log(raw: bytes) -> bytes:
    """The file as one that needs no write-ahead log, which a file in memory cannot have (bytes 18 and 19)."""
    return raw[:18] + b"\x01\x01" + raw[20:]
