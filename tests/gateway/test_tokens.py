import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.credential import CredentialError, CredentialFault
from gateway.settings import ClaimNames, HttpsAddress, TrustedIssuer
from gateway.tokens import Tokens
from policies.model import Agent, Caller, Role
from tests.gateway.issuing import ISSUER, NOW, NOW_S, key_set, private_key, public_jwk, token, trusted

BOT = Agent(subject="bot", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")


def no_fetch(address: HttpsAddress) -> bytes:
    raise AssertionError(f"nothing may be fetched from {address}")


@pytest.fixture
def issuer(tmp_path: Path) -> TrustedIssuer:
    return trusted(tmp_path / "jwks.json")


@pytest.fixture
def tokens(issuer: TrustedIssuer) -> Tokens:
    return Tokens([issuer], fetch=no_fetch)


def nobody(_: str, __: str) -> Agent:
    """No grant is in force."""
    raise CredentialError(CredentialFault.AGENT)


def fault_of(tokens: Tokens, text: str) -> CredentialFault:
    with pytest.raises(CredentialError) as caught:
        tokens.verify(text, NOW, find_agent=nobody)
    return caught.value.audit_reason


def unsigned(header: object, claims: object) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_speaks_for_its_subject(tokens: Tokens, algorithm: str) -> None:
    assert tokens.verify(token(algorithm=algorithm), NOW, find_agent=nobody) == Caller(
        subject="ann",
        groups=frozenset({"staff", "board"}),
        purposes=frozenset({"employee-support"}),
        region="gb",
        agent=None,
        roles=frozenset({Role.AUDITOR}),
        credential="issuer:https://login.example",
    )


def test_a_claim_that_is_missing_grants_nothing(tokens: Tokens) -> None:
    caller = tokens.verify(token(without=("groups", "purposes", "country", "roles")), NOW, find_agent=nobody)
    assert caller == Caller(
        subject="ann", groups=frozenset(), purposes=frozenset(), region=None, credential="issuer:https://login.example"
    )


def test_a_claim_the_issuer_is_not_trusted_for_grants_nothing(issuer: TrustedIssuer) -> None:
    nothing = ClaimNames(groups=None, purposes=None, region=None, roles=None)
    caller = Tokens([replace(issuer, claims=nothing)], fetch=no_fetch).verify(token(), NOW, find_agent=nobody)
    assert caller == Caller(
        subject="ann", groups=frozenset(), purposes=frozenset(), region=None, credential="issuer:https://login.example"
    )


def bot(issuer: str, subject: str) -> Agent:
    """The agent whose grant is in force: `bot`, of the usual issuer."""
    if (issuer, subject) != (ISSUER, "bot"):
        raise CredentialError(CredentialFault.AGENT)
    return BOT


def test_an_agent_acts_for_the_subject_and_takes_its_roles_away(tokens: Tokens) -> None:
    caller = tokens.verify(token(act={"sub": "bot", "act": {"sub": "planner"}}), NOW, find_agent=bot)
    alone = tokens.verify(token(), NOW, find_agent=bot)
    assert (alone.agent, alone.roles) == (None, frozenset({Role.AUDITOR}))
    assert caller == replace(alone, agent=BOT, roles=frozenset())


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"act": {"sub": "planner"}}, CredentialFault.AGENT),
        ({"act": {"sub": "planner", "act": {"sub": "bot"}}}, CredentialFault.AGENT),
        ({"act": {"sub": "bot", "iss": "https://other.example"}}, CredentialFault.AGENT),
        ({"act": {"sub": "bot"}, "may_act": {"sub": "planner"}}, CredentialFault.AGENT_NOT_NAMED),
        (
            {"act": {"sub": "bot"}, "may_act": {"sub": "bot", "iss": "https://other.example"}},
            CredentialFault.AGENT_NOT_NAMED,
        ),
        ({"act": {"sub": "bot"}, "may_act": ["bot"]}, CredentialFault.CLAIM_MALFORMED),
        ({"act": {"sub": "bot"}, "may_act": None}, CredentialFault.CLAIM_MALFORMED),
        ({"act": {"sub": ""}}, CredentialFault.CLAIM_MALFORMED),
        ({"act": {"sub": "bot", "iss": 5}}, CredentialFault.CLAIM_MALFORMED),
        ({"act": {"sub": "bot", "act": "planner"}}, CredentialFault.CLAIM_MALFORMED),
        ({"act": {}}, CredentialFault.CLAIM_MALFORMED),
        ({"act": None}, CredentialFault.CLAIM_MALFORMED),
        ({"act": "bot"}, CredentialFault.CLAIM_MALFORMED),
        ({"act": ["bot"]}, CredentialFault.CLAIM_MALFORMED),
    ],
)
def test_an_agent_without_a_grant_or_not_as_it_must_be_is_refused(
    tokens: Tokens, claims: dict[str, object], fault: CredentialFault
) -> None:
    with pytest.raises(CredentialError) as caught:
        tokens.verify(token(**claims), NOW, find_agent=bot)  # type: ignore[arg-type]  # as below
    assert caught.value.audit_reason is fault


