"""Why something is redacted, in words: what each finder is called and what it goes by."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from indexer.recognisers import LONG_TOKEN, RULES
from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, Rule
from indexer.sandbox import JSON
from policies.errors import QuarantineError

Span = tuple[int, int, str]

NAMES, KNOWN, LINES, SPACED, LONG, CUSTOM = "names", "known", "lines", "spaced", "long", "custom"
"""The finders that are no rule of ours: see `_OTHERS`."""
FURTHER: Mapping[str, str] = MappingProxyType({"spacy": "spaCy", "hf": "Hugging Face", "gliner": "GLiNER"})
"""The kinds of further recognisers, by the name of the finder, and as a person calls them."""
_ENTITY = re.compile("[A-Z][A-Z0-9_]{1,63}")
_RULE = re.compile("rule:([0-9]{1,4})")
_FLOOR = 0.5
"""The least score of a name: what the tagger gave less, and still took, is shown as this."""


class Why(StrEnum):
    """What a finder goes by."""

    CHECKSUM = "checksum"
    CHECKED_CONTEXT = "checksum, and announced by context"
    NUMBERING = "country code and length"
    CONTEXT = "announced by context"
    DISTINCT = "distinct shape"
    COMMON = "common shape"
    READ = "read"
    PROPAGATED = "propagated"
    TWO_LINES = "broken over two lines"
    APART = "written one character at a time"
    LONG = "too long to be looked into"
    SOURCE = "a pattern of the source's manifest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One finding, by characters of the text as given. `score` is from 0 to 1, None where the finder gives none.

    Where it is a name's and `at_most`, the finder gave that or less.
    """

    start: int
    end: int
    entity: str
    name: str
    why: Why
    score: float | None
    at_most: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Hidden:
    """A stretch of a text, what takes its place, and every finding that it was made of, the surest first."""

    start: int
    end: int
    entity: str
    replacement: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """Texts as they were given, as they may be kept, and what is hidden in each, in order and disjoint."""

    originals: tuple[str, ...]
    texts: tuple[str, ...]
    hidden: tuple[tuple[Hidden, ...], ...]
    counts: Mapping[str, int]


class _Finder(Protocol):
    @property
    def entity(self) -> str: ...


LABELS: Mapping[str, str] = MappingProxyType(
    {
        "ADDRESS": "postal address",
        "BANK_ACCOUNT": "bank account",
        "BIC": "BIC",
        "CASE_NUMBER": "number of a court case",
        "CREDIT_CARD": "payment card",
        "CRYPTO": "cryptocurrency address",
        "DATE": "date",
        "DATE_OF_BIRTH": "date of birth",
        "EMAIL_ADDRESS": "e-mail address",
        "FR_CNI": "French identity card",
        "FR_NIR": "French social security number",
        "FR_SIREN": "French company number",
        "FR_SIRET": "French establishment number",
        "IBAN_CODE": "IBAN",
        "IP_ADDRESS": "IP address",
        "LOCATION": "place",
        LONG_TOKEN: "unbroken run of characters",
        "MAC_ADDRESS": "MAC address",
        "ORGANIZATION": "organisation",
        "PASSPORT": "passport",
        "PERSON": "person",
        "PHONE_NUMBER": "telephone number",
        "SECRET": "secret",
        "UK_DRIVING_LICENCE": "British driving licence",
        "UK_NHS": "NHS number",
        "UK_NINO": "National Insurance number",
        "UK_POSTCODE": "British postcode",
        "UK_SORT_CODE": "sort code",
        "UK_UTR": "British tax reference",
        "US_ABA_ROUTING": "American routing number",
        "US_DRIVER_LICENSE": "American driver's license",
        "US_ITIN": "American taxpayer number",
        "URL": "web address",
        "US_SSN": "American social security number",
        "UUID": "UUID",
    }
)
_READ: Mapping[str, str] = MappingProxyType(
    {"PERSON": "a person", "LOCATION": "a place", "ORGANIZATION": "an organisation", "ADDRESS": "an address"}
)
_OTHERS: Mapping[str, Why] = MappingProxyType(
    {
        NAMES: Why.READ,
        KNOWN: Why.PROPAGATED,
        LINES: Why.TWO_LINES,
        SPACED: Why.APART,
        LONG: Why.LONG,
        CUSTOM: Why.SOURCE,
        **dict.fromkeys(FURTHER, Why.READ),
        "CryptoRecognizer": Why.CHECKSUM,
        "IpRecognizer": Why.DISTINCT,
        "MacAddressRecognizer": Why.DISTINCT,
    }
)
_NUMBERS = {id(rule): number for number, rule in enumerate(RULES)}


