"""When the words of questions go: with whom they are about, and in time."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text as sql

from gateway.answer import RetrievalRequest
from indexer import asked, erase, wordings
from indexer.keyring import KeyId
from indexer.tables import AskedRow
from policies.model import Action, SourceName
from policies.purge import ErasureRequest
from tests.gateway.reviewing import HR, KEPT, House, fill, house_over
from tests.indexer.test_jobs import jobs_of, serving, worker_of
from tests.indexer.workbench import ACTOR, Bench, text
from tests.patience import comes_true
from tests.policies import handbook

PERSON = "zed7@example.org"


@pytest.fixture
def house(kept: Bench) -> Iterator[House]:
    """Asked three things, of which one names the person of one document."""
    kept.origin.files["case.md"] = replace(text("A case", f"It is of {PERSON}."), modified=kept.clock())
    kept.sync(handbook.source(KEPT))
    with house_over(kept) as made:
        for query in (f"the case of {PERSON}", "the case of zed9@example.org", "the case"):
            made.ask(query=query)
        yield made


def words_kept(house: House) -> list[bool]:
    return [row["sealed"] is not None for row in house.rows(AskedRow)]


def test_the_words_about_a_person_go_with_the_documents_that_are_erased(house: House) -> None:
    bench, source = house.bench, house.bench.apply(KEPT)
    request = ErasureRequest(
        documents=frozenset({bench.id(source, "case.md")}), reference="DSR-1", ground="withdrawn_consent"
    )
    erase.erase(bench.workshop, source, request, actor=ACTOR)
    assert words_kept(house) == [False, True, True]
    assert [held["query"] is None for held in house.handoffs("rita")] == [True, False, False]
    # What it was made of stays, so that its label counts.
    assert all(row["features"] for row in house.rows(AskedRow))


def test_a_document_that_holds_no_pseudonym_takes_no_words_along(house: House) -> None:
    bench, source = house.bench, house.bench.apply(KEPT)
    request = ErasureRequest(
        documents=frozenset({bench.id(source, "leave.md")}), reference="DSR-1", ground="withdrawn_consent"
    )
    erase.erase(bench.workshop, source, request, actor=ACTOR)
    assert words_kept(house) == [True, True, True]
    assert wordings.forget_like(bench.workshop, source, [KeyId("unknown")]) == 0


def test_a_purge_by_time_takes_no_words_of_living_documents(house: House) -> None:
    house.bench.clock.forward(timedelta(days=89))
    erase.purge(house.bench.workshop, house.bench.apply(KEPT), actor=ACTOR)
    assert words_kept(house) == [True, True, True]
    house.bench.clock.forward(timedelta(days=1, minutes=1))
    erase.purge(house.bench.workshop, house.bench.apply(KEPT), actor=ACTOR)
    assert words_kept(house) == []


def test_a_catalog_put_back_has_no_words_that_were_forgotten(house: House) -> None:
    bench, source = house.bench, house.bench.apply(KEPT)
    backup = house.rows(AskedRow)
    request = ErasureRequest(
        documents=frozenset({bench.id(source, "case.md")}), reference="DSR-1", ground="withdrawn_consent"
    )
    erase.erase(bench.workshop, source, request, actor=ACTOR)
    with bench.database.writing() as session:
        for row in backup:
            put_back = sql("UPDATE asked SET sealed = :sealed WHERE id = :id")
            session.connection().execute(put_back, {"sealed": row["sealed"], "id": row["id"]})
    assert [held["query"] is None for held in house.handoffs("rita")] == [True, False, False]
    # What cannot be opened is about nobody, and goes with the next that is forgotten.
    assert wordings.forget(bench.workshop, source, lambda _: False) == 0
    assert words_kept(house) == [False, True, True]


def test_words_are_kept_no_longer_than_their_question_whatever_the_catalog_names(house: House) -> None:
    bench, source = house.bench, house.bench.apply(KEPT)
    assert len(bench.keyring.asked_owners(source.name)) == 3
    others = asked.key_owner(SourceName("hr-handbook-2"), bench.clock(), "1")
    bench.keyring.asked_key(others)
    with bench.database.writing() as session:
        session.connection().execute(sql("DELETE FROM asked WHERE id = :id"), {"id": house.rows(AskedRow)[0]["id"]})
    bench.clock.forward(timedelta(days=89))
    house.ask()
    erase.purge(bench.workshop, source, actor=ACTOR)
    assert len(bench.keyring.asked_owners(source.name)) == 4
    bench.clock.forward(timedelta(days=1, minutes=1))
    erase.purge(bench.workshop, source, actor=ACTOR)
    (young,) = house.rows(AskedRow)
    (left,) = bench.keyring.asked_owners(source.name)
    assert left.endswith(f"/{young['id']}")
    assert bench.keyring.asked_owners(SourceName("hr-handbook-2")) == {others}


def test_what_switching_keep_query_off_leaves_is_what_was_kept_before(house: House) -> None:
    house.bench.apply()
    house.ask(query="the case again")
    assert words_kept(house) == [True, True, True, False]
    assert len(house.bench.keyring.asked_owners(HR)) == 3


def test_a_record_names_a_request_and_none_of_its_words(house: House) -> None:
    (record,) = [one for one in house.bench.audit() if one.action == Action.RETRIEVED][:1]
    assert "case" not in record.detail
    assert json.loads(record.objects)[0] == house.rows(AskedRow)[0]["id"]


def test_a_request_does_not_show_its_key() -> None:
    request = RetrievalRequest(query="q", purpose="p", sources=None, k=1, conversation=None, key="sesame")
    assert "sesame" not in repr(request)


def test_a_worker_deletes_what_was_asked_too_long_ago(bench: Bench) -> None:
    unscheduled = ('schedule: {sync: "*/15 * * * *"}\n', "")
    source = fill(bench, KEPT, unscheduled)
    with house_over(bench) as house:
        house.ask()
        bench.clock.forward(timedelta(days=90, minutes=1))
        house.ask()
        (_, young) = house.rows(AskedRow)
        with jobs_of(bench) as jobs, worker_of(bench, jobs, source) as worker, serving(worker):
            assert comes_true(lambda: len(house.rows(AskedRow)) == 1)
        assert house.rows(AskedRow) == [young]
