import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from indexer.anchors import Anchors
from indexer.keyring import KeyId, Keyring
from indexer.master import LocalMasterKey
from indexer.seal import Key, seal, unseal
from indexer.signature import verify_signature
from policies.errors import DependencyError, IntegrityError, SettingsError
from policies.ledger import Head
from policies.model import DocumentId, SourceName

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MASTER = LocalMasterKey(Key(b"m" * 32))
OTHER = LocalMasterKey(Key(b"x" * 32))
HR, LEGAL = SourceName("hr"), SourceName("legal")
D1, D2 = DocumentId("1" * 32), DocumentId("2" * 32)


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Keyring]:
    opened = Keyring.create(tmp_path / "keyring" / "keyring.db", MASTER)
    for source in (HR, LEGAL):
        opened.begin_source(source)
    yield opened
    opened.close()


def reopened(keyring: Keyring) -> Keyring:
    keyring.close()
    return Keyring(keyring.path, MASTER)


def test_another_master_key_is_refused_and_spoils_nothing(keyring: Keyring) -> None:
    key_id, key = keyring.new_document_key(HR)
    with pytest.raises(SettingsError, match="not the one this home was made with"):
        Keyring(keyring.path, OTHER)
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
    for master in (MASTER, OTHER):
        with pytest.raises(DatabaseError):
            Keyring.create(keyring.path, master)
    assert reopened(keyring).tombstones() == {(D1, "v1")}


def test_the_keyrings_folder_is_for_its_owner_alone(keyring: Keyring) -> None:
    assert keyring.path.parent.stat().st_mode & 0o777 == 0o700


def test_no_key_lies_in_the_file_as_it_is(keyring: Keyring) -> None:
    keys = [keyring.new_document_key(HR)[1], keyring.pseudonym_key(HR), keyring.needle_key("p1"), MASTER.key]
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


def many_keys(keyring: Keyring, number: int) -> dict[KeyId, bytes]:
    """So many document keys, written at once, as if one by one."""
    with keyring.database.reading() as session:
        wrapped = session.connection().execute(text("SELECT wrapped FROM key WHERE id = 'wrapping:'")).scalar_one()
    wrapping = MASTER.unwrap(wrapped, place="wrapping:")
    made = {KeyId(f"{one:024x}"): bytes(32) for one in range(number)}
    with keyring.database.writing() as session:
        rows = [
            {"id": f"document:{key}", "wrapped": seal(wrapping, plain, place=f"document:{key}")}
            for key, plain in made.items()
        ]
        session.connection().execute(text("INSERT INTO key (id, wrapped) VALUES (:id, :wrapped)"), rows)
    return made


def test_thousands_of_keys_come_back_at_once(keyring: Keyring) -> None:
    made = many_keys(keyring, 25_000)
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
    for key in (kept, keyring.pseudonym_key(HR), MASTER.key):
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


def anchored(keyring: Keyring, number: int = 5) -> list[Head]:
    heads = [Head(sequence=sequence, hash=f"{sequence:064x}") for sequence in range(1, number + 1)]
    for head in heads:
        keyring.anchor(head, now=NOW)
    return heads


def execute(keyring: Keyring, statement: str) -> None:
    with keyring.database.writing() as session:
        session.connection().execute(text(statement))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE anchor SET hash = 'b' || substr(hash, 2) WHERE number = 3", ["anchor 3 was not signed by this home"]),
        ("UPDATE anchor SET sequence = 30 WHERE number = 3", ["anchor 3 was not signed by this home"]),
        ("UPDATE anchor SET at = '2020' WHERE number = 3", ["anchor 3 was not signed by this home"]),
        (
            "UPDATE anchor SET signature = zeroblob(64) WHERE number = 3",
            ["anchor 3 was not signed by this home", "anchor 4 does not follow the one before it"],
        ),
        (
            "UPDATE anchor SET signature = 'text' WHERE number = 5",
            ["anchor 5 was not signed by this home"],
        ),
        (
            "UPDATE anchor SET previous = zeroblob(64) WHERE number = 3",
            ["anchor 3 does not follow the one before it", "anchor 3 was not signed by this home"],
        ),
        ("UPDATE anchor SET hash = CAST(hash AS BLOB) WHERE number = 3", ["anchor 3 was not signed by this home"]),
        ("DELETE FROM anchor WHERE number = 3", ["anchors 3 to 3 were taken away"]),
        ("DELETE FROM anchor WHERE number < 3", ["anchors 1 to 2 were taken away"]),
        (
            "DELETE FROM anchor WHERE number > 3",
            ["anchors were taken away: there were 5, the last one here is 3"],
        ),
        ("DELETE FROM anchor", ["anchors were taken away: there were 5, the last one here is 0"]),
        ("UPDATE anchor_count SET total = 4", ["the number of anchors was not signed by this home"]),
        ("DELETE FROM anchor_count", ["the number of anchors was not signed by this home"]),
    ],
)
def test_whatever_is_done_to_anchors_is_found_and_stays_found(keyring: Keyring, change: str, found: list[str]) -> None:
    heads = anchored(keyring)
    assert keyring.checked_anchors() == Anchors(heads=tuple(heads), problems=())
    execute(keyring, change)
    assert [str(problem) for problem in keyring.checked_anchors().problems] == found
    with pytest.raises(IntegrityError, match="Of the signed heads"):
        keyring.anchors()
    keyring.anchor(Head(sequence=99, hash="9" * 64), now=NOW)
    assert keyring.checked_anchors().problems


