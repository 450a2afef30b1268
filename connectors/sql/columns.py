"""What the values of a row mean. A value of another kind is a fault of the query, which stops the run."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from typing import Final
from uuid import UUID

from connectors.sql.snapshot import Selected
from policies.errors import RefusedError

MAX_TITLE_CHARS: Final = 200
_SEVERAL: Final = re.compile(r"[^\w:.=@-]\s*(?:group|user):", re.IGNORECASE)
"""A second principal in a text. A colon is no separator: `group:urn:geant:example.org:group:staff` is one group."""


def named(
    selected: Selected, *, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> Iterator[dict[str, object]]:
    """The rows by the names of their columns.

    Raises:
        RefusedError: a column is missing, unknown or comes twice.
    """
    names = selected.names
    if missing := sorted(required - set(names)):
        raise _fault(f"A query selects no column {missing[0]!r}.", f"Name it so: SELECT … AS {missing[0]}.")
    if unknown := sorted(set(names) - required - optional):
        # Taken for a comment it could be a misspelt `deny`.
        known = ", ".join(sorted(required | optional))
        raise _fault(f"A query selects a column {unknown[0]!r}, which means nothing.", f"The names are {known}.")
    if len(set(names)) < len(names):
        raise _fault("A query selects two columns of one name.", "Give each a name of its own with AS.")
    return (dict(zip(names, row, strict=True)) for row in selected.rows)


def identifier(value: object) -> str:
    """The id of a document."""
    match value:
        case bool():
            pass
        case str() if value:
            return value
        case int() | UUID():
            return str(value)
    raise _fault(
        f"An id is {_kind(value)}, not a whole number, a UUID or text with something in it.",
        "Select another column as id, or cast it to text.",
    )


def moment(value: object, *, zone: tzinfo | None) -> datetime | None:
    """A time in UTC, aware; None for NULL and for what no calendar holds. `zone` is that of times without one."""
    match value:
        case None:
            return None
        case datetime():
            when = value
        case date():
            when = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
        case str():
            try:
                when = datetime.fromisoformat(value)
            except ValueError:
                raise _fault("A time is text that is no ISO 8601 date or time.", _CAST_TIME) from None
        case _:
            raise _fault(f"A time is {_kind(value)}.", _CAST_TIME)
    if when.tzinfo is None and zone is None:
        raise _fault(
            "A time names no time zone.", "Add `timezone: UTC`, or the zone that such times are of, to connector."
        )
    try:
        return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return None


_CAST_TIME: Final = "Select a timestamp, or on SQLite text as its function datetime() gives it."


def stamp(value: object) -> str:
    """What changes with the document, "" for NULL."""
    match value:
        case None:
            return ""
        case bytes() | memoryview():
            return value.hex()
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def size_bytes(value: object) -> int | None:
    """A size, None for NULL."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise _fault(f"A size_bytes is {_kind(value)}, or less than nothing.", "Select a whole number, or leave it out.")


def flag(value: object) -> bool:
    """Whether a column that says yes or no says yes. NULL says no."""
    if value is None or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise _fault(f"A deleted is {_kind(value)}.", "Select true or false in it, such as deleted_at IS NOT NULL.")


def title(value: object) -> str:
    """A title on one line, "" for NULL."""
    if value is not None and not isinstance(value, str):
        raise _fault(f"A title is {_kind(value)}.", "Cast it to text.")
    shown = "".join(char if char.isprintable() else " " for char in value or "")
    return " ".join(shown.split())[:MAX_TITLE_CHARS]


def principals(value: object, *, separator: str | None) -> frozenset[str]:
    """The principals of an array, a JSON array, or text: one, or several with `separator` between them.

    Text that is not what it seems becomes one principal that is no valid one, so that the guard drops the document's
    whole access. So does one in which a second principal begins: to deny `group:a;group:b` would deny nobody.
    """
    return frozenset(f"*{part}" if _SEVERAL.search(part) else part for part in _parts(value, separator))


def _parts(value: object, separator: str | None) -> list[str]:
    match value:
        case None | "":
            return []
        case str() if value.startswith("["):
            return _of_json(value)
        case str() if separator is not None:
            return [part.strip() for part in value.split(separator) if part.strip()]
        case str():
            return [value]
        case list() if all(isinstance(part, str) for part in value):
            return value
    raise _fault(f"An allow or deny is {_kind(value)}.", "Select an array of text, a JSON array of text, or text.")


def _of_json(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    return found if isinstance(found, list) and all(isinstance(part, str) for part in found) else [text]


def _kind(value: object) -> str:
    return f"of type {type(value).__name__}"


def _fault(message: str, mend: str) -> RefusedError:
    return RefusedError(message, mend=mend)
