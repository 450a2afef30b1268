"""A gateway's JSON, believed one field at a time. Nothing but the standard library is imported."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.exchange import MalformedError

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can write and no file or terminal takes."""


def parsed(body: bytes) -> "Object":
    """The object that a body holds.

    Raises:
        MalformedError: it holds none, or one on which parsers disagree: a key twice, a number that is not finite.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        return _object(value, "answer")
    except (ValueError, RecursionError):
        raise MalformedError("The answer is not JSON.") from None  # the cause holds a part of it


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object that is believed one field at a time. Keys nobody asks for are a later version's.

    Every method raises MalformedError where the field is not there, or is not what it is asked for as.
    """

    fields: Mapping[str, object] = field(repr=False)

    def value(self, name: str) -> object:
        """Whatever it is."""
        if name not in self.fields:
            raise _not_as(name)
        return self.fields[name]

    def text(self, name: str) -> str:
        """A text."""
        return _text(self.value(name), name)

    def text_or_none(self, name: str) -> str | None:
        """A text or null."""
        return None if self.value(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Texts."""
        return tuple(_text(item, name) for item in self._items(name))

    def one(self, name: str) -> "Object":
        """An object."""
        return _object(self.value(name), name)

    def each(self, name: str) -> tuple["Object", ...]:
        """Objects."""
        return tuple(_object(item, name) for item in self._items(name))

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise _not_as(name)
        return float(value)

    def whole(self, name: str) -> int:
        """A whole number from 0 on."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _not_as(name)
        return value

    def probability(self, name: str) -> float | None:
        """A number from 0 to 1, or null."""
        if self.value(name) is None:
            return None
        value = self.number(name)
        if not 0 <= value <= 1:
            raise _not_as(name)
        return value

    def _items(self, name: str) -> list[object]:
        value = self.value(name)
        if not isinstance(value, list):
            raise _not_as(name)
        return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or _SURROGATE.search(value):
        raise _not_as(name)
    return value


def _object(value: object, name: str) -> Object:
    if not isinstance(value, dict):
        raise _not_as(name)
    return Object(value)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise MalformedError("The answer has a key twice.")
    return dict(pairs)


def _no_number(_: str) -> NoReturn:
    raise MalformedError("The answer holds a number that is not finite.")


def _not_as(name: str) -> MalformedError:
    return MalformedError(f"The answer lacks `{name}`, or it is not as it must be.")
