"""An issuer of tokens for the tests: keys made here, nothing committed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.settings import ClaimNames, TrustedIssuer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
ISSUER = "https://login.example"
AUDIENCE = "penstock"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ann",
    "iat": NOW_S - 60,
    "exp": NOW_S + 600,
    "groups": ["staff", "board"],
    "purposes": ["employee-support"],
    "country": "GB",
    "roles": ["auditor", "admin"],
}
NAMES = ClaimNames(groups="groups", purposes="purposes", region="country", roles="roles")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def private_key(algorithm: str, number: int) -> PrivateKey:
    """A private key for the algorithm; another `number` is another key."""
    del number
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "weak RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - refused on purpose
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def public_jwk(algorithm: str, *, number: int = 0, **fields: object) -> dict[str, object]:
    """The public half as a JWK with further fields, such as `kid`."""
    key = private_key(algorithm, number)
    if isinstance(key, rsa.RSAPrivateKey):
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, **fields}


def private_jwk(algorithm: str, **fields: object) -> dict[str, object]:
    """Both halves, as no key set may hold them."""
    key = private_key(algorithm, 0)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return {**OKPAlgorithm.to_jwk(key, as_dict=True), **fields}


def key_set(*jwks: dict[str, object]) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


def token(
    *,
    algorithm: str = "EdDSA",
    number: int = 0,
    headers: Mapping[str, object] | None = None,
    without: tuple[str, ...] = (),
    **claims: object,
) -> str:
    """A signed token of `CLAIMS` with changes."""
    payload = {name: value for name, value in {**CLAIMS, **claims}.items() if name not in without}
    kid = {"kid": f"{algorithm}-{number}"}
    return jwt.encode(payload, private_key(algorithm, number), algorithm=algorithm, headers={**kid, **(headers or {})})


def trusted(path: Path) -> TrustedIssuer:
    """The issuer with a key of each algorithm in a file at `path`."""
    path.write_bytes(key_set(*(public_jwk(name, kid=f"{name}-0") for name in ("RS256", "ES256", "EdDSA"))))
    return TrustedIssuer(
        issuer=ISSUER,
        audience=AUDIENCE,
        jwks=path,
        algorithms=frozenset({"RS256", "ES256", "EdDSA"}),
        claims=NAMES,
    )
