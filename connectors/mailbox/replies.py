"""What an IMAP server answers: refusals by what their reader can do, and the messages of a FETCH."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from connectors.mailbox.message import moment
from policies.errors import DependencyError, PenstockError, RefusedError

Piece: TypeAlias = bytes | tuple[bytes, bytes] | None
"""A part of an answer as `imaplib` gives it: a line, or what stood before a literal and the literal."""

_CODE: Final = re.compile(r"\[([A-Z-]{1,40})[\] ]")
# RFC 5530, section 3.
_REFUSING: Final = frozenset(
    {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN"}
)
# RFC 5530 and 9051. Gmail says OVERQUOTA of a day's bandwidth.
_PASSING: Final = frozenset({"UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG", "OVERQUOTA", "THROTTLED"})
# Exchange Online and Gmail have no code for it. "Request is throttled. Suggested Backoff Time: 1500 milliseconds"
_THROTTLED: Final = re.compile(r"throttled|too many simultaneous", re.IGNORECASE)
_BACKOFF: Final = re.compile(r"backoff time: (\d{1,9}) milliseconds", re.IGNORECASE)

_LITERAL: Final = re.compile(rb"\{\d+\}$")
_FLAGS: Final = re.compile(rb"FLAGS \([^()]*\)")
_UID: Final = re.compile(rb"[( ]UID (\d{1,10})\b")
_ARRIVED: Final = re.compile(rb'[( ]INTERNALDATE "([^"]*)"')
_VALUE: Final = rb'(?:<0>)? (?:\{(?P<literal>\d{1,9})\}|"(?P<quoted>(?:[^"\\]|\\.)*)"|NIL)'
_HEAD: Final = re.compile(rb"[( ]BODY\[HEADER\.FIELDS[^\]]*\]" + _VALUE)
_BODY: Final = re.compile(rb"[( ]BODY\[\]" + _VALUE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a FETCH tells of one message; `body` is None where it was not asked for."""

    uid: int
    head: bytes
    body: bytes | None
    arrived: datetime | None


def failure(text: str, *, otherwise: PenstockError) -> PenstockError:
    """The error for a command that a server did not do: by the code it gives, else `otherwise`.

    What the server said stays out of it, for it may name people.
    """
    code = next(iter(_CODE.findall(text)), "")
    if code in _PASSING or _THROTTLED.search(text):
        wait = _BACKOFF.search(text)
        return DependencyError(
            f"The mail server asks to be left alone for now ({code or 'throttled'}).",
            mend="Sync later, or less often.",
            retry_after_s=int(wait[1]) / 1000 if wait else None,
        )
    return refused(code) if code in _REFUSING else otherwise


def refused(code: str = "no code") -> RefusedError:
    """The error for an account that may not log in, or no longer."""
    return RefusedError(
        f"The mail server refuses the account ({code}).",
        mend="Mend connector.username and the secret, or ask who runs the server to let it in by IMAP.",
    )


def away() -> DependencyError:
    """The error for a server that cannot be reached, breaks off, or answers what is none."""
    return DependencyError("The mail server is away or broke off.", mend="See that it is in order, then sync again.")


def replies(pieces: Sequence[Piece]) -> Iterator[Reply]:
    """The messages that an answer to FETCH holds. What has no UID or no header, as a change of flags, is left out."""
    text, literals = b"", list[bytes]()
    for piece in pieces:
        match piece:
            case (before, literal):
                text += _LITERAL.sub(b"{%d}" % len(literals), before)
                literals.append(literal)
            case bytes():
                # A flag may be called UID.
                found = _reply(_FLAGS.sub(b"", text + piece), literals)
                if found is not None:
                    yield found
                text, literals = b"", []


def _reply(text: bytes, literals: Sequence[bytes]) -> Reply | None:
    uid, arrived = _UID.search(text), _ARRIVED.search(text)
    head, body = (_value(pattern.search(text), literals) for pattern in (_HEAD, _BODY))
    if uid is None or head is None:
        return None
    return Reply(uid=int(uid[1]), head=head, body=body, arrived=arrived and moment(arrived[1].decode("latin-1")))


def _value(found: re.Match[bytes] | None, literals: Sequence[bytes]) -> bytes | None:
    """A part's value, b"" for NIL; None where there is no such part, or no literal where it says that one is."""
    if found is None:
        return None
    if found["literal"] is None:
        return re.sub(rb"\\(.)", rb"\1", found["quoted"] or b"")
    return next(iter(literals[int(found["literal"]) :]), None)
