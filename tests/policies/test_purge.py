import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import facts
from policies.errors import RefusedError
from policies.model import DocumentId, PolicyHash, SourceName
from policies.orders import Order, OrderId, OrderKind
from policies.purge import (
    OUT_OF_REACH,
    WHOLE_DOCUMENT,
    Check,
    ErasureRequest,
    KeptDocument,
    PurgeKind,
    Receipt,
    check_exception,
    is_entombed,
    is_genuine,
    kept,
    sign,
)
from tests.policies.handbook import NOW

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
RECEIPT = Receipt(
    purge="p1",
    source=SourceName("hr-handbook"),
    policy_hash=PolicyHash("ab"),
    kind=PurgeKind.ERASURE,
    reason="Erasure was asked for (GDPR Art. 17(1)(b)). é",
    reference="DSR-2026-031",
    actor="operator:ann",
    finished_by=None,
    planned_at="2026-11-21T12:00:00+00:00",
    finished_at="2026-11-21T12:01:00+00:00",
    documents=("d1", "d2"),
    kept=(KeptDocument(document=DocumentId("d3"), order=OrderId("0" * 24), kind=OrderKind.HOLD),),
    passages=3,
    keys_destroyed=2,
    files_scanned=10,
    bytes_scanned=1000,
    checks=(Check(what="documents in the catalog", searched=2, found=0),),
)


@pytest.mark.parametrize("tombstones", [{("d1", "v1")}, {("d1", WHOLE_DOCUMENT)}])
def test_what_was_purged_does_not_come_back(tombstones: set[tuple[DocumentId, str]]) -> None:
    assert is_entombed(tombstones, DocumentId("d1"), "v1")
    assert is_entombed(tombstones, DocumentId("d1"), "v2") == (("d1", WHOLE_DOCUMENT) in tombstones)
    assert not is_entombed(tombstones, DocumentId("d2"), "v1")


def verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.fixture
def signed() -> str:
    return sign(RECEIPT, signer=PRIVATE.sign, public_key=PUBLIC)


def genuine(signed: str, public_key: bytes = PUBLIC) -> bool:
    return is_genuine(signed, verifier=verifier, public_key=public_key)


def test_a_receipt_is_json_that_says_everything_and_what_is_out_of_reach(signed: str) -> None:
    content = json.loads(signed)["receipt"]
    assert content["documents"] == ["d1", "d2"]
    assert content["kept"] == [{"document": "d3", "order": "0" * 24, "kind": "hold"}]
    assert content["checks"] == [{"what": "documents in the catalog", "searched": 2, "found": 0}]
    assert content["out_of_reach"] == list(OUT_OF_REACH)
    assert set(content) == set(Receipt.__slots__)


def test_a_receipt_is_genuine_for_its_home_alone(signed: str) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes_raw()
    assert genuine(signed)
    assert genuine(f"{signed}\n")
    assert not genuine(signed, other)
    assert not genuine(signed, b"short")


def written(plain: object) -> str:
    """In the layout of a receipt, so that only the change itself can show."""
    return json.dumps(plain, indent=2, sort_keys=True)