def test_no_grant_is_looked_for_before_the_signature_holds(tokens: Tokens) -> None:
    def asked(issuer: str, subject: str) -> Agent:
        raise AssertionError(issuer, subject)

    with pytest.raises(CredentialError) as caught:
        tokens.verify(token(number=1, headers={"kid": "EdDSA-0"}, act={"sub": "bot"}), NOW, find_agent=asked)
    assert caught.value.audit_reason is CredentialFault.SIGNATURE


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_an_access_token_may_say_its_type(tokens: Tokens, kind: str) -> None:
    assert tokens.verify(token(headers={"typ": kind}), NOW, find_agent=nobody).subject == "ann"


def test_an_audience_may_be_a_list_of_one(tokens: Tokens) -> None:
    assert tokens.verify(token(aud=["penstock"]), NOW, find_agent=nobody).subject == "ann"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"iss": "https://other.example"}, CredentialFault.ISSUER_UNKNOWN),
        ({"iss": "https://login.example/"}, CredentialFault.ISSUER_UNKNOWN),
        ({"iss": "https://login"}, CredentialFault.ISSUER_UNKNOWN),
        ({"aud": "other"}, CredentialFault.AUDIENCE),
        ({"aud": "penstock2"}, CredentialFault.AUDIENCE),
        ({"aud": ["penstock", "other"]}, CredentialFault.AUDIENCE),
        ({"aud": ["penstock", "penstock"]}, CredentialFault.AUDIENCE),
        ({"aud": []}, CredentialFault.CLAIM_MISSING),
        ({"aud": 7}, CredentialFault.AUDIENCE),
        ({"exp": NOW_S - 30}, CredentialFault.EXPIRED),
        ({"iat": NOW_S - 7200, "exp": NOW_S - 3600}, CredentialFault.EXPIRED),
        ({"iat": NOW_S + 31}, CredentialFault.NOT_YET_VALID),
        ({"nbf": NOW_S + 31}, CredentialFault.NOT_YET_VALID),
        ({"iat": NOW_S, "exp": NOW_S + 3601}, CredentialFault.LIFETIME),
        ({"iat": NOW_S, "exp": NOW_S}, CredentialFault.LIFETIME),
        ({"iat": NOW_S + 20, "exp": NOW_S + 10}, CredentialFault.LIFETIME),
        ({"exp": 1e300}, CredentialFault.TIMES),
        ({"exp": 10**400}, CredentialFault.TIMES),
        ({"exp": float("inf")}, CredentialFault.TIMES),
        ({"exp": float("nan")}, CredentialFault.TIMES),
        ({"exp": str(NOW_S + 600)}, CredentialFault.TIMES),
        ({"exp": True}, CredentialFault.TIMES),
        ({"exp": -1}, CredentialFault.TIMES),
        ({"exp": [NOW_S + 600]}, CredentialFault.TIMES),
        ({"iat": float("nan")}, CredentialFault.TIMES),
        ({"iat": -1e300}, CredentialFault.TIMES),
        ({"nbf": "soon"}, CredentialFault.TIMES),
        ({"sub": ""}, CredentialFault.CLAIM_MALFORMED),
        ({"sub": "a" * 257}, CredentialFault.CLAIM_MALFORMED),
        ({"sub": "ann\x00"}, CredentialFault.CLAIM_MALFORMED),
        ({"sub": 5}, CredentialFault.SIGNATURE),
        ({"groups": "staff"}, CredentialFault.CLAIM_MALFORMED),
        ({"groups": None}, CredentialFault.CLAIM_MALFORMED),
        ({"groups": ["staff", 5]}, CredentialFault.CLAIM_MALFORMED),
        ({"groups": {"staff": True}}, CredentialFault.CLAIM_MALFORMED),
        ({"groups": ["g"] * 1001}, CredentialFault.CLAIM_MALFORMED),
        ({"purposes": [["x"]]}, CredentialFault.CLAIM_MALFORMED),
        ({"country": "eu"}, CredentialFault.CLAIM_MALFORMED),
        ({"country": "UK"}, CredentialFault.CLAIM_MALFORMED),
        ({"country": ["gb"]}, CredentialFault.CLAIM_MALFORMED),
        ({"country": None}, CredentialFault.CLAIM_MALFORMED),
    ],
)
def test_a_claim_that_is_not_as_it_must_be_is_refused(
    tokens: Tokens, changes: dict[str, object], fault: CredentialFault
) -> None:
    assert fault_of(tokens, token(**changes)) is fault  # type: ignore[arg-type]  # mypy takes them for the other arguments


