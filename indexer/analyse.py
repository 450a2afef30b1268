"""From text to the terms that the lexicon counts: the same rule for passages and queries of a source."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from snowballstemmer.english_stemmer import EnglishStemmer
from snowballstemmer.french_stemmer import FrenchStemmer

from indexer.versions import code_version


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The classes themselves, not snowballstemmer.stemmer(), which silently swaps in PyStemmer where that is installed.
_STEMMERS = {"en": EnglishStemmer, "fr": FrenchStemmer}

_STOP_WORDS = {
    "en": _words(
        """
        a about after again against all am an and any are aren as at be because been before being below
        between both but by can could couldn did didn do does doesn doing down during each few for from
        further had hadn has hasn have haven having he her here hers herself him himself his how i if in
        into is isn it its itself just may me might more most must my myself no nor not now of off on
        once only or other our ours ourselves out over own same shall she should shouldn so some such
        than that the their theirs them themselves then there these they this those through to too under
        until up upon us very was wasn we were weren what when where which while who whom why will with
        would wouldn you your yours yourself yourselves
        """
    ),
    "fr": _words(
        """
        a afin ai ainsi alors as au aussi aux avaient avait avec avoir c ca car ce cela celle celles
        celui ces cet cette ceux ci comme comment d dans de des donc dont du elle elles en entre est et
        etaient etait ete etre eu eux il ils j je jusqu l la le les leur leurs lorsqu lorsque lui m ma
        mais me meme mes moi mon n ne ni nos notre nous on ont or ou par pas pendant plus pour pourquoi
        puis puisqu qu quand que quel quelle quelles quels qui quoi s sa sans se selon sera serait ses si
        son sont sous sur t ta te tes toi ton tous tout toute toutes tres tu un une vers vos votre vous y
        """
    ),
}
# Stop words of one language that carry meaning in the other (AI, car, un an, un but): kept where both are read.
_AMBIGUOUS = _words("ai an but car or son ton")

_SPELLINGS = str.maketrans(
    {"œ": "oe", "æ": "ae", "’": "'", "ʼ": "'", "‐": "-", "‑": "-", "–": "-", "−": "-", "\N{SOFT HYPHEN}": None}
)
_ACCENTS = re.compile("[\u0300-\u036f]+")
_GROUPED_DIGITS = re.compile(r"(?<![\d.,])\d{1,3}(?:[ ,]\d{3})+(?!\d)")
# Elisions and contractions match outside the group and come out empty. Word parts are bounded, so that no input makes
# a term (or a cached one) longer than a line.
_TOKENS = re.compile(
    r"""\b(?:[cdjlmnst]|(?:jus|lors|puis|quoi|pres)?qu)'(?=[\w\[])
      | '(?:[stdm]|ll|re|ve)\b
      | ( \[[a-z][a-z0-9_]*_[0-9a-z]{16,64}\]
        | \d{1,64}(?:[.,]\d{1,64}){1,7}
        | \w{1,64}(?:[-/.]\w{1,64}){0,7}
        )""",
    re.VERBOSE,
)
_JOINTS = re.compile(r"[-/._]+")


@cache
def analyser_version() -> str:
    """Names the rule: an index whose terms were made by another one must not be asked."""
    return code_version(["analyse.py"], ["snowballstemmer"])


def terms(text: str, languages: Sequence[str]) -> list[str]:
    """The terms of `text` in order, repeats kept; `languages` are the source's ("en" and "fr" stem, others do not).

    Case, accents, compatibility forms and thousands separators are folded, stop words dropped. A code such as "E-214"
    gives its parts and "e214"; a pseudonym such as "[PERSON_…]" is one term. The order of `languages` is irrelevant.
    """
    read = tuple(language for language in _STEMMERS if language in languages)
    found: list[str] = []
    for token in _TOKENS.findall(_fold(text)):
        if token:
            found += _token_terms(token, read)
    return found


def _fold(text: str) -> str:
    """`text` in lower case, without accents, with one spelling for apostrophes, hyphens and numbers."""
    text = text.casefold()
    if not text.isascii():
        # Accents go before stemming: French public-service questions typed without them lost .09 nDCG@10 where accents
        # stayed, .02 where only stems were stripped, and nothing this way; questions with accents gained .002.
        text = unicodedata.normalize("NFKD", text.translate(_SPELLINGS))
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", text)).translate(_SPELLINGS)
    return _GROUPED_DIGITS.sub(lambda match: match[0].replace(" ", "").replace(",", ""), text)


@lru_cache(maxsize=1 << 17)
def _token_terms(token: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    """The terms of one token as `_TOKENS` cuts them."""
    if token[0] == "[":
        return (token[1:-1],)
    if token[0].isdigit() and ("." in token or "," in token) and token.replace(".", "").replace(",", "").isdigit():
        return (token.replace(",", "."),)
    parts = [part for part in _JOINTS.split(token) if part]
    found = [stem for part in parts for stem in _stems(part, languages)]
    # Codes, dates and names such as T-cell are also written as one word; joining every hyphenated word instead gained
    # nothing more on scientific claims and lost .002 to .006 on questions, French inversions (peut-on) most of all.
    if len(parts) > 1 and any(len(part) == 1 or not part.isalpha() for part in parts):
        found += _stems("".join(parts), languages)
    return tuple(found)


def _stems(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    """Nothing for a stop word; a word of letters stemmed by each language in turn; any other word as it is."""
    if not word.isalpha():
        return (word,)
    if any(word in _STOP_WORDS[language] for language in languages) and (len(languages) == 1 or word not in _AMBIGUOUS):
        return ()
    # One after the other costs a mixed source .002 to .005 nDCG@10 against the right stemmer alone; indexing the stems
    # of both cost .015 to .035, and a choice per text would let a short query disagree with its passage.
    for language in languages:
        word = _STEMMERS[language]().stemWord(word)
    return (word,)