def test_an_anchor_without_a_signature_is_found(keyring: Keyring) -> None:
    assert not verify_signature(keyring.public_key(), b"message", None)  # type: ignore[arg-type]  # a damaged file has one


def test_anchors_whose_signatures_hold_go_on_proving(keyring: Keyring) -> None:
    heads = anchored(keyring)
    execute(keyring, "DELETE FROM anchor WHERE number = 3")
    assert keyring.checked_anchors().heads == (*heads[:2], *heads[3:])


def test_a_signature_holds_for_its_home_and_message_alone(keyring: Keyring) -> None:
    signature = keyring.sign(b"message")
    assert len(signature) == 64
    assert verify_signature(keyring.public_key(), b"message", signature)
    assert reopened(keyring).sign(b"message") == signature
    assert not verify_signature(keyring.public_key(), b"messagf", signature)
    assert not verify_signature(keyring.public_key(), b"message", signature[:-1])
    assert not verify_signature(b"k" * 32, b"message", signature)
    assert not verify_signature(b"", b"message", signature)


def test_a_rotation_changes_no_key_and_who_opens_the_keyring(keyring: Keyring) -> None:
    made = dict(keyring.new_document_key(HR) for _ in range(3))
    before = (keyring.pseudonym_key(HR), keyring.needle_key("p1"), keyring.public_key(), keyring.document_id(HR, "a"))
    heads = tuple(anchored(keyring))
    assert keyring.rotate(OTHER) == 8
    assert keyring.document_keys(made) == made
    later, key = keyring.new_document_key(HR)
    keyring.close()
    with pytest.raises(SettingsError, match="not the one this home was made with") as caught:
        Keyring(keyring.path, MASTER)
    assert "penstock keyring rotate" in caught.value.mend
    again = Keyring(keyring.path, OTHER)
    assert again.document_keys([*made, later]) == made | {later: key}
    assert (again.pseudonym_key(HR), again.needle_key("p1"), again.public_key(), again.document_id(HR, "a")) == before
    assert again.anchors() == heads
    again.close()


def test_a_rotation_with_the_same_master_key_wraps_everything_anew(keyring: Keyring) -> None:
    key_id, key = keyring.new_document_key(HR)
    wrapped = wrapped_keys(keyring)
    assert keyring.rotate(MASTER) == len(wrapped) - 1
    keyring.sweep()
    assert not set(wrapped.values()) & set(wrapped_keys(keyring).values())
    for path in keyring.path.parent.iterdir():
        content = path.read_bytes()
        assert not [name for name, value in wrapped.items() if value[12:28] in content], path.name
    assert reopened(keyring).document_keys([key_id]) == {key_id: key}


def wrapped_keys(keyring: Keyring) -> dict[str, bytes]:
    with keyring.database.reading() as session:
        return {row.id: row.wrapped for row in session.connection().execute(text("SELECT id, wrapped FROM key"))}


@pytest.mark.parametrize("other", [MASTER, OTHER])
def test_a_process_that_had_the_keyring_open_reads_and_writes_nothing_after_a_rotation(
    keyring: Keyring, other: LocalMasterKey
) -> None:
    key_id, _ = keyring.new_document_key(HR)
    running = Keyring(keyring.path, MASTER)
    keyring.rotate(other)
    before = wrapped_keys(keyring)
    for act in (
        lambda: running.document_keys([key_id]),
        lambda: running.new_document_key(HR),
        lambda: running.pseudonym_key(LEGAL),
        lambda: running.needle_key("p1"),
        lambda: running.rotate(MASTER),
    ):
        with pytest.raises(DependencyError, match="was rotated") as caught:
            act()
        assert "Restart this process" in caught.value.mend
    assert wrapped_keys(keyring) == before
    # What needs no wrapped key goes on: what was found must still be deleted, and the audit anchored.
    running.entomb({D1: "v1"}, purge="p1", now=NOW)
    running.anchor(Head(sequence=1, hash="a" * 64), now=NOW)
    assert running.destroy(keys=[key_id]) == 1
    running.close()
    assert keyring.anchors() == (Head(sequence=1, hash="a" * 64),)