def label(entity: str) -> str:
    """What a person calls an entity."""
    return LABELS.get(entity) or entity.lower().replace("_", " ")


def identify(finder: _Finder) -> str:
    """What a finder is called in the child's answer."""
    number = _NUMBERS.get(id(finder))
    return CUSTOM if number is None else f"rule:{number}"


def assigned(spans: Sequence[Span], reasons: Iterable[Reason]) -> list[tuple[Reason, ...]]:
    """The reasons that lie in each of these spans, which are in order and disjoint. The surest first."""
    ends = [end for _, end, _ in spans]
    inside: list[list[Reason]] = [[] for _ in spans]
    for reason in reasons:
        at = bisect_right(ends, reason.start)
        while at < len(spans) and spans[at][0] < reason.end:
            inside[at].append(reason)
            at += 1
    return list(map(_surest_first, inside))


def _surest_first(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    kept: dict[tuple[int, int, str, Why], Reason] = {}
    for reason in sorted(reasons, key=lambda reason: -(reason.score or 0)):
        kept.setdefault((reason.start, reason.end, reason.name, reason.why), reason)
    return tuple(kept.values())


def reasons_of(answer: Mapping[str, JSON], texts: Sequence[str]) -> list[list[Reason]]:
    """The findings of a child's answer by text, checked, because the child that gave it has read hostile text.

    Raises:
        QuarantineError: they do not fit the texts.
    """
    match answer.get("findings"):
        case list() as per_text if len(per_text) == len(texts):
            return [_of_text(found, len(text)) for found, text in zip(per_text, texts, strict=True)]
    raise _garbled()


def _of_text(found: JSON, length: int) -> list[Reason]:
    if not isinstance(found, list):
        raise _garbled()
    return [_reason(item, length) for item in found]


def _reason(item: JSON, length: int) -> Reason:
    match item:
        case [int(start), int(end), str(entity), int() | float() | None as score, str(finder)]:
            why = _why(finder)
            fits = 0 <= start < end <= length and _ENTITY.fullmatch(entity) and 0 <= (score or 0) <= 1
            if why and fits:
                return Reason(
                    start=start,
                    end=end,
                    entity=entity,
                    name=_name(finder, entity),
                    why=why,
                    score=score,
                    at_most=finder in {NAMES, *FURTHER} and score == _FLOOR,
                )
    raise _garbled()


def _why(finder: str) -> Why | None:
    if (number := _RULE.fullmatch(finder)) and int(number[1]) < len(RULES):
        return _of_rule(RULES[int(number[1])])
    return _OTHERS.get(finder)


def _of_rule(rule: object) -> Why:
    if not isinstance(rule, Rule):
        return Why.NUMBERING
    by_score = {IN_CONTEXT: Why.CONTEXT, DISTINCT: Why.DISTINCT}
    if rule.score == CHECKED:
        return Why.CHECKED_CONTEXT if rule.context else Why.CHECKSUM
    return by_score.get(rule.score, Why.COMMON)


def _name(finder: str, entity: str) -> str:
    """What a person calls what found it. The same in every version, unlike the numbers of rules."""
    match finder:
        case "names":
            return f"names: read as {_READ.get(entity, label(entity))}"
        case "known":
            return "names: known from elsewhere in the document"
        case _ if finder in FURTHER:
            return f"{FURTHER[finder]}: read as {_READ.get(entity, label(entity))}"
        case _:
            return f"{entity}: {label(entity)}"


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The redaction process answered with reasons that do not fit the texts.",
        reason="redaction_failed",
        stage="redact",
        mend="Report the document's format; nothing of it was kept.",
    )
