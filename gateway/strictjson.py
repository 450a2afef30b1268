"""A reading of JSON that leaves no room for two opinions on what a text says."""

import json
import math
from collections.abc import Iterable
from typing import NoReturn

from gateway.problems import BodyMalformedError

MAX_DEPTH = 20


def parse(body: bytes) -> object:
    """The value of a JSON text, without what parsers disagree on (RFC 8259, sections 4, 6 and 8.1).

    Raises:
        BodyMalformedError: not UTF-8, not JSON, a duplicate key, a number that is not finite, or nested deeper than 20.
    """
    try:
        value: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_not_a_number, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise _malformed("is not UTF-8") from None  # the cause holds the input
    except RecursionError:
        raise _malformed(f"is nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        raise _malformed("is not JSON") from None  # the cause holds the input
    if _is_deeper(value, MAX_DEPTH):
        raise _malformed(f"is nested deeper than {MAX_DEPTH}")
    return value


def _malformed(fault: str) -> BodyMalformedError:
    return BodyMalformedError(
        f"The body {fault}.",
        mend="Send one JSON object in UTF-8, with each key once, finite numbers and no deep nesting.",
    )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _malformed("has a key twice")
    return value


def _not_a_number(_: str) -> NoReturn:
    raise _malformed("holds a number that is not finite")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _malformed("holds a number that is not finite")
    return number


def _is_deeper(value: object, depth: int) -> bool:
    level = _containers([value])
    for _ in range(depth):
        level = _containers(child for node in level for child in (node.values() if isinstance(node, dict) else node))
    return bool(level)


def _containers(values: Iterable[object]) -> list[dict[str, object] | list[object]]:
    return [value for value in values if isinstance(value, dict | list)]
