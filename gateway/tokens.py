"""JSON Web Tokens of trusted issuers, verified after RFC 7519 and the best practices of RFC 8725."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import jwt

from gateway.credential import CredentialError, CredentialFault, is_country, is_name
from gateway.jwks import Fetch, KeySource, SigningKey, key_source
from gateway.settings import ClaimNames, TrustedIssuer
from policies.model import Agent, Caller, Role

LEEWAY = timedelta(seconds=30)
"""How far the clocks of an issuer and of this process may lie apart."""
MAX_LIFETIME = timedelta(hours=1)
"""The longest span between `iat` and `exp` that is accepted: a token cannot be revoked."""
MAX_TOKEN_CHARS = 8192
MAX_NAMES = 1000
"""Chosen: more groups, purposes or roles than this in one token is a fault of the issuer."""

FindAgent = Callable[[str, str], Agent]
"""The agent under the grant that is in force for an issuer and a subject. Raises CredentialError where none is."""

_MAX_EPOCH_S = 2**33
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")


class Tokens:
    """Verifies tokens of the issuers it was made with. The issuers' keys are cached; nothing else is kept."""

    def __init__(self, issuers: Sequence[TrustedIssuer], *, fetch: Fetch) -> None:
        """`fetch` reads the key set of an issuer that publishes it at an https address."""
        self._issuers: Mapping[str, tuple[TrustedIssuer, KeySource]] = {
            issuer.issuer: (issuer, key_source(issuer.jwks, fetch)) for issuer in issuers
        }

    def verify(self, token: str, now: datetime, *, find_agent: FindAgent) -> Caller:
        """The caller a token speaks for, at `now` (UTC, aware), with the agent that acts for the caller.

        A claim that is missing gives the caller nothing: no group, no purpose, no region, no role. `find_agent` is
        asked only of a token that names an agent. Such a caller has no role: an agent never operates.

        Raises:
            CredentialError: the token is not one of a trusted issuer for this service, now, or its agent has no grant.
            DependencyError: the issuer's keys cannot be had.
        """
        header, unverified = _peek(token)
        issuer, source = self._trusted(unverified)
        key = _signing_key(header, issuer, source.keys(now, header.get("kid")))
        claims = _verified(token, key, issuer)
        _check_times(claims, now)
        caller = _caller(claims, issuer.claims)
        if "act" not in claims:
            return caller
        return replace(caller, agent=find_agent(issuer.issuer, _actor(claims)), roles=frozenset())

    def _trusted(self, unverified: Mapping[str, Any]) -> tuple[TrustedIssuer, KeySource]:
        name = unverified.get("iss")
        if not isinstance(name, str) or name not in self._issuers:
            raise CredentialError(CredentialFault.ISSUER_UNKNOWN)
        return self._issuers[name]


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, of which nothing is believed yet."""
    if len(token) > MAX_TOKEN_CHARS:
        raise CredentialError(CredentialFault.TOKEN_MALFORMED)
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise CredentialError(CredentialFault.TOKEN_MALFORMED) from error
    header: dict[str, Any] = parts["header"]
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise CredentialError(CredentialFault.TOKEN_TYPE)
    if "crit" in header or "b64" in header:
        raise CredentialError(CredentialFault.TOKEN_CRITICAL)
    return header, parts["payload"]


def _signing_key(header: Mapping[str, Any], issuer: TrustedIssuer, keys: Sequence[SigningKey]) -> SigningKey:
    """The one key the token must be signed with. Only `kid` and `alg` of the header have a say, never an address."""
    kid = header.get("kid")
    if header.get("alg") not in issuer.algorithms:
        raise CredentialError(CredentialFault.ALGORITHM)
    named = [key for key in keys if kid is None or key.kid == kid]
    if len(named) != 1 or named[0].algorithm != header["alg"]:
        raise CredentialError(CredentialFault.SIGNING_KEY)
    return named[0]


def _verified(token: str, key: SigningKey, issuer: TrustedIssuer) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.jwk,
            algorithms=[key.algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.MissingRequiredClaimError as error:
        raise CredentialError(CredentialFault.CLAIM_MISSING) from error
    except jwt.InvalidAudienceError as error:
        raise CredentialError(CredentialFault.AUDIENCE) from error
    except jwt.PyJWTError as error:
        raise CredentialError(CredentialFault.SIGNATURE) from error
    if isinstance(claims["aud"], list) and len(claims["aud"]) != 1:
        raise CredentialError(CredentialFault.AUDIENCE)
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    # PyJWT reads the system's clock and takes 1e300 for a time, so the times are checked here.
    issued, expires = _epoch_s(claims["iat"]), _epoch_s(claims["exp"])
    not_before = _epoch_s(claims.get("nbf", 0))
    now_s, leeway_s = now.timestamp(), LEEWAY.total_seconds()
    if expires <= now_s - leeway_s:
        raise CredentialError(CredentialFault.EXPIRED)
    if max(issued, not_before) > now_s + leeway_s:
        raise CredentialError(CredentialFault.NOT_YET_VALID)
    if not 0 < expires - issued <= MAX_LIFETIME.total_seconds():
        raise CredentialError(CredentialFault.LIFETIME)


def _epoch_s(value: object) -> float:
    # NaN fails the comparison, like infinities and integers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_EPOCH_S:
        raise CredentialError(CredentialFault.TIMES)
    return float(value)


def _caller(claims: Mapping[str, Any], names: ClaimNames) -> Caller:
    roles = _names(claims, names.roles)
    return Caller(
        subject=_name(claims["sub"]),
        groups=_names(claims, names.groups),
        purposes=_names(claims, names.purposes),
        region=_region(claims, names.region),
        roles=frozenset(role for role in Role if role in roles),
        credential=f"issuer:{claims['iss']}",
    )


def _actor(claims: Mapping[str, Any]) -> str:
    """The subject of the agent that acts now: the outermost `act` (RFC 8693, section 4.1).

    An agent is known by the token's issuer and its subject; of one that another issuer vouches for nothing is believed.
    Prior actors, nested within, have no say in access, but must be actors. `may_act` (section 4.4) binds the agent.
    """
    issuer, subject = _party(claims["act"], claims["iss"])
    prior = claims["act"]
    while "act" in prior:
        prior = prior["act"]
        _party(prior, claims["iss"])
    if issuer != claims["iss"]:
        raise CredentialError(CredentialFault.AGENT)
    if "may_act" in claims and _party(claims["may_act"], claims["iss"]) != (issuer, subject):
        raise CredentialError(CredentialFault.AGENT_NOT_NAMED)
    return subject


def _party(claim: object, issuer: str) -> tuple[str, str]:
    """Issuer, `issuer` where it names none, and subject of whom a claim of RFC 8693 names."""
    if not isinstance(claim, dict):
        raise CredentialError(CredentialFault.CLAIM_MALFORMED)
    named = claim.get("iss", issuer)
    if not isinstance(named, str):
        raise CredentialError(CredentialFault.CLAIM_MALFORMED)
    return named, _name(claim.get("sub"))


def _names(claims: Mapping[str, Any], claim: str | None) -> frozenset[str]:
    values = [] if claim is None else claims.get(claim, [])
    if not isinstance(values, list) or len(values) > MAX_NAMES:
        raise CredentialError(CredentialFault.CLAIM_MALFORMED)
    return frozenset(map(_name, values))


def _name(value: object) -> str:
    if not is_name(value):
        raise CredentialError(CredentialFault.CLAIM_MALFORMED)
    return value


def _region(claims: Mapping[str, Any], claim: str | None) -> str | None:
    if claim is None or claim not in claims:
        return None
    value = claims[claim]
    region = value.lower() if isinstance(value, str) else value
    if not is_country(region):
        raise CredentialError(CredentialFault.CLAIM_MALFORMED)
    return region
