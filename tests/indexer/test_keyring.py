from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from indexer.keyring import KeyId, Keyring, verify_signature
from indexer.seal import Key, seal, unseal
from policies.errors import IntegrityError, SettingsError
from policies.ledger import Head
from policies.model import DocumentId, SourceName

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MASTER = Key(b"m" * 32)
HR, LEGAL = SourceName("hr"), SourceName("legal")
D1, D2 = DocumentId("1" * 32), DocumentId("2" * 32)


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Keyring]:
    opened = Keyring.create(tmp_path / "keyring" / "keyring.db", MASTER)
    yield opened
    opened.close()


def reopened(keyring: Keyring) -> Keyring:
    keyring.close()
    return Keyring(keyring.path, MASTER)


def test_another_master_key_is_refused_and_spoils_nothing(keyring: Keyring) -> None:
    key_id, key = keyring.new_document_key(HR)
    with pytest.raises(SettingsError, match="not the one this home was made with"):
        Keyring(keyring.path, Key(b"x" * 32))
    assert reopened(keyring).document_keys([key_id]) == {key_id: key}


def test_a_keyring_that_is_missing_is_refused_and_not_made_anew(tmp_path: Path) -> None:
    """A new one in its place would know no tombstone."""
    path = tmp_path / "keyring" / "keyring.db"
    path.parent.mkdir()
    with pytest.raises(SettingsError, match="is missing") as caught:
        Keyring(path, MASTER)
    assert "Mount the volume" in caught.value.mend
    assert list(path.parent.iterdir()) == []


def test_a_keyring_is_not_made_over_another(keyring: Keyring) -> None:
    keyring.entomb({D1: "v1"}, purge="p1", now=NOW)
    for master in (MASTER, Key(b"x" * 32)):
        with pytest.raises(DatabaseError):
            Keyring.create(keyring.path, master)
    assert reopened(keyring).tombstones() == {(D1, "v1")}


def test_the_keyrings_folder_is_for_its_owner_alone(keyring: Keyring) -> None:
    assert keyring.path.parent.stat().st_mode & 0o777 == 0o700


def test_no_key_lies_in_the_file_as_it_is(keyring: Keyring) -> None:
    keys = [keyring.new_document_key(HR)[1], keyring.pseudonym_key(HR), keyring.needle_key("p1"), MASTER]
    contents = [path.read_bytes() for path in keyring.path.parent.iterdir()]
    assert not any(bytes(key) in content for key in keys for content in contents)


def test_document_ids_are_stable_and_tell_nothing(keyring: Keyring) -> None:
    document = keyring.document_id(HR, "people/ann smith.md")
    assert len(document) == 32
    assert set(document) <= set("0123456789abcdef")
    assert reopened(keyring).document_id(HR, "people/ann smith.md") == document
    assert keyring.document_id(LEGAL, "people/ann smith.md") != document
    other_home = Keyring.create(keyring.path.parent.parent / "other" / "keyring.db", MASTER)
    assert other_home.document_id(HR, "people/ann smith.md") != document


@given(st.lists(st.text(max_size=3), min_size=2, max_size=3), st.lists(st.text(max_size=3), min_size=2, max_size=3))
def test_no_two_lists_of_parts_make_the_same_id(one: list[str], other: list[str]) -> None:
    ids = Keyring.__new__(Keyring)
    ids._ids = Key(b"i" * 32)  # noqa: SLF001 - the only state the ids depend on
    assert (ids.fingerprint(*one) == ids.fingerprint(*other)) == (one == other)


def test_ids_take_names_that_are_not_utf8(keyring: Keyring) -> None:
    assert keyring.document_id(HR, "caf\udce9.md") != keyring.document_id(HR, "café.md")


def test_an_id_of_content_is_no_plain_hash_and_names_no_other_content_or_document(keyring: Keyring) -> None:
    version = keyring.version(D1, b"a")
    assert version == reopened(keyring).version(D1, b"a")
    assert version not in {keyring.version(D1, b"b"), keyring.version(D2, b"a")}
    assert len(version) == 24


def test_keys_of_sources_and_purges_are_made_once_and_kept_apart(keyring: Keyring) -> None:
    keys = [keyring.pseudonym_key(HR), keyring.pseudonym_key(LEGAL), keyring.needle_key("hr")]
    again = reopened(keyring)
    assert [again.pseudonym_key(HR), again.pseudonym_key(LEGAL), again.needle_key("hr")] == keys
    assert len(set(keys)) == 3


