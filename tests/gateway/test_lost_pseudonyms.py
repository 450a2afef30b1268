"""A source whose key for pseudonyms is lost gives nothing, and the others go on."""

from pathlib import Path

from sqlalchemy import text as sql

from gateway.answer import NOTHING_VISIBLE
from policies.model import Reason
from tests.gateway.test_retrieval import FILES, HR, STAFF, apply, ask
from tests.indexer.workbench import create, opened


def test_a_question_is_not_redacted_under_another_key(tmp_path: Path) -> None:
    create(tmp_path / "home")
    with opened(tmp_path / "home") as made:
        made.origin.files = dict(FILES)
        made.sync(apply(made))
        made.sync(apply(made, ("source: hr-handbook", "source: legal")), confirm_deletes=True)
        with made.keyring.database.writing() as session:
            session.connection().execute(sql("DELETE FROM key WHERE id = :name"), {"name": f"pseudonyms:{HR}"})
    with opened(tmp_path / "home", first_id=90) as bench:
        assert {passage.source for passage in ask(bench, STAFF).passages} == {"legal"}
        assert f'"denied":["{HR}:{Reason.INDEX_UNAVAILABLE}"]' in bench.audit()[-1].detail
        with bench.keyring.database.writing() as session:
            session.connection().execute(sql("DELETE FROM key WHERE id = 'pseudonyms:legal'"))
    with opened(tmp_path / "home", first_id=190) as bench:
        assert ask(bench, STAFF) == NOTHING_VISIBLE
