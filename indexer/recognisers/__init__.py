"""What Penstock takes for personal data, a secret or an identifier: the rules, their entities and the profiles.

A rule serves English and French texts alike: a card number is one in either, and contexts are in both languages.
"""

from collections.abc import Mapping
from types import MappingProxyType

from indexer.recognisers import (
    bank,
    contact,
    court,
    dates,
    fr,
    health,
    person,
    phone,
    secret,
    street,
    uk,
    us,
    vehicle,
    web,
)
from indexer.recognisers.rule import Rule

RULES: tuple[Rule | phone.International, ...] = (
    *secret.RULES,
    *contact.RULES,
    *web.RULES,
    *phone.RULES,
    phone.International(),
    *bank.RULES,
    *uk.RULES,
    *us.RULES,
    *fr.RULES,
    *health.RULES,
    *court.RULES,
    *vehicle.RULES,
    *street.RULES,
    *dates.RULES,
    *person.RULES,
)
"""Every rule. Presidio's own recognisers find bitcoin, IP and MAC addresses."""

LONG_TOKEN = "LONG_TOKEN"  # noqa: S105 - the name of an entity
"""An unbroken run of characters too long to be looked into, in every profile that redacts."""

NAMES = frozenset({"PERSON", "ADDRESS", "LOCATION", "ORGANIZATION"})
"""What is found by reading, not by its form: by `indexer.ner`, and by what announces a person."""

_POSTCODES = frozenset({"UK_POSTCODE", "FR_POSTCODE", "US_ZIP"})
_CONTACTS = frozenset({"PERSON", "ADDRESS", "EMAIL_ADDRESS", "PHONE_NUMBER", "DATE_OF_BIRTH"}) | _POSTCODES
_TRACES = frozenset(
    {"IP_ADDRESS", "MAC_ADDRESS", "DEVICE_ID", "DATE", "AGE", "LOCATION", "ORGANIZATION", "URL", "UUID"}
)
_IDENTIFIERS = frozenset({rule.entity for rule in RULES} | {LONG_TOKEN}) - _CONTACTS - _TRACES - NAMES

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
