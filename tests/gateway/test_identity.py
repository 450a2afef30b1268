from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, SQLModel, create_engine

from gateway import agents, keys
from gateway.agents import AgentGrant, GrantId
from gateway.credential import CredentialError, CredentialFault
from gateway.identity import Identity
from gateway.keys import KeyGrant
from gateway.settings import HttpsAddress
from gateway.tokens import Tokens
from policies.errors import DependencyError
from policies.model import Agent
from tests import catalogs
from tests.gateway.issuing import ISSUER, NOW, NOW_S, token, trusted

ENTROPY = bytes(range(40))
BOT = Agent(subject="bot", groups=frozenset({"staff"}), purposes=frozenset({"p"}), region="gb")
GRANT = AgentGrant(issuer=ISSUER, agent=BOT, expires=NOW + timedelta(seconds=30))


def no_fetch(address: HttpsAddress) -> bytes:
    raise AssertionError(f"nothing may be fetched from {address}")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Identity, str]]:
    engine = create_engine(catalogs.engine_url(tmp_path / "keys.db"))
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[name] for name in ("api_key", "agent_grant")])

    @contextmanager
    def reading() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    grant = KeyGrant(
        subject="bob",
        groups=frozenset(),
        purposes=frozenset({"p"}),
        region="fr",
        roles=frozenset(),
        expires=NOW + timedelta(days=1),
    )
    with Session(engine) as session:
        _, secret = keys.create(session, grant, now=NOW, entropy=ENTROPY)
        agents.create(session, GrantId("1" * 24), GRANT, now=NOW)
        session.commit()
    yield Identity(reading=reading, tokens=Tokens([trusted(tmp_path / "jwks.json")], fetch=no_fetch)), secret
    engine.dispose()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_keys_and_tokens_come_in_the_same_header(made: tuple[Identity, str], scheme: str) -> None:
    identity, secret = made
    assert identity.verify(f"{scheme} {secret}", NOW).subject == "bob"
    assert identity.verify(f"{scheme} {token()}", NOW).subject == "ann"


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (None, CredentialFault.MISSING),
        ("", CredentialFault.MALFORMED),
        ("Bearer", CredentialFault.MALFORMED),
        ("Bearer ", CredentialFault.MALFORMED),
        ("Basic YTpi", CredentialFault.MALFORMED),
        ("Bearer a b", CredentialFault.MALFORMED),
        ("Bearer a,Bearer b", CredentialFault.MALFORMED),
        ("Bearer é", CredentialFault.MALFORMED),
        ("Bearer a\n", CredentialFault.MALFORMED),
        (" Bearer a", CredentialFault.MALFORMED),
        ("Bearer\ta", CredentialFault.MALFORMED),
        ("Bearer pk_", CredentialFault.MALFORMED),
        ("Bearer pk_" + "0" * 16 + "_" + "A" * 43, CredentialFault.KEY_UNKNOWN),
        ("Bearer a", CredentialFault.TOKEN_MALFORMED),
        (f"Bearer {token(exp=NOW_S - 31)}", CredentialFault.EXPIRED),
    ],
)
def test_anything_else_is_nobody_and_reads_the_same(
    made: tuple[Identity, str], header: str | None, fault: CredentialFault
) -> None:
    with pytest.raises(CredentialError) as caught:
        made[0].verify(header, NOW)
    assert caught.value.audit_reason is fault
    assert str(caught.value) == str(CredentialError(CredentialFault.MISSING))


def test_a_key_is_nobody_once_it_has_expired(made: tuple[Identity, str]) -> None:
    with pytest.raises(CredentialError) as caught:
        made[0].verify(f"Bearer {made[1]}", NOW + timedelta(days=1))
    assert caught.value.audit_reason is CredentialFault.KEY_EXPIRED


def test_an_agent_acts_for_a_user_while_its_grant_is_in_force(made: tuple[Identity, str]) -> None:
    header = f"Bearer {token(act={'sub': 'bot'})}"
    caller = made[0].verify(header, NOW)
    assert (caller.subject, caller.agent, caller.roles) == ("ann", BOT, frozenset())
    with pytest.raises(CredentialError) as caught:
        made[0].verify(header, GRANT.expires)
    assert caught.value.audit_reason is CredentialFault.AGENT


def test_the_catalog_is_read_only_for_a_token_that_names_an_agent(tmp_path: Path) -> None:
    asked = []

    def reading() -> AbstractContextManager[Session]:
        asked.append("once")
        raise DependencyError("The catalog is away.", mend="Retry later.")

    identity = Identity(reading=reading, tokens=Tokens([trusted(tmp_path / "jwks.json")], fetch=no_fetch))
    assert identity.verify(f"Bearer {token()}", NOW).agent is None
    assert asked == []
    with pytest.raises(DependencyError):
        identity.verify(f"Bearer {token(act={'sub': 'bot'})}", NOW)
    assert asked == ["once"]
