import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import Session, SQLModel, create_engine, select

from gateway import keys
from gateway.credential import CredentialError, CredentialFault
from gateway.keys import ApiKeyRow, KeyGrant, KeyId
from policies.errors import RefusedError
from policies.model import Caller, Role
from tests import catalogs

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENTROPY = bytes(range(40))
GRANT = KeyGrant(
    subject="ann",
    groups=frozenset({"staff", "board"}),
    purposes=frozenset({"employee-support"}),
    region="gb",
    roles=frozenset({Role.AUDITOR}),
    expires=NOW + timedelta(days=30),
)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(catalogs.engine_url(tmp_path / "keys.db"))
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["api_key"]])
    with Session(engine) as session:
        yield session
    engine.dispose()


def fault_of(session: Session, presented: str, now: datetime = NOW) -> CredentialFault:
    with pytest.raises(CredentialError) as caught:
        keys.find(session, presented, now)
    return caught.value.audit_reason


def test_a_key_speaks_for_the_caller_it_was_made_for(session: Session) -> None:
    key_id, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    assert keys.find(session, secret, NOW) == Caller(
        subject="ann",
        groups=frozenset({"staff", "board"}),
        purposes=frozenset({"employee-support"}),
        region="gb",
        agent=None,
        roles=frozenset({Role.AUDITOR}),
        credential=f"key:{key_id}",
    )


def test_a_key_shows_its_id_and_carries_256_bits(session: Session) -> None:
    key_id, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    assert key_id == ENTROPY[:8].hex()
    assert re.fullmatch(rf"pk_{key_id}_[A-Za-z0-9_-]{{43}}", secret)


def test_only_a_hash_of_the_secret_is_kept(session: Session) -> None:
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    row = session.exec(select(ApiKeyRow)).one()
    assert row.secret_sha256 == hashlib.sha256(ENTROPY[8:]).digest()
    assert secret.rsplit("_", 1)[1] not in repr(row.model_dump())


def test_any_changed_character_is_refused(session: Session) -> None:
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    for place in range(len(secret)):
        for other in "A0_-b" if place > 20 else "A0b":
            changed = secret[:place] + other + secret[place + 1 :]
            if changed != secret:
                assert fault_of(session, changed) in {CredentialFault.KEY_UNKNOWN, CredentialFault.MALFORMED}


def test_the_unused_bits_of_the_last_character_make_no_second_key(session: Session) -> None:
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = {last for last in alphabet if _is_accepted(session, secret[:-1] + last)}
    assert accepted == {secret[-1]}


def _is_accepted(session: Session, presented: str) -> bool:
    try:
        keys.find(session, presented, NOW)
    except CredentialError:
        return False
    return True


@pytest.mark.parametrize(
    "text", ["", "pk_", "pk__", "pk_" + "0" * 16 + "_" + "é" * 43, "PK_" + "0" * 16 + "_" + "A" * 43]
)
def test_a_malformed_key_is_refused(session: Session, text: str) -> None:
    assert fault_of(session, text) is CredentialFault.MALFORMED


def test_the_zero_key_does_not_match_an_unknown_id(session: Session) -> None:
    assert fault_of(session, "pk_" + "0" * 16 + "_" + "A" * 43) is CredentialFault.KEY_UNKNOWN


def test_a_known_and_an_unknown_id_take_the_same_statements(session: Session) -> None:
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    statements: list[str] = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def record(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    keys.find(session, secret, NOW)
    assert fault_of(session, secret.replace(ENTROPY[:8].hex(), "f" * 16)) is CredentialFault.KEY_UNKNOWN
    assert len(statements) == 2
    assert statements[0] == statements[1]


def test_a_key_ends_at_its_expiry(session: Session) -> None:
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    assert keys.find(session, secret, GRANT.expires - timedelta(microseconds=1)).subject == "ann"
    assert fault_of(session, secret, GRANT.expires) is CredentialFault.KEY_EXPIRED


def test_times_in_another_zone_are_the_same_instants(session: Session) -> None:
    tokyo = timezone(timedelta(hours=9))
    _, secret = keys.create(
        session, replace(GRANT, expires=GRANT.expires.astimezone(tokyo)), now=NOW.astimezone(tokyo), entropy=ENTROPY
    )
    assert fault_of(session, secret, GRANT.expires) is CredentialFault.KEY_EXPIRED
    assert keys.listing(session)[0].created == NOW


def test_a_revoked_key_is_refused_and_keeps_its_first_time(session: Session) -> None:
    key_id, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    keys.revoke(session, key_id, NOW)
    keys.revoke(session, key_id, NOW + timedelta(days=1))
    assert fault_of(session, secret) is CredentialFault.KEY_REVOKED
    assert [key.revoked for key in keys.listing(session)] == [NOW]


def test_revoking_one_key_leaves_the_others(session: Session) -> None:
    first, _ = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    _, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY[::-1])
    keys.revoke(session, first, NOW)
    assert keys.find(session, secret, NOW).subject == "ann"


def test_a_key_that_does_not_exist_cannot_be_revoked(session: Session) -> None:
    with pytest.raises(RefusedError, match="no such API key"):
        keys.revoke(session, KeyId("0" * 16), NOW)


def test_the_listing_has_every_key_and_nothing_to_authenticate_with(session: Session) -> None:
    first, secret = keys.create(session, GRANT, now=NOW, entropy=ENTROPY)
    second, _ = keys.create(session, replace(GRANT, subject="bob"), now=NOW + timedelta(1), entropy=ENTROPY[::-1])
    listed = keys.listing(session)
    assert [(key.id, key.grant) for key in listed] == [(first, GRANT), (second, replace(GRANT, subject="bob"))]
    assert secret.rsplit("_", 1)[1] not in repr(listed)
    assert hashlib.sha256(ENTROPY[8:]).hexdigest() not in repr(listed)


@pytest.mark.parametrize(
    "grant",
    [
        replace(GRANT, subject=""),
        replace(GRANT, subject=" ann"),
        replace(GRANT, subject="ann\n"),
        replace(GRANT, subject="a" * 257),
        replace(GRANT, groups=frozenset({"staff", ""})),
        replace(GRANT, purposes=frozenset()),
        replace(GRANT, purposes=frozenset({"a\x00"})),
        replace(GRANT, region=""),
        replace(GRANT, region="GB"),
        replace(GRANT, region="uk"),
        replace(GRANT, region="eu"),
        replace(GRANT, region="zz"),
        replace(GRANT, expires=NOW),
        replace(GRANT, expires=NOW + timedelta(days=366, seconds=1)),
    ],
)
def test_a_grant_that_is_not_as_it_must_be_makes_no_key(session: Session, grant: KeyGrant) -> None:
    with pytest.raises(RefusedError):
        keys.create(session, grant, now=NOW, entropy=ENTROPY)
    assert keys.listing(session) == ()


@pytest.mark.parametrize("length", [0, 32, 39, 41])
def test_a_key_takes_exactly_its_entropy(session: Session, length: int) -> None:
    with pytest.raises(RefusedError, match="40 random bytes"):
        keys.create(session, GRANT, now=NOW, entropy=bytes(length))