def test_a_key_that_does_not_open_stops_a_rotation_and_nothing_changes(keyring: Keyring) -> None:
    key_id, _ = keyring.new_document_key(HR)
    execute(keyring, f"UPDATE key SET wrapped = zeroblob(60) WHERE id = 'document:{key_id}'")  # noqa: S608
    before = wrapped_keys(keyring)
    with pytest.raises(IntegrityError, match="does not open"):
        keyring.rotate(OTHER)
    assert wrapped_keys(keyring) == before
    assert reopened(keyring).pseudonym_key(HR)


class Service:
    """A key service that counts, can be away, and can forget what it wrapped."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.forgets = False

    def wrap(self, key: Key, *, place: str) -> bytes:
        return self._asked().wrap(key, place=place)

    def unwrap(self, wrapped: bytes, *, place: str) -> Key:
        return Key(bytes(32)) if self.forgets else self._asked().unwrap(wrapped, place=place)

    def _asked(self) -> LocalMasterKey:
        self.asked += 1
        if self.away:
            raise DependencyError("The key service is away.", mend="Retry.")
        return OTHER


def test_a_master_key_is_asked_once_to_open_a_keyring_and_never_again(keyring: Keyring) -> None:
    service = Service()
    keyring.rotate(service)
    keyring.close()
    service.asked = 0
    opened = Keyring(keyring.path, service)
    assert service.asked == 1
    service.away = True
    key_id, key = opened.new_document_key(HR)
    assert opened.document_keys([key_id]) == {key_id: key}
    opened.sign(b"x")
    opened.close()
    with pytest.raises(DependencyError, match="away"):
        Keyring(keyring.path, service)


@pytest.mark.parametrize("fault", ["away", "forgets"])
def test_a_master_key_that_cannot_be_relied_on_gets_no_keyring(keyring: Keyring, fault: str) -> None:
    key_id, key = keyring.new_document_key(HR)
    service = Service()
    setattr(service, fault, True)
    with pytest.raises((DependencyError, IntegrityError)):
        keyring.rotate(service)
    assert reopened(keyring).document_keys([key_id]) == {key_id: key}


@pytest.mark.parametrize(
    ("lost", "said"), [("wrapping:", "no wrapping key"), ("ids:", "no key 'ids:'"), ("signing:", "no key 'signing:'")]
)
def test_a_keyring_without_a_key_that_every_home_has_is_damaged_and_gets_no_other(
    keyring: Keyring, lost: str, said: str
) -> None:
    """Under another key for ids no document would be the one that was erased, restricted or held."""
    execute(keyring, f"DELETE FROM key WHERE id = '{lost}'")  # noqa: S608
    before = wrapped_keys(keyring)
    for _ in range(2):
        with pytest.raises(IntegrityError, match=said) as caught:
            reopened(keyring)
        assert "Restore it from its backup" in caught.value.mend
    assert wrapped_keys(keyring) == before


def test_the_key_of_a_sources_pseudonyms_is_made_before_its_first_document_and_never_again(keyring: Keyring) -> None:
    before = keyring.pseudonym_key(HR)
    keyring.begin_source(HR)
    assert reopened(keyring).pseudonym_key(HR) == before
    key_id, _ = keyring.new_document_key(HR)
    execute(keyring, "DELETE FROM key WHERE id = 'pseudonyms:hr'")
    again = reopened(keyring)
    again.begin_source(HR)
    assert not again.has_pseudonym_key(HR)
    with pytest.raises(IntegrityError, match="no key 'pseudonyms:hr'"):
        again.pseudonym_key(HR)
    again.destroy(keys=[key_id])
    again.begin_source(HR)
    assert again.pseudonym_key(HR) != before


def test_a_rotation_killed_anywhere_leaves_a_keyring_that_exactly_one_master_key_opens(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.indexer.rotating", tmp_path],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["opened_by"].keys() == {"old", "new"}
    assert result["steps"] > 100
