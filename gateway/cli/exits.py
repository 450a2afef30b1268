"""What the exit code of a command says."""

from typing import Final

from policies.errors import AuditError, ConflictError, DependencyError, IntegrityError, PenstockError

FINDINGS: Final = 1
REFUSED: Final = 2
RETRY: Final = 3
INTEGRITY: Final = 4
FAULT: Final = 5

EPILOG: Final = (
    "Exit codes: 0 done, all well; 1 a check found something; 2 wrong usage or refused input; 3 busy or something "
    "needed is away, retry later; 4 stored bytes are not what was written; 5 a fault of Penstock."
)


def exit_code(error: PenstockError) -> int:
    """The exit code of a command that ended with this error."""
    match error:
        case ConflictError() | DependencyError():
            return RETRY
        case IntegrityError():
            return INTEGRITY
        case _:
            return REFUSED


def exit_code_of(code: str) -> int:
    """The exit code of a command whose job ended with an error of this code."""
    match code:
        case ConflictError.code | DependencyError.code | AuditError.code:
            return RETRY
        case IntegrityError.code:
            return INTEGRITY
        case _:
            return REFUSED
