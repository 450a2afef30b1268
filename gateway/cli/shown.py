"""A document beside what is left of it, as the terminal and the page show it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from indexer.reasons import Hidden, Reason


class Group(StrEnum):
    """Kinds of entities that are shown in one colour."""

    PEOPLE = "people"
    CONTACT = "contact"
    MONEY = "money"
    SECRETS = "secrets"
    TRACES = "places, dates, traces"
    IDENTIFIERS = "identifiers"


_GROUPS: Mapping[str, Group] = MappingProxyType(
    dict.fromkeys(("PERSON", "DATE_OF_BIRTH"), Group.PEOPLE)
    | dict.fromkeys(("ADDRESS", "EMAIL_ADDRESS", "PHONE_NUMBER", "UK_POSTCODE"), Group.CONTACT)
    | dict.fromkeys(("BANK_ACCOUNT", "BIC", "CREDIT_CARD", "CRYPTO", "IBAN_CODE"), Group.MONEY)
    | dict.fromkeys(("UK_SORT_CODE", "US_ABA_ROUTING"), Group.MONEY)
    | dict.fromkeys(("SECRET", "LONG_TOKEN"), Group.SECRETS)
    | dict.fromkeys(("DATE", "IP_ADDRESS", "LOCATION", "MAC_ADDRESS", "ORGANIZATION", "URL", "UUID"), Group.TRACES)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One element of the document. `place` says where it stands: its number, or what it is."""

    place: str
    original: str
    redacted: str
    hidden: tuple[Hidden, ...]

    def stretches(self) -> Iterator[tuple[str, Hidden | None]]:
        """The original in stretches, those that are hidden with what hides them."""
        done = 0
        for hidden in self.hidden:
            if done < hidden.start:
                yield self.original[done : hidden.start], None
            yield self.original[hidden.start : hidden.end], hidden
            done = hidden.end
        if done < len(self.original):
            yield self.original[done:], None

    def remains(self) -> Iterator[tuple[str, Hidden | None]]:
        """What is left of it in stretches, those that took a value's place with what is hidden there.

        One stretch where dropping values closed gaps, or brought together what was dropped in its turn.
        """
        stretches = [(hidden.replacement if hidden else text, hidden) for text, hidden in self.stretches()]
        if "".join(text for text, _ in stretches) == self.redacted:
            yield from stretches
        else:
            yield self.redacted, None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A document and what would be hidden in it. `source` is None where it was redacted for no source.

    `parts` counts the files in the document, which are documents of their own, `skipped` what could not be read in it.
    """

    name: str
    kind: str
    source: str | None
    profile: str
    languages: tuple[str, ...]
    pieces: tuple[Piece, ...]
    counts: Mapping[str, int]
    parts: int
    skipped: int

    def key_note(self) -> str:
        """Whose pseudonyms they are."""
        if self.source:
            return f"Pseudonyms as in the index of {self.source}."
        return "Pseudonyms by a throw-away key (no --source was given): no index has them, the next run gives others."


def group(entity: str) -> Group:
    """The colour of an entity."""
    return _GROUPS.get(entity, Group.IDENTIFIERS)


def score(reason: Reason) -> str:
    """How sure a finder was."""
    if reason.score is None:
        return "–"
    return f"{reason.score:.2f}{' or less' if reason.at_most else ''}"


def visible(text: str) -> str:
    """The text with plain spaces, and with whatever could steer a terminal or turn a line around written out."""
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else " "
        if character.isspace()
        else ascii(character)[1:-1]
        for character in text
    )