def paths(value: Any, *above: str | int) -> list[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    """The place of every leaf."""
    match value:
        case dict():
            return [path for key, inner in value.items() for path in paths(inner, *above, key)]
        case list():
            return [path for place, inner in enumerate(value) for path in paths(inner, *above, place)]
    return [above]


def test_a_change_to_any_field_of_a_receipt_shows(signed: str) -> None:
    places = paths(json.loads(signed)["receipt"])
    assert len(places) == 22 + len(OUT_OF_REACH)
    for *above, last in places:
        plain = json.loads(signed)
        at = plain["receipt"]
        for key in above:
            at = at[key]
        at[last] = at[last] + 1 if isinstance(at[last], int) else f"{at[last]}x"
        assert not genuine(written(plain)), last


@pytest.mark.parametrize(
    "edit",
    [
        lambda plain: plain["receipt"].pop("checks"),
        lambda plain: plain["receipt"].update(more=1),
        lambda plain: plain["receipt"]["documents"].append("d3"),
        lambda plain: plain["receipt"].update(actor="ann"),
        lambda plain: plain.update(receipt=None),
        lambda plain: plain["signature"].update(value="AAAA"),
        lambda plain: plain["signature"].update(algorithm="none"),
        lambda plain: plain["signature"].update(public_key="AAAA"),
        lambda plain: plain["signature"].update(more=1),
        lambda plain: plain.update(note="and everything else was deleted too"),
    ],
    ids=["field removed", "field added", "document added", "other actor", "no content", "other signature",
         "other algorithm", "other key", "more beside the signature", "more beside the receipt"],
)  # fmt: skip
def test_an_edited_receipt_is_not_genuine(signed: str, edit: Callable[[Any], object]) -> None:
    plain = json.loads(signed)
    edit(plain)
    assert not genuine(written(plain))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"actor": "operator:ann"', '"actor": "operator:eve",\n    "actor": "operator:ann"'),
        ('  "receipt": {', '  "receipt": {},\n  "receipt": {'),
        ('"passages": 3', '"passages": 3.0'),
        ('"passages": 3', '"passages":  3'),
        ('"operator:ann"', '"operator:\\u0061nn"'),
    ],
    ids=["key twice", "receipt twice", "other number", "other layout", "other letters"],
)
def test_a_receipt_that_reads_alike_but_is_written_otherwise_is_not_genuine(signed: str, old: str, new: str) -> None:
    """Of two keys of one name some readers take the first and some the last."""
    assert signed.count(old) == 1
    assert not genuine(signed.replace(old, new))


def test_a_signature_written_in_other_letters_is_not_genuine(signed: str) -> None:
    """Base64 has bits to spare before its padding."""
    value = json.loads(signed)["signature"]["value"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = f"{value[:-3]}{letters[letters.index(value[-3]) ^ 1]}=="
    assert base64.b64decode(other) == base64.b64decode(value)
    assert not genuine(signed.replace(value, other))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '{"receipt": {}}', '{"receipt": {}, "signature": {"value": "§"}}',
             '{"receipt": {}, "signature": {"value": 1}}', '{"receipt": {}, "signature": []}',
             '{"receipt": {"actor": "\\ud800"}, "signature": {"value": ""}}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="not a purge receipt"):
        genuine(text)


REQUEST = ErasureRequest(documents=frozenset({DocumentId("d1")}), reference="DSR-2026-031", ground="withdrawn_consent")


@pytest.mark.parametrize("ground", [ground.name for ground in facts.erasure().grounds])
def test_a_request_rests_on_a_ground_of_the_law(ground: str) -> None:
    replace(REQUEST, ground=ground).check()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (replace(REQUEST, documents=frozenset()), "nothing to erase"),
        (replace(REQUEST, reference=" "), "reference of the request"),
        (replace(REQUEST, ground="because"), "'because' is no ground"),
        (replace(REQUEST, ground=""), "no ground for erasure"),
    ],
)
def test_a_request_that_nobody_could_answer_for_is_refused(request_: ErasureRequest, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        request_.check()


def test_the_mend_names_every_ground_that_there_is() -> None:
    with pytest.raises(RefusedError) as caught:
        replace(REQUEST, ground="because").check()
    assert all(ground.name in caught.value.mend for ground in facts.erasure().grounds)


def test_a_refusal_cites_the_exception_of_the_law() -> None:
    articles = {check_exception(row.name, "gdpr") for row in facts.erasure().exceptions}
    assert articles == {row.article for row in facts.erasure().exceptions}
    assert check_exception("legal_claims", "uk-gdpr") == "17(3)(e)"
    assert check_exception("legal_claims", "us") == ""


@pytest.mark.parametrize("name", ["", "too_much_work", "withdrawn_consent"])
def test_a_refusal_without_an_exception_of_the_law_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="no exception") as caught:
        check_exception(name, "gdpr")
    assert "legal_claims" in caught.value.mend


def test_a_document_is_kept_by_the_order_that_says_so() -> None:
    order = Order(
        id=OrderId("a" * 24), kind=OrderKind.RESTRICTION, source=SourceName("s"), documents=frozenset(),
        reference="DSR-1", placed_by="operator:ann", placed_at=NOW,
    )  # fmt: skip
    one = kept(DocumentId("d1"), order)
    assert (one.document, one.order, one.kind) == ("d1", "a" * 24, "restriction")
