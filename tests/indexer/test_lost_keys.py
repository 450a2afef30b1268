"""A source whose key for pseudonyms is lost: nothing is done under another one, and it is told."""

import pytest
from sqlalchemy import text as sql

from indexer import subjects
from indexer.keyring import Keyring
from indexer.reconcile import MENDS, REPAIRABLE, Fault, repair, verify
from policies.errors import IntegrityError
from tests.indexer.workbench import ACTOR, MASTER, Bench, opened, text

ADDRESS = "zed@example.org"
FILES = {"letter.md": text("Letter", f"Write to {ADDRESS} about it."), "locked.md": text("Other", "words")}


def lose(bench: Bench, name: str) -> None:
    with bench.keyring.database.writing() as session:
        session.connection().execute(sql("DELETE FROM key WHERE id = :name"), {"name": name})


def test_nobody_is_looked_for_and_nothing_taken_in_under_other_pseudonyms(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(source)
    lose(bench, f"pseudonyms:{source.name}")
    with opened(bench.home.root, first_id=90) as again:
        for act in (
            lambda: subjects.find(again.workshop, source, [ADDRESS], reference="DSR-1", actor=ACTOR),
            lambda: again.sync(source),
        ):
            again.origin.files = {**FILES, "new.md": text("New", "words")}
            with pytest.raises(IntegrityError, match="holds no key 'pseudonyms:"):
                act()
        again.apply()
        (found,) = verify(again.workshop)
        assert (found.fault, found.source) == (Fault.PSEUDONYMS_MISSING, source.name)
        assert found.fault not in REPAIRABLE
        assert "Restore the keyring" in MENDS[found.fault]
        repair(again.workshop, [found], actor=ACTOR)
        assert verify(again.workshop) == (found,)


def test_a_source_whose_first_document_is_quarantined_has_its_pseudonyms(bench: Bench) -> None:
    source = bench.apply()
    assert Keyring(bench.home.keyring, MASTER).has_pseudonym_key(source.name)
    bench.origin.files = {"a.md": text("!encrypted"), **FILES}
    bench.sync(source)
    found = subjects.find(bench.workshop, source, [ADDRESS], reference="DSR-1", actor=ACTOR)
    assert [mention.document for mention in found] == [bench.id(source, "letter.md")]
    assert verify(bench.workshop) == ()
