"""What Penstock takes for personal data, a secret or an identifier: the rules, their entities and the profiles.

A rule serves English and French texts alike: a card number is one in either, and contexts are in both languages.
"""

from collections.abc import Mapping
from types import MappingProxyType

from indexer.recognisers import bank, contact, dates, fr, phone, secret, uk, us
from indexer.recognisers.rule import Rule

RULES: tuple[Rule | phone.International, ...] = (
    *secret.RULES,
    *contact.RULES,
    *phone.RULES,
    phone.International(),
    *bank.RULES,
    *uk.RULES,
    *us.RULES,
    *fr.RULES,
    *dates.RULES,
)
"""Every rule. Presidio's own recognisers find bitcoin, IP and MAC addresses."""

LONG_TOKEN = "LONG_TOKEN"  # noqa: S105 - the name of an entity
"""An unbroken run of characters too long to be looked into, in every profile that redacts."""

_CONTACTS = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "UK_POSTCODE", "DATE_OF_BIRTH"})
_TRACES = frozenset({"IP_ADDRESS", "MAC_ADDRESS", "DATE"})
_IDENTIFIERS = frozenset({rule.entity for rule in RULES} | {LONG_TOKEN}) - _CONTACTS - _TRACES

PROFILES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "none": frozenset(),
        "identifiers": _IDENTIFIERS,
        "balanced": _IDENTIFIERS | _CONTACTS,
        "strict": _IDENTIFIERS | _CONTACTS | _TRACES,
    }
)
"""The entities that each profile of a manifest redacts."""

ENTITIES = PROFILES["strict"]
"""Every entity there is."""