@pytest.mark.parametrize("claim", ["exp", "iat", "aud", "sub"])
def test_a_token_without_a_required_claim_is_refused(tokens: Tokens, claim: str) -> None:
    assert fault_of(tokens, token(without=(claim,))) is CredentialFault.CLAIM_MISSING


def test_a_token_without_an_issuer_is_refused(tokens: Tokens) -> None:
    assert fault_of(tokens, token(without=("iss",))) is CredentialFault.ISSUER_UNKNOWN


def test_clocks_may_lie_half_a_minute_apart_and_an_hour_is_allowed(tokens: Tokens) -> None:
    assert tokens.verify(token(exp=NOW_S - 29), NOW, find_agent=nobody).subject == "ann"
    assert tokens.verify(token(iat=NOW_S + 30, nbf=NOW_S + 30), NOW, find_agent=nobody).subject == "ann"
    assert tokens.verify(token(iat=NOW_S, exp=NOW_S + 3600), NOW, find_agent=nobody).subject == "ann"


def test_the_clock_is_the_one_passed_in(tokens: Tokens) -> None:
    text = token()
    assert tokens.verify(text, NOW + timedelta(seconds=629), find_agent=nobody).subject == "ann"
    with pytest.raises(CredentialError):
        tokens.verify(text, NOW + timedelta(seconds=630), find_agent=nobody)


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"crit": ["exp"]}, CredentialFault.TOKEN_MALFORMED),
        ({"typ": "logout+jwt"}, CredentialFault.TOKEN_TYPE),
        ({"typ": "dpop+jwt"}, CredentialFault.TOKEN_TYPE),
        ({"typ": 5}, CredentialFault.TOKEN_TYPE),
        ({"kid": "../../etc/passwd"}, CredentialFault.SIGNING_KEY),
        ({"kid": "' OR 1=1 --"}, CredentialFault.SIGNING_KEY),
        ({"kid": "RS256-0"}, CredentialFault.SIGNING_KEY),
        ({"kid": ""}, CredentialFault.SIGNING_KEY),
    ],
)
def test_a_header_that_is_not_as_it_must_be_is_refused(
    tokens: Tokens, headers: dict[str, object], fault: CredentialFault
) -> None:
    assert fault_of(tokens, token(headers=headers)) is fault


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_keys_a_header_offers_are_not_looked_at(tokens: Tokens, name: str) -> None:
    offered = {name: "file:///etc/passwd", "kid": "EdDSA-0"}
    assert tokens.verify(token(headers=offered), NOW, find_agent=nobody).subject == "ann"
    assert fault_of(tokens, token(number=1, headers=offered)) is CredentialFault.SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "RS512", "PS256", "ES384", None, 5])
