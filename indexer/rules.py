"""What is redacted in a source, and what takes its place: the clause of a manifest as redaction takes it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Self

from indexer.recognisers import ENTITIES, LONG_TOKEN, PROFILES, RULES
from indexer.recognisers.fold import fold, folder
from indexer.recognisers.rule import CHECKED, Rule
from indexer.sandbox import JSON
from policies.errors import RefusedError
from policies.manifest import Pattern, Redaction
from policies.manifest.clauses import Output
from policies.manifest.problem import Problem
from policies.yamldoc import Place

ALWAYS = frozenset({"SECRET", LONG_TOKEN})
"""What no source keeps: secrets, and runs of characters that would take patterns too long."""
DEFAULT = "default"
"""Names every kind in `output` that is not named there."""

_HERE = ("policy", "redaction")
_PLAIN = folder(())
_UNSEEN = "Nothing is left of it in the plain spelling in which texts are matched."
_LETTERS = "Write it with letters or digits that can be seen."


@dataclass(frozen=True, kw_only=True, slots=True)
class RedactionRules:
    """What is looked for, and what takes the place of each kind. Nothing is looked for where `entities` is empty.

    `known` are all the kinds there are for the source: a pseudonym of one is redacted already.
    """

    profile: str
    languages: tuple[str, ...]
    also: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    output: Mapping[str, Output] = field(default_factory=dict)
    other_languages: str = "quarantine"

    @classmethod
    def of(cls, clause: Redaction) -> Self:
        """What the clause of a manifest asks for.

        Raises:
            RefusedError: it names a kind that there is not, or asks for what this version refuses.
        """
        for problem in problems(clause):
            raise RefusedError(problem.message, mend=problem.mend)
        return cls(
            profile=clause.profile,
            languages=clause.languages,
            also=clause.also,
            keep=clause.keep,
            allow=clause.allow,
            patterns=clause.patterns,
            output=MappingProxyType(clause.output),
            other_languages=clause.other_languages,
        )

    @property
    def entities(self) -> frozenset[str]:
        """The kinds that are looked for."""
        return (PROFILES[self.profile] | {*self.also, *self._own}) - {*self.keep}

    @property
    def known(self) -> frozenset[str]:
        """Every kind there is: Penstock's, and the source's own."""
        return ENTITIES | {*self._own}

    @property
    def _own(self) -> frozenset[str]:
        return frozenset(pattern.entity for pattern in self.patterns)

    @property
    def modes(self) -> frozenset[Output]:
        """Every way in which a value may be replaced."""
        return frozenset({self.output.get(DEFAULT, "pseudonym"), *self.output.values()})

    def mode(self, entity: str) -> Output:
        """What takes the place of a value of this kind."""
        return self.output.get(entity, self.output.get(DEFAULT, "pseudonym"))

    def request(self) -> dict[str, JSON]:
        """What the process that finds the spans is told, by the names that `indexer.detect.prepare` gives."""
        said: dict[str, JSON] = {"profile": self.profile, "languages": list(self.languages)}
        lists: dict[str, list[JSON]] = {
            "also": [*self.also],
            "keep": [*self.keep],
            "allow": [*self.allow],
            "patterns": [pattern.model_dump(mode="json") for pattern in self.patterns],
            "traces": [*sorted(self.modes & {"opaque", "mask"})],
        }
        if self.other_languages != "quarantine":
            said["other_languages"] = self.other_languages
        return said | {key: value for key, value in lists.items() if value}


BALANCED = RedactionRules(profile="balanced", languages=("en",))
"""For texts of no source."""


def problems(clause: Redaction) -> Iterator[Problem]:
    """What a valid clause asks for that there is not, or that is refused, each with its place in the manifest."""
    own = {pattern.entity for pattern in clause.patterns}
    for number, pattern in enumerate(clause.patterns):
        if pattern.entity in ENTITIES:
            yield Problem(
                place=(*_HERE, "patterns", number, "entity"),
                message=f"{pattern.entity!r} is one of Penstock's own kinds.",
                mend="Give it another name, such as STAFF_NUMBER.",
            )
        if not all(map(announcing, pattern.context)):
            yield Problem(place=(*_HERE, "patterns", number, "context"), message=_UNSEEN, mend=_LETTERS)
    yield from _unknown("also", clause.also, ENTITIES)
    yield from _unknown("keep", clause.keep, ENTITIES)
    yield from _unknown("output", (name for name in clause.output if name != DEFAULT), ENTITIES | own, keyed=True)
    for name in sorted(ALWAYS & set(clause.keep)):
        yield Problem(place=(*_HERE, "keep"), message=f"{name!r} is redacted in every source.", mend="Remove it.")
    if clause.vault and clause.profile != "none" and not _pseudonymised(clause):
        yield Problem(
            place=(*_HERE, "vault"),
            message="No value is replaced by a pseudonym, so that a vault would hold nothing.",
            mend="Remove it, or have a kind that is not a secret take the output pseudonym.",
        )
    for entry in clause.allow:
        if not any(map(str.isalnum, fold(entry, _PLAIN).text)):
            yield Problem(place=(*_HERE, "allow"), message=_UNSEEN, mend=_LETTERS)
        entity = _identifier(entry)
        if entity:
            yield Problem(
                place=(*_HERE, "allow"),
                message=f"An allowed string is a valid {entity} by itself.",
                mend="Remove it: what identifies somebody or opens a door is not written into a manifest.",
            )


def announcing(phrase: str) -> str:
    """Words that announce a value as folded text has them in lower case, from their first letter or digit on."""
    return re.sub(r"^[\W_]+", "", fold(phrase, _PLAIN).text.lower())


def _unknown(key: str, names: Iterable[str], known: frozenset[str], *, keyed: bool = False) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            near = get_close_matches(name.upper(), sorted(known), n=3, cutoff=0.5)
            mend = f"Did you mean {' or '.join(near)}?" if near else f"Write one of: {', '.join(sorted(known))}."
            place: Place = (*_HERE, key, name) if keyed else (*_HERE, key)
            yield Problem(place=place, message=f"There is no kind of personal data {name[:60]!r}.", mend=mend)


def _pseudonymised(clause: Redaction) -> bool:
    own = {pattern.entity for pattern in clause.patterns}
    hidden = (PROFILES[clause.profile] | {*clause.also} | own) - {*clause.keep} - ALWAYS
    default = clause.output.get(DEFAULT, "pseudonym")
    return any(clause.output.get(entity, default) == "pseudonym" for entity in hidden)


@lru_cache(maxsize=4096)  # asked for with every query
def _identifier(entry: str) -> str | None:
    """The kind of identifier or secret that a string is by its shape or check digit; None where it is none."""
    plain = fold(entry, _PLAIN).text
    of_itself = (
        rule
        for rule in RULES
        if isinstance(rule, Rule) and rule.entity in PROFILES["identifiers"]
        if rule.context is None or rule.score == CHECKED
    )
    return next((rule.entity for rule in of_itself if any(replace(rule, context=None).find(plain))), None)