def test_thousands_of_keys_come_back_at_once(keyring: Keyring) -> None:
    made = {KeyId(f"{number:024x}"): bytes(32) for number in range(25_000)}
    with keyring.database.writing() as session:
        rows = [
            {"id": f"document:{key}", "wrapped": seal(MASTER, plain, place=f"document:{key}")}
            for key, plain in made.items()
        ]
        session.connection().execute(text("INSERT INTO key (id, wrapped) VALUES (:id, :wrapped)"), rows)
    assert keyring.document_keys(made) == made
    assert keyring.document_key_ids() == frozenset(made)
    assert keyring.destroy(keys=list(made)[:20_000]) == 20_000
    assert keyring.document_keys(made) == {key: made[key] for key in list(made)[20_000:]}


def test_what_a_destroyed_key_sealed_is_gone_and_so_is_the_key(keyring: Keyring) -> None:
    kept_id, kept = keyring.new_document_key(HR)
    lost_id, lost = keyring.new_document_key(HR)
    sealed = seal(lost, b"twenty five days", place="p")
    with keyring.database.reading() as session:
        wrapped = session.connection().execute(
            text("SELECT wrapped FROM key WHERE id = :id"), {"id": f"document:{lost_id}"}
        )
        bytes_of_key = bytes(wrapped.scalar_one())
    assert keyring.destroy(keys=[lost_id]) == 1
    assert keyring.document_keys([kept_id, lost_id]) == {kept_id: kept}
    for path in keyring.path.parent.iterdir():
        content = path.read_bytes()
        assert bytes_of_key not in content, path.name
        assert bytes_of_key[12:28] not in content, path.name
        assert lost_id.encode() not in content, path.name
    for key in (kept, keyring.pseudonym_key(HR), MASTER):
        with pytest.raises(IntegrityError):
            unseal(key, sealed, place="p")
    assert keyring.destroy(keys=[lost_id], purge="never was") == 0


def test_the_key_of_a_purges_needles_is_destroyed_by_name(keyring: Keyring) -> None:
    before = keyring.needle_key("p1")
    assert keyring.destroy(purge="p1") == 1
    assert keyring.needle_key("p1") != before


def test_a_wrapped_key_put_in_anothers_place_does_not_open(keyring: Keyring) -> None:
    one, _ = keyring.new_document_key(HR)
    other, _ = keyring.new_document_key(HR)
    with keyring.database.writing() as session:
        session.connection().execute(
            text("UPDATE key SET wrapped = (SELECT wrapped FROM key WHERE id = :one) WHERE id = :other"),
            {"one": f"document:{one}", "other": f"document:{other}"},
        )
    with pytest.raises(IntegrityError, match="does not open"):
        keyring.document_keys([other])


def test_tombstones_are_kept_for_every_version_and_can_be_set_again(keyring: Keyring) -> None:
    assert keyring.tombstones() == frozenset()
    keyring.entomb({D1: "v1", D2: "v1"}, purge="p1", now=NOW)
    keyring.entomb({D1: "v2"}, purge="p2", now=NOW)
    keyring.entomb({D1: "v1"}, purge="p3", now=NOW)
    assert reopened(keyring).tombstones() == {(D1, "v1"), (D1, "v2"), (D2, "v1")}


def test_anchors_are_signed_and_come_back_in_order(keyring: Keyring) -> None:
    heads = [Head(sequence=sequence, hash=f"{sequence:064x}") for sequence in (300, 2, 10)]
    for head in heads:
        keyring.anchor(head, now=NOW)
    assert reopened(keyring).anchors() == (heads[1], heads[2], heads[0])


def test_an_anchor_that_stands_is_never_replaced(keyring: Keyring) -> None:
    first = Head(sequence=256, hash="a" * 64)
    keyring.anchor(first, now=NOW)
    keyring.anchor(Head(sequence=256, hash="b" * 64), now=NOW)
    assert keyring.anchors() == (first,)


@pytest.mark.parametrize(
    "change", ["hash = 'b' || substr(hash, 2)", "sequence = 3", "signature = zeroblob(64)", "signature = x'00'"]
)
def test_a_changed_anchor_is_an_integrity_error(keyring: Keyring, change: str) -> None:
    keyring.anchor(Head(sequence=2, hash="a" * 64), now=NOW)
    with keyring.database.writing() as session:
        session.connection().execute(text(f"UPDATE anchor SET {change}"))  # noqa: S608 - the changes stand above
    with pytest.raises(IntegrityError, match="not signed by this home"):
        keyring.anchors()


def test_a_signature_holds_for_its_home_and_message_alone(keyring: Keyring) -> None:
    signature = keyring.sign(b"message")
    assert len(signature) == 64
    assert verify_signature(keyring.public_key(), b"message", signature)
    assert reopened(keyring).sign(b"message") == signature
    assert not verify_signature(keyring.public_key(), b"messagf", signature)
    assert not verify_signature(keyring.public_key(), b"message", signature[:-1])
    assert not verify_signature(b"k" * 32, b"message", signature)
    assert not verify_signature(b"", b"message", signature)