def test_an_algorithm_that_is_not_pinned_is_refused(tokens: Tokens, alg: object) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    assert fault_of(tokens, unsigned({"alg": alg, "typ": "JWT", "kid": "EdDSA-0"}, claims)) in {
        CredentialFault.ALGORITHM,
        CredentialFault.TOKEN_MALFORMED,
    }


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(tokens: Tokens) -> None:
    public = private_key("RS256", 0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(token(), options={"verify_signature": False})
    text = unsigned({"alg": "HS256", "kid": "RS256-0"}, claims).rstrip(".")
    mac = base64.urlsafe_b64encode(hmac.digest(public, text.encode(), "sha256")).rstrip(b"=").decode()
    assert fault_of(tokens, f"{text}.{mac}") is CredentialFault.ALGORITHM


def test_a_critical_header_is_refused_even_where_it_changes_nothing(tokens: Tokens) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    for header in ({"crit": ["b64"], "b64": True}, {"b64": True}):
        assert fault_of(tokens, unsigned({"alg": "EdDSA", **header}, claims)) is CredentialFault.TOKEN_CRITICAL


def test_an_algorithm_of_another_issuer_is_refused(issuer: TrustedIssuer) -> None:
    narrow = Tokens([replace(issuer, algorithms=frozenset({"ES256"}))], fetch=no_fetch)
    assert narrow.verify(token(algorithm="ES256"), NOW, find_agent=nobody).subject == "ann"
    assert fault_of(narrow, token(algorithm="EdDSA")) is CredentialFault.ALGORITHM


def test_an_issuer_cannot_speak_in_anothers_name(tmp_path: Path, issuer: TrustedIssuer) -> None:
    other_keys = tmp_path / "other.json"
    other_keys.write_bytes(key_set(public_jwk("EdDSA", number=1, kid="EdDSA-1")))
    other = replace(issuer, issuer="https://other.example", jwks=other_keys)
    both = Tokens([issuer, other], fetch=no_fetch)
    assert both.verify(token(number=1, iss="https://other.example"), NOW, find_agent=nobody).subject == "ann"
    assert fault_of(both, token(number=1)) is CredentialFault.SIGNING_KEY
    assert fault_of(both, token(number=1, headers={"kid": "EdDSA-0"})) is CredentialFault.SIGNATURE


def test_a_token_without_a_key_id_is_taken_only_where_there_is_one_key(tmp_path: Path, issuer: TrustedIssuer) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    nameless = jwt.encode(claims, private_key("EdDSA", 0), algorithm="EdDSA")
    assert fault_of(Tokens([issuer], fetch=no_fetch), nameless) is CredentialFault.SIGNING_KEY
    single = tmp_path / "single.json"
    single.write_bytes(key_set(public_jwk("EdDSA", kid="EdDSA-0")))
    assert (
        Tokens([replace(issuer, jwks=single)], fetch=no_fetch).verify(nameless, NOW, find_agent=nobody).subject == "ann"
    )


def test_without_issuers_no_token_is_taken() -> None:
    assert fault_of(Tokens([], fetch=no_fetch), token()) is CredentialFault.ISSUER_UNKNOWN


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "e30.e30.", "e30.W10.", "W10.e30.", "A" * 8193, "e30.e30.e30.e30.e30", "\x00"]
)
def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    assert fault_of(tokens, text) in {CredentialFault.TOKEN_MALFORMED, CredentialFault.ISSUER_UNKNOWN}


@given(place=st.integers(0, 10_000), bit=st.integers(0, 5))
def test_no_changed_character_passes(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory, cached: Callable[[Path], Tokens]
) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = token()
    place %= len(text)
    if text[place] == ".":
        return
    other = alphabet[alphabet.index(text[place]) ^ (1 << bit)]
    with pytest.raises(CredentialError):
        cached(tmp_path_factory.getbasetemp()).verify(text[:place] + other + text[place + 1 :], NOW, find_agent=nobody)


@pytest.fixture(scope="module")
def cached() -> Callable[[Path], Tokens]:
    made: list[Tokens] = []

    def get(folder: Path) -> Tokens:
        if not made:
            made.append(Tokens([trusted(folder / "jwks.json")], fetch=no_fetch))
        return made[0]

    return get


def test_every_refusal_reads_the_same(tokens: Tokens) -> None:
    texts = ["", token(aud="other"), token(exp=NOW_S - 60), token(number=1), token(iss="x")]
    messages = set()
    for text in texts:
        with pytest.raises(CredentialError) as caught:
            tokens.verify(text, NOW, find_agent=nobody)
        messages.add(str(caught.value))
    assert len(messages) == 1
