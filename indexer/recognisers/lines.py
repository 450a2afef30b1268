"""Values that a hard line break or the end of a text cuts in two: numbers and e-mail addresses.

Looked for in what is left when whole values are blanked out, so that none of them grows into the line below.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from indexer.recognisers import bank, contact, fr, health, phone, uk, us, vehicle
from indexer.recognisers.fold import BREAK
from indexer.recognisers.rule import LONGEST_CHARACTERS, REACH_CHARACTERS, Hit, Rule

_RULES = (*bank.RULES, *uk.RULES, *us.RULES, *fr.RULES, *health.RULES, *vehicle.RULES, *phone.RULES)
_ANNOUNCED = tuple(rule for rule in _RULES if rule.context)
_PLAIN: tuple[Rule | phone.International, ...] = (*(rule for rule in _RULES if not rule.context), phone.International())
_LINE_END = rf"\n(?:{BREAK}\n)?"
_BREAK_IN_NUMBER = re.compile(
    rf"(?<=\d)[ \t]*{_LINE_END}[ \t]*(?=[0-9A-Za-z(])|(?<=[A-Za-z.)-])[ \t]*{_LINE_END}[ \t]*(?=\d)", re.ASCII
)
_NEAR_CHARACTERS = 42  # the longest IBAN in groups of four
_MIN_DIGITS = 6
"""Of a National Insurance number, the shortest that is looked for unannounced: a postcode on two lines is not."""
_WORDS = frozenset(word for rule in _ANNOUNCED if rule.context for word in rule.context.words)

# A capital begins a sentence.
_BREAK_IN_ADDRESS = re.compile(rf"(?<=@){_LINE_END}(?=\w)|(?<=[.-]){_LINE_END}(?![A-Z][a-z])(?=\w)")


def find(text: str, entities: Iterable[str], *, before: Sequence[int] | None = None) -> Iterator[tuple[str, Hit]]:
    """Every such value of `entities` in the folded `text`, each over one line break or BREAK. Two may overlap.

    Where places `before` are given, in order: only numbers, and only over breaks shortly before one of these.
    """
    announced = [rule for rule in _ANNOUNCED if rule.entity in entities]
    plain = [finder for finder in _PLAIN if finder.entity in entities]
    for gap in _BREAK_IN_NUMBER.finditer(text):
        start, end = gap.span()
        if before is not None and bisect_left(before, end) == bisect_right(before, end + _NEAR_CHARACTERS):
            continue
        announcing = text[max(0, start - REACH_CHARACTERS - LONGEST_CHARACTERS) : start]
        below = text[end : end + LONGEST_CHARACTERS].partition("\n")[0]
        above = announcing[-LONGEST_CHARACTERS:].rpartition("\n")[2]
        if sum(map(str.isdigit, above[-_NEAR_CHARACTERS:] + below[:_NEAR_CHARACTERS])) >= _MIN_DIGITS:
            yield from _across(gap, f"{above} ", below, plain)
        lowered = announcing.lower()
        if words := {word for word in _WORDS if word in lowered}:
            said = [rule for rule in announced if rule.context and not words.isdisjoint(rule.context.words)]
            yield from _across(gap, f"{announcing} ", below, said)
            if text[start - 1 : start].isdigit() and text[end].isdigit():  # announced, for two rows are no number
                yield from _across(gap, announcing, below, said)
    addresses = [finder for finder in contact.RULES if finder.entity in entities]
    for gap in _BREAK_IN_ADDRESS.finditer(text) if addresses and before is None else ():
        start, end = gap.span()
        left = text[max(0, start - LONGEST_CHARACTERS) : start].rsplit(maxsplit=1)[-1]
        if "@" in left:
            yield from _across(gap, left, text[end : end + LONGEST_CHARACTERS].split(maxsplit=1)[0], addresses)


def _across(
    gap: re.Match[str], left: str, right: str, finders: Iterable[Rule | phone.International]
) -> Iterator[tuple[str, Hit]]:
    """What is found in `left` and `right` together that belongs to both, where it stands in the text of `gap`."""
    line = left.rstrip(" ")
    for finder in finders:
        for hit in finder.find(left + right):
            if hit.start < len(line) and hit.end > len(left):
                yield (
                    finder.entity,
                    Hit(gap.start() - len(line) + hit.start, gap.end() - len(left) + hit.end, hit.score),
                )
