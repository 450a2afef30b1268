"""The project's error tree, grouped by what the caller can do about it.

PenstockError
├── RefusedError                refuse: the input is wrong and must be mended
│   ├── ManifestError           a manifest does not load
│   ├── UnauthenticatedError    no caller could be verified
│   ├── SettingsError           the environment, a home or a key file is not as it must be
│   └── ConflictError           somebody else is at work, or the thing exists already
├── DependencyError             retry later: something needed is away or broken; nothing was let through
│   └── AuditError              no record could be made, so no answer is given
├── QuarantineError             skip this document and record why
└── IntegrityError              stop: stored bytes are not what was written

Each error has a stable `code`, the HTTP `status` it becomes at the edge, and a `mend`: what to do about it.
A message holds identifiers and the mend, never document text, a person's name or a query.
"""

from http import HTTPStatus
from typing import ClassVar


class PenstockError(Exception):
    """Anything Penstock refuses or fails at, with the mend."""

    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, message: str, *, mend: str) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        """The message followed by the mend."""
        return f"{self.message} {self.mend}"


class RefusedError(PenstockError):
    """The input is wrong; the same input will be refused again."""

    code = "refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ManifestError(RefusedError):
    """A manifest does not load.

    `path` is the file as given, `line` the 1-based line, `key` the dotted key at fault ("" for the whole file).
    """

    code = "manifest_invalid"

    def __init__(self, message: str, *, mend: str, path: str = "", line: int = 0, key: str = "") -> None:
        super().__init__(message, mend=mend)
        self.path = path
        self.line = line
        self.key = key

    def __str__(self) -> str:
        """`file:line: key: message mend`, leaving out what is not known."""
        line = f"{self.line}:" if self.line else ""
        place = f"{self.path}:{line} " if self.path else ""
        return f"{place}{f'{self.key}: ' if self.key else ''}{self.message} {self.mend}"


class UnauthenticatedError(RefusedError):
    """No caller could be verified from the credentials given, or none were given."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class SettingsError(RefusedError):
    """The environment, a home or a key file is not as it must be."""

    code = "settings_invalid"


class ConflictError(RefusedError):
    """Somebody else is at work on the same thing, or it exists already."""

    code = "conflict"
    status = HTTPStatus.CONFLICT


class DependencyError(PenstockError):
    """Something needed is away or broken; nothing was let through. Retrying later may succeed.

    `retry_after_s` is how many seconds it asked to be left alone for, None where it did not say.
    """

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, mend: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, mend=mend)
        self.retry_after_s = retry_after_s


class AuditError(DependencyError):
    """The audit record could not be made durable, so the act did not happen."""

    code = "audit_unavailable"


class QuarantineError(PenstockError):
    """This document cannot be let in; record why and go on with the next one.

    `stage` is one of fetch, admit, parse, redact, split, embed; `reason` is a stable code such as "encrypted".
    """

    code = "quarantined"
    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, message: str, *, reason: str, stage: str, mend: str) -> None:
        super().__init__(message, mend=mend)
        self.reason = reason
        self.stage = stage


class IntegrityError(PenstockError):
    """Stored bytes are not what was written: a checksum, a signature or a chain does not hold."""

    code = "integrity"
