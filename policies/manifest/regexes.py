"""Patterns of an operator's own: the part of regular expressions whose worst case is known before they are run.

Python's engine goes back over every way in which a pattern may match. Here those ways are counted from the pattern
alone, and one that may take more than MAX_STEPS steps from one place of a text is refused.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from policies.errors import RefusedError

MAX_CHARS = 200
MAX_STEPS = 2000
"""Chosen: 16 KB of the worst text for the worst such pattern tried took a quarter of what redaction may at most."""
MAX_RUN = 254
"""How often a letter or digit repeats at most: longer runs are taken out of a text before patterns see it."""
_LONGEST = MAX_CHARS * MAX_RUN
"""Longer is only what repeats in a repeat, and that grows with every level, to gigabytes at the fourth."""

_parser: Any = import_module("re._parser")  # the only full reading of the syntax; `sre_parse` warns that it will go
_LETTERS_AND_DIGITS = frozenset(filter(lambda code: chr(code).isalnum(), range(128)))
_CATEGORIES = {
    "CATEGORY_DIGIT": frozenset(map(ord, "0123456789")),
    "CATEGORY_WORD": _LETTERS_AND_DIGITS | {ord("_")},
    "CATEGORY_SPACE": frozenset(map(ord, " \t\n\r\f\v")),
}
_SCOPED = "Leave it out; capitals count, and (?i:…) around a part makes them not count there."
_UNKNOWN = (
    "Use letters, digits, signs, classes such as [0-9A-Z], (?:…|…), and {…} for how often; context says what is near."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What a part of a pattern may cost: steps from one place, and ways in which it may end.

    `first` are the characters it may begin with. `plain` says that it is one character; `steady`, that whether it goes
    on is told by the next character, if what follows begins with another. `longest` is a longest text of it, or
    the beginning of one.
    """

    steps: int
    ways: int
    first: frozenset[int]
    nullable: bool
    longest: str
    plain: bool = False
    steady: bool = False


def check(regex: str) -> None:
    """Refuse what is no pattern, may match nothing, says what characters are not, or may be slow on some text.

    Raises:
        RefusedError: with the mend.
    """
    if len(regex) > MAX_CHARS:
        raise RefusedError("The pattern is too long.", mend=f"Write one of at most {MAX_CHARS} characters.")
    if not regex.isascii():
        raise RefusedError("Texts are matched without their accents.", mend="Write plain letters: e for é.")
    part = _part(regex)
    if part.nullable:
        raise RefusedError("The pattern matches where nothing stands.", mend="Have it need a character at least.")
    if part.steps > MAX_STEPS:
        raise RefusedError(
            "The pattern may be slow: there are too many ways for it to match.",
            mend="Say how often more narrowly, as in {1,8}, and do not repeat what repeats, or the same characters "
            "twice in a row.",
        )


def longest(regex: str) -> str:
    """A longest text that a checked pattern matches; of an endless one its beginning."""
    return _part(regex).longest


def _part(regex: str) -> _Part:
    try:
        re.compile(regex, re.ASCII)
        parsed = _parser.parse(regex, re.ASCII)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise RefusedError(
            "This is not a pattern that can be read.", mend="Mend its syntax; a sign that means itself has a \\ before."
        ) from error
    if parsed.state.flags & ~re.ASCII:
        raise RefusedError("A flag for the whole pattern stands in it.", mend=_SCOPED)
    return _sequence(parsed)


def _sequence(nodes: Iterable[tuple[Any, Any]]) -> _Part:
    parts = [_node(operator.name, argument) for operator, argument in nodes]
    steps, ways = 0, 1
    for place, part in enumerate(parts):
        follows, may_end = _beginning(parts[place + 1 :])
        steps += ways * part.steps
        if part.steady and not may_end and part.first.isdisjoint(follows):
            steps += ways * part.ways  # each but one way ends at the next character
        else:
            ways *= part.ways
        steps, ways = min(steps, MAX_STEPS + 1), min(ways, MAX_STEPS + 1)
    first, nullable = _beginning(parts)
    plain = len(parts) == 1 and parts[0].plain
    text = "".join(part.longest for part in parts)[:_LONGEST]
    return _Part(steps=steps, ways=ways, first=first, nullable=nullable, plain=plain, longest=text)


