"""An export of the audit: the chain in canonical JSON lines, and a last line that is signed and names its ends.

It is checked standing alone, without the home, and shows later that the home's chain still is the one it was then.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain, pairwise
from typing import Any

from policies.errors import IntegrityError
from policies.ledger import START, Head, Problem, Record, Times, canonical, verify

FORMAT = "penstock-audit-1"
_DOMAIN = b"penstock audit export "
"""What a signature begins with, so that it can be taken for that of nothing else that a home signs."""
Verifier = Callable[[bytes, bytes, bytes], bool]
"""Whether the key (first) signed the message (second) with the signature (third)."""
_RECORD_TYPES = {"sequence": int} | dict.fromkeys(
    ("at", "actor", "action", "objects", "policy_hash", "detail", "previous", "hash"), str
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seal:
    """The last line of an export: where its records begin and end, when it was made, and who signed that."""

    after: Head
    head: Head
    exported_at: str
    public_key: bytes
    signature: bytes

    def message(self) -> bytes:
        """What is signed."""
        return _DOMAIN + canonical(self._content()).encode()

    def line(self) -> bytes:
        """The line, with its end."""
        return _line(self._content() | {"signature": base64.b64encode(self.signature).decode()})

    def _content(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "after": asdict(self.after),
            "head": asdict(self.head),
            "exported_at": self.exported_at,
            "public_key": base64.b64encode(self.public_key).decode(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What the check of an export found. `seal` is None where its last line is none; then there are problems."""

    seal: Seal | None
    problems: tuple[Problem, ...]


def lines(
    records: Iterable[Record], *, after: Head, signer: Callable[[bytes], bytes], public_key: bytes, now: datetime
) -> Iterator[bytes]:
    """The lines of an export of the records that follow `after`.

    Raises:
        IntegrityError: they do not follow each other; what does not hold is not signed.
    """
    head = after
    for record in records:
        if problems := verify((record,), (), after=head):
            raise IntegrityError(f"The audit does not hold: {problems[0]}.", mend="Run: penstock audit verify")
        head = Head(sequence=record.sequence, hash=record.hash)
        yield _line(asdict(record))
    unsigned = Seal(after=after, head=head, exported_at=now.isoformat(), public_key=public_key, signature=b"")
    yield replace(unsigned, signature=signer(unsigned.message())).line()


def check(raw: Iterable[bytes], *, verifier: Verifier, public_key: bytes | None) -> Checked:
    """Whether an export, line by line, is to the bit what a home signed: the one with this public key, if one is given.

    Without one it shows that nothing was changed since somebody signed it, not who that was.
    """
    problems: list[Problem] = []
    ends: tuple[Head, Head] | None = None
    last, times = b"", Times()
    for line, last in pairwise(chain((b"",), raw)):  # noqa: B007 - the last line is looked at below
        if not line:
            continue
        record = _record(line)
        if record is None:
            problems.append(Problem(sequence=ends[1].sequence + 1 if ends else 1, what="is not as it was written"))
            continue
        first, head = ends or (Head(sequence=record.sequence - 1, hash=record.previous),) * 2
        problems += [*verify((record,), (), after=head), *times.follow(record)]
        ends = (first, Head(sequence=record.sequence, hash=record.hash))
    seal = _seal(last)
    problems += _faults(seal, ends, verifier, public_key) if seal else [_whole("the end was cut off or changed")]
    return Checked(seal=seal, problems=tuple(problems))


def _faults(
    seal: Seal,
    ends: tuple[Head, Head] | None,
    verifier: Verifier,
    public_key: bytes | None,
) -> Iterator[Problem]:
    if (seal.after, seal.head) != (ends or (seal.head, seal.head)):
        yield _whole("the last line is of other records")
    if seal.after.sequence == 0 and seal.after != START:
        yield _whole("the first record follows another")
    if not verifier(seal.public_key, seal.message(), seal.signature):
        yield _whole("the signature does not hold")
    if public_key not in {None, seal.public_key}:
        yield _whole("it was signed with another key")


def _record(line: bytes) -> Record | None:
    """The record in a line, None where it is not one exactly as `lines` writes it."""
    value = _written(line)
    if value is None or {name: type(held) for name, held in value.items()} != _RECORD_TYPES:
        return None
    return Record(**value)


def _seal(line: bytes) -> Seal | None:
    value = _written(line)
    try:
        if value is None:
            return None
        seal = Seal(
            after=Head(**value["after"]),
            head=Head(**value["head"]),
            exported_at=value["exported_at"],
            public_key=base64.b64decode(value["public_key"], validate=True),
            signature=base64.b64decode(value["signature"], validate=True),
        )
        return seal if seal.line() == line else None
    except (ValueError, KeyError, TypeError):
        return None


def _written(line: bytes) -> dict[str, Any] | None:
    """The object in a line, None where the line is not byte for byte what is written for it."""
    try:
        value = json.loads(line)
        return value if isinstance(value, dict) and _line(value) == line else None
    except (ValueError, TypeError, RecursionError):
        return None


def _line(value: object) -> bytes:
    return canonical(value).encode() + b"\n"


def _whole(what: str) -> Problem:
    return Problem(sequence=0, what=what)
