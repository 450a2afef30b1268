"""Why a credential was refused, and the bounds on what a credential may say."""

import re
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeGuard

from policies import facts
from policies.errors import RefusedError, UnauthenticatedError
from policies.manifest.scalars import SLUG

_SLUG = re.compile(str(SLUG.pattern))
MAX_NAME_CHARS = 256
"""Chosen: longer subjects, groups and purposes are a fault of the issuer, and would swell the audit."""


class CredentialFault(StrEnum):
    """The precise cause of a refusal. For the operator, never for the caller."""

    MISSING = "credential_missing"
    MALFORMED = "credential_malformed"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105 - a code, no password
    TOKEN_TYPE = "token_type"  # noqa: S105 - a code, no password
    TOKEN_CRITICAL = "token_critical_header"  # noqa: S105 - a code, no password
    ISSUER_UNKNOWN = "token_issuer_unknown"
    ALGORITHM = "token_algorithm"
    SIGNING_KEY = "token_signing_key"
    SIGNATURE = "token_signature"
    CLAIM_MISSING = "token_claim_missing"
    AUDIENCE = "token_audience"
    TIMES = "token_times"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    LIFETIME = "token_lifetime"
    CLAIM_MALFORMED = "token_claim_malformed"
    AGENT = "token_agent_without_grant"
    AGENT_NOT_NAMED = "token_agent_not_the_one_named"


class CredentialError(UnauthenticatedError):
    """No caller could be verified. The message is the same whatever was wrong; `audit_reason` says what was."""

    def __init__(self, audit_reason: CredentialFault) -> None:
        super().__init__(
            "The request carries no valid credential.",
            mend="Send `Authorization: Bearer` and a current API key, or a trusted issuer's token for this service.",
        )
        self.audit_reason = audit_reason


def is_name(value: object) -> TypeGuard[str]:
    """Whether `value` can be a subject, group, purpose or agent: 1 to 256 printable characters, no outer space."""
    return (
        isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS and value.isprintable() and value == value.strip()
    )


def is_slug(value: str) -> bool:
    """Whether `value` can be a purpose: lower-case letters, digits and hyphens, at most 63 characters."""
    return _SLUG.fullmatch(value) is not None and len(value) <= (SLUG.max_length or 0)


def is_country(value: object) -> TypeGuard[str]:
    """Whether `value` is an ISO 3166-1 alpha-2 code in lower case. A group such as `eu` is no place to be in."""
    return isinstance(value, str) and value in facts.regions().countries


def check_terms(
    what: str,
    *,
    subject: str,
    groups: AbstractSet[str],
    purposes: AbstractSet[str],
    region: str | None,
    expires: datetime,
    now: datetime,
    longest: timedelta,
) -> None:
    """Return if a key or a grant may say this of whom it is for. `what` is its name in a message.

    Raises:
        RefusedError: a name is none, a purpose is none or there is none, the region is no country, or the expiry does
            not lie within `longest` from now.
    """
    if not all(map(is_name, (subject, *groups, *purposes))):
        raise RefusedError(
            f"A subject, group or purpose of the {what} is not a name.",
            mend="Write 1 to 256 printable characters without outer spaces.",
        )
    if not all(map(is_slug, purposes)):
        raise RefusedError(
            f"A purpose of the {what} is not one that a manifest can name.",
            mend="Write lower-case letters, digits and hyphens, such as employee-support.",
        )
    if not purposes:
        raise RefusedError(f"A {what} without a purpose can read nothing.", mend="Name at least one purpose.")
    if not is_country(region):
        raise RefusedError(
            f"{region!r} is not a region.",
            mend="Write the ISO 3166-1 alpha-2 code of the country where it is, in lower case, such as gb.",
        )
    if not now < expires <= now + longest:
        raise RefusedError(
            f"The expiry of the {what} is in the past or too far ahead.",
            mend=f"Choose an instant within the next {longest.days} days.",
        )
