import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from indexer.signature import verify_signature
from policies.errors import IntegrityError
from policies.ledger import START, Head, Record, canonical
from policies.transcript import Seal, check, lines

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOME, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))


def public(home: Ed25519PrivateKey) -> bytes:
    return home.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def chained(number: int, *, actor: str = "caller:ann") -> list[Record]:
    """A chain of so many records."""
    made: list[Record] = []
    for sequence in range(1, number + 1):
        unsealed = Record(
            sequence=sequence,
            at=NOW.isoformat(),
            actor=actor,
            action="retrieved",
            objects=canonical([f"r{sequence}", "é"]),
            policy_hash="a1",
            detail=canonical({"count": sequence, "share": 0.5}),
            previous=made[-1].hash if made else START.hash,
            hash="",
        )
        made.append(replace(unsealed, hash=unsealed.computed_hash()))
    return made


def exported(records: Sequence[Record], *, after: Head = START, home: Ed25519PrivateKey = HOME) -> list[bytes]:
    return list(lines(records, after=after, signer=home.sign, public_key=public(home), now=NOW))


def found(raw: Sequence[bytes], *, key: bytes | None = None) -> list[str]:
    return [str(problem) for problem in check(raw, verifier=verify_signature, public_key=key).problems]


@pytest.mark.parametrize("number", [0, 1, 5])
def test_an_export_holds_and_names_its_ends(number: int) -> None:
    chain = chained(number)
    raw = exported(chain)
    assert len(raw) == number + 1
    checked = check(raw, verifier=verify_signature, public_key=public(HOME))
    assert checked.problems == ()
    assert checked.seal is not None
    assert (checked.seal.after, checked.seal.head) == (
        START,
        Head(sequence=number, hash=chain[-1].hash if chain else START.hash),
    )
    assert (checked.seal.exported_at, checked.seal.public_key) == (NOW.isoformat(), public(HOME))


def test_an_export_may_follow_another() -> None:
    chain = chained(5)
    after = Head(sequence=3, hash=chain[2].hash)
    raw = exported(chain[3:], after=after)
    checked = check(raw, verifier=verify_signature, public_key=None)
    assert (checked.problems, checked.seal and checked.seal.after) == ((), after)
    assert found(exported([], after=after)) == []


def test_a_chain_that_does_not_hold_is_not_signed() -> None:
    chain = chained(4)
    for broken in (
        [*chain[:2], replace(chain[2], actor="caller:eve"), chain[3]],
        [*chain[:2], chain[3]],
        chain[1:],
        [chain[1], chain[0]],
        [replace(chain[0], sequence=0), *chain],
    ):
        with pytest.raises(IntegrityError, match="does not hold"):
            exported(broken)


def test_every_flipped_bit_of_an_export_is_found() -> None:
    raw = b"".join(exported(chained(3)))
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        assert found(bytes(flipped).splitlines(keepends=True)), bit
        assert found([part + b"\n" for part in bytes(flipped).split(b"\n")]), bit


@given(st.data())
def test_no_prefix_and_no_other_selection_of_lines_holds(data: st.DataObject) -> None:
    raw = exported(chained(4))
    chosen = data.draw(st.lists(st.sampled_from(range(5)), max_size=7))
    assert bool(found([raw[number] for number in chosen])) == (chosen != [0, 1, 2, 3, 4])


def tampered() -> Iterator[tuple[str, list[bytes]]]:
    raw, chain = exported(chained(3)), chained(3)
    seal = json.loads(raw[-1])
    yield "nothing", []
    yield "no seal", raw[:-1]
    yield "no newline at the end", [*raw[:-1], raw[-1].rstrip()]
    yield "an empty line", [*raw[:-1], b"\n", raw[-1]]
    yield "something behind the seal", [*raw, b"\n"]
    yield "two seals", [*raw, raw[-1]]
    yield "the seal of a longer chain", [*raw[:-1], exported(chained(4))[-1]]
    yield "the seal of another chain", [*raw[:-1], exported(chained(3, actor="caller:eve"))[-1]]
    yield "other spacing", [json.dumps(json.loads(raw[0])).encode() + b"\n", *raw[1:]]
    yield "a key named twice", [raw[0].replace(b"{", b'{"actor":"caller:eve",', 1), *raw[1:]]
    yield "escaped letters", [raw[0].replace("é".encode(), b"\\u00e9"), *raw[1:]]
    yield "a field too many", [canonical(asdict(chain[0]) | {"note": "x"}).encode() + b"\n", *raw[1:]]
    yield "a number as text", [canonical(asdict(chain[0]) | {"sequence": "1"}).encode() + b"\n", *raw[1:]]
    yield "a truth for a number", [canonical(asdict(chain[0]) | {"sequence": True}).encode() + b"\n", *raw[1:]]
    yield "not JSON", [b"\xff\n", *raw[1:]]
    yield "deep JSON", [b"[" * 100_000 + b"\n", *raw[1:]]
    yield "no number", [raw[0].replace(b'"sequence":1', b'"sequence":NaN'), *raw[1:]]
    yield "a seal with more in it", [*raw[:-1], canonical(seal | {"note": "x"}).encode() + b"\n"]
    yield "a seal of nothing", [*raw[:-1], b"{}\n"]
    yield "a seal that is none", [*raw[:-1], canonical(seal | {"after": 0}).encode() + b"\n"]


@pytest.mark.parametrize(("what", "raw"), list(tampered()), ids=lambda value: value if isinstance(value, str) else "")
def test_what_was_done_to_an_export_is_found(what: str, raw: list[bytes]) -> None:
    assert found(raw), what


def resealed(change: Callable[[Seal], Seal]) -> list[bytes]:
    """An export whose last line somebody with the home's key changed."""
    raw = exported(chained(3))
    checked = check(raw, verifier=verify_signature, public_key=None)
    assert checked.seal is not None
    seal = change(checked.seal)
    return [*raw[:-1], replace(seal, signature=HOME.sign(seal.message())).line()]


@pytest.mark.parametrize(
    "change",
    [
        lambda seal: replace(seal, after=Head(sequence=1, hash="a" * 64)),
        lambda seal: replace(seal, after=Head(sequence=0, hash="a" * 64)),
        lambda seal: replace(seal, head=Head(sequence=2, hash=seal.head.hash)),
        lambda seal: replace(seal, public_key=public(OTHER)),
        lambda seal: replace(seal, public_key=b""),
    ],
)
def test_a_seal_must_be_of_its_records_and_its_signer(change: Callable[[Seal], Seal]) -> None:
    assert found(resealed(lambda seal: seal)) == []
    assert found(resealed(change))


def test_an_export_that_begins_nowhere_is_found() -> None:
    chain = chained(2)
    forged = replace(chain[0], previous="f" * 64)
    forged = replace(forged, hash=forged.computed_hash())
    assert "the first record follows another" in found(exported([forged], after=Head(sequence=0, hash="f" * 64)))


def test_an_export_of_another_home_is_found_only_by_its_key() -> None:
    raw = exported(chained(3), home=OTHER)
    assert found(raw) == []
    assert found(raw, key=public(HOME)) == ["it was signed with another key"]