def _beginning(parts: Sequence[_Part]) -> tuple[frozenset[int], bool]:
    """The characters with which parts in a row may begin, and whether they may be nothing."""
    first: frozenset[int] = frozenset()
    for part in parts:
        first |= part.first
        if not part.nullable:
            return first, False
    return first, True


def _node(name: str, argument: Any) -> _Part:  # noqa: ANN401 - it hangs on the name
    match name:
        case "LITERAL":
            return _character(frozenset({argument}))
        case "IN":
            return _character(_class(argument))
        case "BRANCH":
            return _branch([_sequence(nodes) for nodes in argument[1]])
        case "SUBPATTERN":
            return _group(*argument)
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(*argument)
        case "AT" if argument.name == "AT_BOUNDARY":
            return _Part(steps=1, ways=1, first=frozenset(), nullable=True, longest="")
        case "AT":
            raise RefusedError(
                "The pattern asks where a text begins or ends.",
                mend="Leave ^ and $ out: a value stands between signs that are no letter or digit already.",
            )
        case "ANY" | "NOT_LITERAL":
            raise _negative()
        case _:
            raise RefusedError("The pattern looks around, back, or only once.", mend=_UNKNOWN)


def _negative() -> RefusedError:
    return RefusedError(
        "The pattern takes any character, or all but some.", mend="Write those that there may be, such as [0-9A-Z/-]."
    )


def _character(codes: frozenset[int]) -> _Part:
    if max(codes) > 127:  # noqa: PLR2004 - ASCII
        raise RefusedError("Texts are matched without their accents.", mend="Write plain letters: e for é.")
    # Either case, whether that counts here or not: more than there is costs no soundness.
    either = frozenset(ord(letter) for code in codes for letter in (chr(code).lower(), chr(code).upper()))
    return _Part(steps=1, ways=1, first=either, nullable=False, plain=True, longest=chr(max(codes)))


def _class(items: Iterable[tuple[Any, Any]]) -> frozenset[int]:
    codes: set[int] = set()
    for operator, argument in items:
        match operator.name:
            case "LITERAL":
                codes.add(argument)
            case "RANGE":
                codes.update(range(argument[0], min(argument[1], argument[0] + 127) + 1))
            case "CATEGORY" if argument.name in _CATEGORIES:
                codes |= _CATEGORIES[argument.name]
            case _:
                raise _negative()
    return frozenset(codes)


def _branch(parts: Sequence[_Part]) -> _Part:
    return _Part(
        steps=len(parts) + sum(part.steps for part in parts),
        ways=sum(part.ways for part in parts),
        first=frozenset[int]().union(*(part.first for part in parts)),
        nullable=any(part.nullable for part in parts),
        longest=max((part.longest for part in parts), key=len),
    )


def _group(number: int | None, added: int, removed: int, nodes: Iterable[tuple[Any, Any]]) -> _Part:
    if number is not None:
        raise RefusedError("The pattern has a group that is kept.", mend="Write (?:…) in place of (…).")
    if removed or added & ~re.IGNORECASE:
        raise RefusedError("The pattern has a flag that means nothing here.", mend=_SCOPED)
    return _sequence(nodes)


def _repeat(least: int, most: int, nodes: Iterable[tuple[Any, Any]]) -> _Part:
    body = _sequence(nodes)
    if body.nullable:
        raise RefusedError(
            "The pattern repeats what may be nothing.", mend="Have what repeats need a character at least."
        )
    if most == _parser.MAXREPEAT and body.plain and body.first <= _LETTERS_AND_DIGITS:
        most = MAX_RUN
    if most > MAX_RUN:
        raise RefusedError(
            "The pattern repeats without end.",
            mend="Say how often at most, as in {1,20}; + and * may stand after letters and digits alone.",
        )
    steps, ways = 1, 0
    reached = 1  # ways to have repeated so often
    for times in range(most + 1):
        ways += reached if times >= least else 0
        steps += reached * body.steps if times < most else 0
        reached = min(reached * body.ways, MAX_STEPS + 1)
    return _Part(
        steps=min(steps, MAX_STEPS + 1),
        ways=min(ways, MAX_STEPS + 1),
        first=body.first,
        nullable=least == 0,
        steady=body.ways == 1,
        longest=(body.longest * most)[:_LONGEST],
    )
