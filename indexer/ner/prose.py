"""Whether what the tagger takes for a person is a word of technical prose: a product, a method named after somebody."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from indexer.ner.tagger import Tagger
from indexer.ner.words import folded

LEAST = 0.7
"""The probability from which an unknown name in technical prose is a person's. Chosen on one half of 94 READMEs."""
LEAST_NAMED = 0.5
"""The same of one word that is in a list of given or family names."""
_NEAR = 300
"""Characters to each side that make the passage."""
_SHORTEST = 40
_APART = 55
"""Characters between signs, on average, in technical prose. Chosen as above; at 35 a tenth of what is spared stays."""
_SIGN = re.compile(
    r"[A-Za-z0-9]_[A-Za-z0-9]|[a-z]{2}[A-Z][a-z]|[a-z]\(|[A-Za-z]::|[=!<>-]=|[=-]>|[{}]|`|>>>|(?<=\s)--?[a-z]{2}"
    r"|(?m:^[ \t]*(?:\.\. |#{1,6} |[=~^-]{4,}$|\$ ))|v?\d+\.\d+\.\d|[<>=~]=? ?\d+\.\d|(?<!\w)v\d"
    r"|[a-z]\.(?:py|js|ts|json|ya?ml|toml|cfg|ini|md|rst|sh|exe|dll|so|whl|jar|java|cpp|rs|go|ipynb)(?!\w)"
    r"|(?<![A-Za-z])(?i:APIs?|SDK|CLI|HTTPS?|HTML|JSON|YAML|XML|SQL|URLs?|TLS|SSH|UTF|GPUs?|CPUs?|Python|Java|JavaScript"
    r"|Linux|macOS|GitHub|Docker|Kubernetes|PyPI|algorithms?|async|asynchronous|backends?|binary|binaries|boolean|bytes"
    r"|cache[ds]?|callbacks?|class(?:es)?|clusters?|commits?|compilers?|config|configur(?:e|ed|ation)|daemons?"
    r"|databases?|datasets?|debug(?:ging|ger)?|decorators?|deprecated|encod(?:e|ing)|endpoints?|frameworks?|functions?"
    r"|install(?:ed|er|ing|ation)?|instances?|interface|kernel|librar(?:y|ies)|linux|logging|metadata|modules?|objects?"
    r"|packages?|pars(?:e|er|ing)|pip|pixels?|plugins?|protocols?|quer(?:y|ies)|repository|runtime|schemas?|scripts?"
    r"|servers?|software|strings?|syntax|tokens?|variables?|versions?|wheels?|firmware|sensors?|voltage|bibliotheques?"
    r"|serveurs?|logiciels?|fichiers?|fonctions?|paquets?|bases? de donnees)(?![A-Za-z])"
)
"""Of code, of its names and versions, and of what technical text speaks of."""
_IN_CODE = re.compile(
    r"(?:(?<![\w.])(?:import|from|install|require|use|crate|package|gem) +|[/.=])([a-z]{3,30})(?![a-z])"
    r"|(?<![A-Za-z.])([a-z]{3,30})(?=\(|\.[a-z]{2,30}\(|::|==|>=|_[a-z]|-[a-z]+-|\[[a-z])"
)
_ANNOUNCED = re.compile(
    r"(?:(?<![A-Za-z])(?:[Bb]y|[Aa]uthors?|[Mm]aintainers?|[Cc]opyright|\([Cc]\)|[Tt]hanks? to|[Dd]ear|[Ss]igned"
    r"|[Ff]rom:|[Pp]ar|[Aa]uteurs?|[Dd]e la part de|[Cc]ontact|M(?:r|rs|s|me|lle)\.?|Dr\.?|Prof\.?|[Uu]ser|[Nn]ame"
    r"|[Hh]i|[Hh]ello)[ :,*_='`\"\[(@\\]{1,4}(?:\d{4}(?:-\d{4})?,? ?(?:by )?)?)\Z"
)
_BEFORE = 40
_EPONYM = re.compile(
    r"(?:'s?)? (?:algorithms?|theorems?|lemmas?|equations?|inequality|inequalities|conjecture|polynomials?"
    r"|automat(?:on|a)|diodes?|modulus|hardness|syndrome)(?![A-Za-z])"
)
_TECHNICAL_EPONYM = re.compile(
    r"(?:'s?)? (?:distributions?|transforms?|correlation|coefficients?|kappa|statistic|constant|principle|criterion"
    r"|number(?! ?[\d:#])|filters?|chains?(?! of)|cage|likelihood|prior|index|method|cycle|turbine|wheel|effect|process"
    r"|distance|ratio|series|matrix|tree|bridge|sensor|probe)(?![A-Za-z])"
)
"""Words after a name that are verbs too, or what people have, and tell a thing by its inventor in technical prose."""
_VERB = re.compile(r" (?:the|a|an|your|each|this|these|any|all) [a-z]")
"""After a word that is a verb there: "Mark the checkbox"."""
_MODEL = re.compile(r" (?:[A-Z]{0,3}\d{1,4}[A-Z]?)(?:\.\d+)*(?![\w:/,]|[.-]\d)")

"""A model's or a version's number, and neither a time nor a street's."""
_AFTER_TERMS = (_TECHNICAL_EPONYM, _VERB, _MODEL)


@dataclass(frozen=True)  # without slots, for what is worked out once
class Prose:
    """A folded text, in which the tagger reads people."""

    tagger: Tagger
    text: str

    def is_term(self, start: int, end: int, score: float) -> bool:
        """Whether the person read there, with this probability, is none.

        A full name with a word that is in a list of names is a person, and so is what a form of address, "by" or the
        like announces. Of the others those in technical passages need a higher probability.
        """
        if _ANNOUNCED.search(self.text, max(start - _BEFORE, 0), start):
            return False
        words = self.text[start:end].split()
        is_single = len(words) == 1
        if is_single and _EPONYM.match(self.text, end):
            return True
        is_named = any(map(self.tagger.is_named, words))
        if is_named and not is_single:
            return False
        if not self._is_technical(start):
            return not is_named and score < LEAST and folded(words[0]) in self._in_code
        if is_single and any(after.match(self.text, end) for after in _AFTER_TERMS):
            return True
        return score < (LEAST_NAMED if is_named else LEAST)

    def _is_technical(self, place: int) -> bool:
        first, last = max(place - _NEAR, 0), min(place + _NEAR, len(self.text))
        signs = bisect_left(self._signs, last) - bisect_left(self._signs, first)
        return signs * _APART >= max(last - first, _SHORTEST)

    @cached_property
    def _signs(self) -> Sequence[int]:
        return [sign.start() for sign in _SIGN.finditer(self.text)]

    @cached_property
    def _in_code(self) -> frozenset[str]:
        return frozenset(match.group(1) or match.group(2) for match in _IN_CODE.finditer(self.text))
