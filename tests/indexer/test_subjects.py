import json
import unicodedata
from functools import partial

import pytest
from sqlalchemy import text as sql

from indexer import listings, subjects
from indexer.subjects import MIN_CHARS, Mention
from policies.errors import DependencyError, RefusedError
from policies.manifest import Source
from policies.model import Action
from tests import catalogs
from tests.indexer.workbench import ACTOR, Bench, File, left_below, part_id, text

ADDRESS = "zedekiah@example.org"
NAME = "Quentin Xylander"
FILES = {
    "redacted.md": text("Letter", f"Write to {ADDRESS} about it.", "And to nobody else."),
    "plain.md": text("Minutes", f"{NAME} spoke.", "Then everybody left."),
    "people/quentin-xylander.md": text("A file", "Nothing is said."),
    "people/the_quentin_xylander_case.md": text("A case", "Nothing is said either."),
    "titled.md": text(f"About {NAME.upper()}", "Nothing more."),
    "others.md": text("Others", "Quentin spoke, and Xylanders were there. zed@example.org wrote."),
    "mail.eml": File(content=f"Dear all\n+about.txt\nIt was quentin\nxylander. {ADDRESS}".encode()),
    "locked/Quentin Xylander.pdf": File(content=b"!encrypted"),
}
NAMED = {
    "plain.md", "about.txt", "people/quentin-xylander.md", "people/the_quentin_xylander_case.md", "titled.md",
    "locked/Quentin Xylander.pdf",
}  # fmt: skip


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(applied)
    return applied


def find(bench: Bench, source: Source, *values: str) -> dict[str, Mention]:
    found = subjects.find(bench.workshop, source, values, reference="DSR-2026-031", actor=ACTOR)
    assert [mention.document for mention in found] == sorted(mention.document for mention in found)
    names = {bench.id(source, name): name for name in FILES}
    names[part_id(bench.keyring, bench.id(source, "mail.eml"), FILES["mail.eml"].content, 1)] = "about.txt"
    return {names[mention.document]: mention for mention in found}


def test_what_redaction_knew_is_found_by_its_pseudonym(bench: Bench, source: Source) -> None:
    found = find(bench, source, ADDRESS)
    assert found.keys() == {"redacted.md", "about.txt"}
    assert {(mention.named, mention.passages) for mention in found.values()} == {(False, 1)}
    assert find(bench, source, f" {ADDRESS.upper()} ").keys() == found.keys()


@pytest.mark.parametrize("value", [NAME, NAME.lower(), "QUENTIN  XYLANDER", " Quentin\tXylander "])
def test_what_redaction_did_not_know_is_found_as_it_is_written_and_in_names(
    bench: Bench, source: Source, value: str
) -> None:
    found = find(bench, source, value)
    assert found.keys() == NAMED
    assert {name for name, mention in found.items() if mention.named} == NAMED - {"plain.md", "about.txt"}
    assert (found["plain.md"].passages, found["about.txt"].passages) == (1, 1)


def test_it_does_not_matter_which_of_the_names_comes_first(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = {"a.md": text("Letter", "To Xylander, Quentin, in haste."), "b.md": text("Tel", "34 12")}
    bench.sync(source)
    look = partial(subjects.find, bench.workshop, source, reference="DSR-1", actor=ACTOR)
    assert [mention.document for mention in look([NAME])] == [bench.id(source, "a.md")]
    assert look(["12 34"]) == ()


def test_several_values_are_looked_for_at_once(bench: Bench, source: Source) -> None:
    assert find(bench, source, NAME, ADDRESS).keys() == NAMED | {"redacted.md"}


def test_words_are_whole_and_signs_are_signs(bench: Bench, source: Source) -> None:
    assert find(bench, source, "Xylande") == {}
    assert find(bench, source, "Xylanders").keys() == {"others.md"}
    assert find(bench, source, "Quent.n Xylander") == {}
    assert find(bench, source, "(?:.*)abcd") == {}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_an_accent_apart_from_its_letter_is_the_same_letter(bench: Bench, form: str, written: str) -> None:
    source = bench.apply()
    bench.origin.files = {"a.md": text("Letter", unicodedata.normalize(written, "José Peña came."))}  # type: ignore[arg-type]
    bench.sync(source)
    value = unicodedata.normalize(form, "JOSÉ PEÑA")  # type: ignore[arg-type]
    assert len(subjects.find(bench.workshop, source, [value], reference="DSR-1", actor=ACTOR)) == 1


def test_another_source_has_other_pseudonyms_and_is_not_searched(bench: Bench, source: Source) -> None:
    assert find(bench, source, "nobody@example.org") == {}


def test_what_was_looked_for_stands_nowhere_afterwards(bench: Bench, source: Source) -> None:
    sought = "zedekiah.of.nowhere@example.org"
    assert find(bench, source, sought, "Wilhelmina Nowhere") == {}
    needles = [word.encode() for word in (sought, "Wilhelmina", "wilhelmina", "zedekiah.of", "of.nowhere")]
    assert left_below(bench.home.root, needles) == set()
    catalogs.flush(bench.home.catalog)
    assert left_below(catalogs.folder(bench.home.catalog), needles) == set()


def test_the_record_of_a_search_has_the_request_and_what_was_found(bench: Bench, source: Source) -> None:
    found = find(bench, source, NAME)
    record = bench.audit()[-1]
    assert (record.action, record.actor) == (Action.SUBJECT_SEARCHED, ACTOR)
    assert json.loads(record.objects) == [source.name, *sorted(mention.document for mention in found.values())]
    assert json.loads(record.detail) == {"reference": "DSR-2026-031", "documents": len(NAMED)}
    assert "Xylander" not in str(record)


@pytest.mark.parametrize("value", ["", " ", "Bo", "a b c", "x" * (MIN_CHARS - 1), "----", "@@.. -- %%"])
def test_what_tells_nobody_apart_is_refused_and_nothing_is_recorded(bench: Bench, source: Source, value: str) -> None:
    records = len(bench.audit())
    with pytest.raises(RefusedError, match="fewer than 4"):
        find(bench, source, NAME, value)
    assert len(bench.audit()) == records


def test_a_search_without_a_reference_is_refused(bench: Bench, source: Source) -> None:
    with pytest.raises(RefusedError, match="reference of the request"):
        subjects.find(bench.workshop, source, [NAME], reference=" ", actor=ACTOR)


@pytest.mark.skipif(catalogs.kind() == "postgresql", reason="the trigger is written for SQLite")
def test_nothing_is_told_without_a_record(bench: Bench, source: Source) -> None:
    with bench.database.writing() as session:
        session.connection().execute(
            sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        )
    with pytest.raises(DependencyError):
        find(bench, source, NAME)


def test_a_document_that_is_gone_or_dropped_is_passed_over(bench: Bench, source: Source) -> None:
    key = bench.documents(source)[bench.id(source, "plain.md")].revision.id
    bench.keyring.destroy(keys=[key])
    with bench.database.writing() as session:
        listings.drop(session, source.name, [bench.id(source, "locked/Quentin Xylander.pdf")])
    assert find(bench, source, NAME).keys() == NAMED - {"plain.md", "locked/Quentin Xylander.pdf"}
