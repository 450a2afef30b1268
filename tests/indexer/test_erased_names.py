"""What an erasure leaves on record: who asked and who finished it, and no name of what it erased."""

import json

import pytest

from indexer import erase
from indexer.content import open_description
from policies.purge import ErasureRequest
from tests.indexer.workbench import Bench, Killed, refused, text

LETTER, OTHER = "people/letter-of-quentin-xylander.md", "leave.md"
FILES = {LETTER: text("The letter", "Quentin Xylander wrote."), OTHER: text("Leave", "Twenty five days a year.")}


def request(bench: Bench, name: str) -> ErasureRequest:
    document = bench.keyring.document_id(bench.apply().name, name)
    return ErasureRequest(documents=frozenset({document}), reference="DSR-2026-031", ground="withdrawn_consent")


def test_an_erased_document_that_may_not_be_read_any_more_leaves_no_name(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(source)
    erase.erase(bench.workshop, source, request(bench, LETTER), actor="caller:ann")
    del bench.origin.files[LETTER]
    bench.origin.extra = [refused(LETTER)]
    for _ in range(2):
        assert bench.sync(source).reasons == {"erased": 1}
        again = bench.documents(source)[bench.id(source, LETTER)].revision
        key = bench.keyring.document_keys([again.id])[again.id]
        described = open_description(key, again.id, again.sealed)
        assert {described.origin_id, described.name, described.uri, described.title} == {""}


def test_a_receipt_names_who_asked_and_who_finished_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(source)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(erase, "_publish", killed)
        with pytest.raises(Killed):
            erase.erase(bench.workshop, source, request(bench, LETTER), actor="caller:ann")
    for signed, asked, finished in (
        (*erase.purge(bench.workshop, source, actor="scheduler"), "caller:ann", "scheduler"),
        (*erase.erase(bench.workshop, source, request(bench, OTHER), actor="caller:bob"), "caller:bob", None),
    ):
        receipt = json.loads(signed or "")["receipt"]
        assert (receipt["actor"], receipt["finished_by"]) == (asked, finished)
