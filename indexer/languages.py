"""Which texts are in a language that the recognisers do not read."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

COVERED: Final = frozenset({"en", "fr"})
MIN_LETTERS: Final = 100  # chosen: of fewer, the identifier takes lists of names and lines of code for languages
"""A text with fewer is judged together with its neighbours, or not at all."""
MIN_FOREIGN_LETTERS: Final = 12
"""So many letters of another script are not read, in lines of a passage of which they are most of the letters."""
OTHER_SCRIPT: Final = "script"
"""In place of a language, for letters that are not Latin."""

_WINDOW_CHARACTERS = 500
_PIECES = re.compile(rf"(?s).{{1,{_WINDOW_CHARACTERS}}}(?!\S)|.{{1,{_WINDOW_CHARACTERS}}}")
_WORD = re.compile(r"(?<!\S)[(\"'«“‘]?([^\W\d_]{1,40}(?:['’-][^\W\d_]{1,40}){0,4})[)\"'»”’]?[.,;:!?]*(?!\S)")
_LEAST_PROSE = 0.8
"""The part of a text that is words, from which it is taken for prose, not for code, a table or addresses."""
_LEAST_SURE = 0.95
_LEAST_USUAL = 0.12
"""The part of the words that are usual ones of a covered language, from which a text is taken to be in it."""
_LATIN = re.compile("[A-Za-zªºÀ-ɏḀ-ỿℂ-ℿＡ-Ｚａ-ｚ𝐀-𝟋]|[ʰ-ʸ]")
# Words that join others, and that are rare in languages written with the same letters: "for at have" is Danish too.
_ENGLISH = (
    "the of and to is that it with as be by this are from or which not they you his were their has been would there "
    "what when who if can could should these any our we your she its does did how may than then"
)
_FRENCH = (
    "le les des du une est et dans pour sur avec qui au aux ce cette ces il elle ils sont pas plus par nous vous ou où "
    "son ses leur leurs mais été être ont avait"
)
_USUAL = (frozenset(_ENGLISH.split()), frozenset(_FRENCH.split()))


def uncovered(texts: Sequence[str], covered: AbstractSet[str] = COVERED) -> Counter[str]:
    """How many passages of `texts` are in which language that is not in `covered`, by ISO 639-1 code or OTHER_SCRIPT.

    Neither code, tables and lists nor texts under MIN_LETTERS letters have a language.
    """
    found = (_language(window, covered) for window in _windows(texts))
    return Counter(language for language in found if language not in covered)


def _windows(texts: Iterable[str]) -> Iterator[str]:
    """Passages of up to 500 characters, short texts joined to the one that follows."""
    held: list[str] = []
    letters = 0
    for text in texts:
        held.append(text)
        letters += sum(map(str.isalpha, text))
        if letters >= MIN_LETTERS:
            yield from _PIECES.findall("\n".join(held))
            held, letters = [], 0
    yield from _PIECES.findall("\n".join(held))


def _language(window: str, covered: AbstractSet[str]) -> str:
    """A language; the first that is covered where there is no telling."""
    if not window.isascii():
        lines = window.splitlines()
        unread = list(filter(_unread, lines))
        foreign = sum(map(_unread, unread)) >= MIN_FOREIGN_LETTERS
        if foreign and not all(language in covered for language in _script_languages(unread, covered)):
            return OTHER_SCRIPT
        window = "\n".join(line for line in lines if line not in unread)  # is judged for itself
    nothing = min(COVERED)
    words = _WORD.findall(window)
    signs = len("".join(window.split()))
    if sum(map(str.isalpha, window)) < MIN_LETTERS or sum(map(len, words)) < _LEAST_PROSE * signs:
        return nothing
    if 2 * sum(map(str.islower, words)) < len(words):  # a list of names
        return nothing
    lowered = [word.lower() for word in words]
    if max(sum(word in usual for word in lowered) for usual in _USUAL) >= _LEAST_USUAL * len(words):
        return nothing
    # Of two that are alike, such as Danish and Norwegian, neither is sure; that it is neither of ours is.
    ranked = _identifier().rank(" ".join(words))
    ours = sum(probability for language, probability in ranked if language in covered)
    return str(ranked[0][0]) if ours <= 1 - _LEAST_SURE else nothing


def _script_languages(lines: Iterable[str], covered: AbstractSet[str]) -> Iterator[str]:
    """The language of those lines that share a script other than Latin, for each script."""
    scripts: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        letter = next(letter for letter in line if letter.isalpha() and not _LATIN.match(letter))
        scripts[unicodedata.name(letter, "").partition(" ")[0]].append(line)
    for of_script in scripts.values():
        language, sure = _identifier().classify("\n".join(of_script)) if covered > COVERED else (OTHER_SCRIPT, 0)
        # English and French are not written so, whatever the identifier says
        yield str(language) if sure >= _LEAST_SURE and language not in COVERED else OTHER_SCRIPT


def _unread(line: str) -> int:
    """The letters of other scripts in a line that is mostly of them; a list of names has a few in each."""
    letters = sum(map(str.isalpha, line))
    foreign = letters - len(_LATIN.findall(line))
    return foreign if 2 * foreign > letters else 0


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_pickled_model(MODEL_FILE, norm_probs=True)
