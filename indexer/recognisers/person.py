"""People whom a form of address announces. Others are found by `indexer.ner`, which reads."""

import re

from indexer.recognisers.rule import IN_CONTEXT, LEFT, RIGHT, Rule

_PARTICLE = r"(?:(?:[Dd]es?|[Dd]u|[Vv][ao]n|[Dd]e[rn]|[Ll][ae]|[EeAa]l|[Bb][ei]n|[Dd][ia]|[Dd]os)[ -]|[DdLO]')"
_NAME = rf"(?:[A-Z]\.[ -]?){{0,3}}{_PARTICLE}{{0,2}}[A-Z][A-Za-z-]*[A-Za-z]"
_TITLE = r"(?:M(?:r|rs|s|me|lle)\.?|MM\.|Dr\.?|Prof\.?|Professor|Professeur|Docteur|Monsieur|Mademoiselle|Maitre)"

RULES = (
    Rule(
        entity="PERSON",
        pattern=re.compile(rf"{LEFT}{_TITLE} ({_NAME}(?: {_NAME})?){RIGHT}", re.ASCII),
        score=IN_CONTEXT,
        gate=re.compile("M[a-zM.]|Dr|Pr|Doc"),
    ),
)
