"""Values written one character at a time, as in "4 5 3 2" or "4-5-3-2".

Looked for in what is left when whole values are blanked out. Only what a checksum, an announcement or letters of its
own tell from a row of figures is found: the first ten numbers are no telephone number.
"""

import re
from collections.abc import Iterable, Iterator

from indexer.recognisers import bank, contact, fr, health, phone, uk, us, vehicle
from indexer.recognisers.fold import BLANK, BREAK
from indexer.recognisers.rule import CHECKED, LONGEST_CHARACTERS, REACH_CHARACTERS, Hit, Rule

_Finder = Rule | phone.International
_RULES = (*bank.RULES, *uk.RULES, *us.RULES, *fr.RULES, *health.RULES, *vehicle.RULES, *phone.RULES)
_LETTERED = frozenset({"UK_NINO", "UK_DRIVING_LICENCE", "US_MBI"})
_ANNOUNCED = tuple(rule for rule in _RULES if rule.context)
_PLAIN: tuple[_Finder, ...] = (
    *(rule for rule in _RULES if not rule.context and (rule.score == CHECKED or rule.entity in _LETTERED)),
    phone.International(),
)
_MARKS = frozenset(" ._/*,-")
_FIGURES = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=\+))[0-9A-Za-z](?:(?: {1,3}| ?[._/*,-] ?)[0-9A-Za-z](?![0-9A-Za-z])){7,}", re.ASCII
)
_SIGNS = re.compile(rf"(?<!\S)\w(?: {{1,3}}[^\s{BLANK}{BREAK}](?!\S)){{7,}}")
LONGEST_RUN = 254
"""Of as many characters no value is, and of more the time of some patterns grows with the square."""


def find(text: str, entities: Iterable[str]) -> Iterator[tuple[str, Hit]]:
    """Every such value of `entities` in the folded `text`. Two may overlap."""
    announced = [rule for rule in _ANNOUNCED if rule.entity in entities]
    plain = [finder for finder in _PLAIN if finder.entity in entities]
    for run in _FIGURES.finditer(text):
        places = [at for at in range(*run.span()) if text[at] not in _MARKS]
        international = [run.start() - 1] if text[run.start() - 1 : run.start()] == "+" else []
        yield from _joined(text, [*international, *places], plain, reach=0)
        yield from _joined(text, places, announced, reach=REACH_CHARACTERS + LONGEST_CHARACTERS)
    addresses = [finder for finder in contact.RULES if finder.entity in entities]
    for run in _SIGNS.finditer(text) if addresses and "@" in text else ():
        yield from _joined(text, [at for at in range(*run.span()) if text[at] != " "], addresses, reach=0)


def _joined(text: str, places: list[int], finders: Iterable[_Finder], *, reach: int) -> Iterator[tuple[str, Hit]]:
    """What is found where the characters at `places` stand together, after `reach` characters of what is before."""
    if len(places) > LONGEST_RUN:
        return
    before = range(max(0, places[0] - reach), places[0])
    places = [*before, *places]
    near = "".join(text[place] for place in places)
    for finder in finders:
        for hit in finder.find(near):
            if hit.end > len(before):
                yield finder.entity, Hit(places[hit.start], places[hit.end - 1] + 1, hit.score)
