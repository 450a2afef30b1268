"""What reviewers may not send, what is on record, and how long it is kept."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from gateway.review.routes import CLAIM, FEEDBACK, HANDOFFS, RESOLVE
from gateway.review.schemas import FeedbackGivenBody, HandoffsBody, StandingBody
from indexer import asked, erase
from indexer.tables import AskedRow, HandoffRow, LabelRow
from tests import catalogs
from tests.gateway.reviewing import (
    HR,
    KEPT,
    QUERY,
    House,
    fill,
    house_over,
    problem,
    waiting,
)
from tests.gateway.test_retrieval import calibrate
from tests.indexer.workbench import Bench

# Hostile input


def test_feedback_that_is_not_in_order_is_refused(quiet: House) -> None:
    bodies: tuple[object, ...] = (
        {},
        [],
        {"request_id": "x"},
        {"request_id": "x", "sufficient": "yes"},
        {"request_id": "x", "sufficient": 1},
        {"request_id": "x\x00", "sufficient": True},
        {"request_id": "x" * 65, "sufficient": True},
        {"request_id": "ü", "sufficient": True},
        {"request_id": "x", "sufficient": True, "answerable": False},
        {"request_id": "x", "sufficient": True, "by": "somebody else"},
    )
    for body in bodies:
        refused = quiet.post("rita", "/v1/feedback", body)
        assert problem(refused) == (422, "body_invalid"), body
        assert "somebody" not in refused.text


def test_a_resolution_that_is_not_in_order_is_refused(quiet: House) -> None:
    held = waiting(quiet)["id"]
    bodies: tuple[dict[str, object], ...] = (
        {"sufficient": True},
        {"sufficient": True, "answerable": None},
        {"sufficient": True, "answerable": False},
        {"sufficient": False, "answerable": False, "document": "leave.md"},
        {"sufficient": False, "answerable": True, "document": ""},
        {"sufficient": False, "answerable": True, "document": "a\x00b"},
        {"sufficient": False, "answerable": True, "document": "x" * 3000},
        {"sufficient": False, "answerable": True, "verdict": "answer"},
    )
    for body in bodies:
        assert problem(quiet.resolve("rita", held, **body)) == (422, "body_invalid"), body
    assert not quiet.rows(LabelRow)


def test_a_listing_that_is_not_in_order_is_refused(quiet: House) -> None:
    headers = {"authorization": f"Bearer {quiet.people['rita']}"}
    for query in ("state=lost", "limit=0", "limit=x", "source=A B", "state=waiting&state=waiting"):
        assert problem(quiet.client.get(f"/v1/handoffs?{query}", headers=headers)) == (422, "query_invalid"), query


def test_what_is_no_id_is_no_hand_off(quiet: House) -> None:
    for handoff in ("x", "%00" * 24, "f" * 23, "F" * 24):
        assert problem(quiet.post("rita", f"/v1/handoffs/{handoff}/claim")) == (404, "not_found"), handoff


def test_hand_offs_are_listed_by_source_state_and_number(house: House) -> None:
    for number in range(3):
        house.bench.clock.forward(timedelta(minutes=1))
        house.ask(query=f"leave {number}")
    first, second, third = house.handoffs("rita")
    house.post("rita", f"/v1/handoffs/{second['id']}/claim")
    assert [one["id"] for one in house.handoffs("rita", "?state=waiting")] == [first["id"], third["id"]]
    assert [one["id"] for one in house.handoffs("rita", "?state=claimed")] == [second["id"]]
    assert [one["id"] for one in house.handoffs("rita", "?limit=1&source=hr-handbook")] == [first["id"]]


# The audit, and time


def test_without_a_record_there_is_no_answer_no_row_and_no_label(house: House) -> None:
    request = house.ask()["request_id"]
    held = waiting(house)["id"]
    statement = {
        "sqlite": "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        "postgresql": "ALTER TABLE audit ADD CONSTRAINT no CHECK (false) NOT VALID",
    }[catalogs.kind()]
    with house.bench.database.writing() as session:
        session.connection().execute(sql(statement))
    headers = {"authorization": f"Bearer {house.people['ann']}"}
    body = {"query": QUERY, "purpose": "employee-support"}
    assert problem(house.client.post("/v1/retrieve", json=body, headers=headers)) == (503, "audit_unavailable")
    assert len(house.rows(AskedRow)) == 1
    refused: tuple[Callable[[], Any], ...] = (
        lambda: house.feedback("rita", request, sufficient=True),
        lambda: house.post("rita", f"/v1/handoffs/{held}/claim"),
        lambda: house.resolve("rita", held, sufficient=True, answerable=True),
        lambda: house.client.get("/v1/handoffs", headers={"authorization": f"Bearer {house.people['rita']}"}),
    )
    for act in refused:
        assert problem(act()) == (503, "audit_unavailable")
    assert not house.rows(LabelRow)
    assert [row["state"] for row in house.rows(HandoffRow)] == ["waiting"]


def test_where_the_question_cannot_be_kept_there_is_no_answer_and_no_record(house: House) -> None:
    before = len(house.bench.audit())
    with house.bench.database.writing() as session:
        session.connection().execute(sql("ALTER TABLE asked RENAME TO away"))
    headers = {"authorization": f"Bearer {house.people['ann']}"}
    body = {"query": QUERY, "purpose": "employee-support"}
    response = house.client.post("/v1/retrieve", json=body, headers=headers)
    assert response.status_code in {500, 503}
    assert len(house.bench.audit()) == before


@pytest.mark.parametrize(("period", "days"), [("P2Y", 90), ("P30D", 30)])
def test_what_was_asked_is_shown_no_longer_than_it_is_kept_and_a_purge_deletes_it(
    bench: Bench, period: str, days: int
) -> None:
    source = fill(bench, KEPT, ("period: P2Y", f"period: {period}"))
    with house_over(bench) as house:
        request = house.ask()["request_id"]
        house.feedback("rita", request, sufficient=True)
        bench.clock.forward(timedelta(days=days) - timedelta(minutes=1))
        if days == 90:  # of the shorter period no document is left by then, so that nobody may review anything
            assert len(house.handoffs("rita")) == 1
        erase.purge(bench.workshop, source, actor="operator:test")
        assert len(house.rows(AskedRow)) == 1
        bench.clock.forward(timedelta(minutes=2))
        assert house.handoffs("rita") == []
        assert problem(house.feedback("rita", request, sufficient=True)) == (404, "not_found")
        erase.purge(bench.workshop, source, actor="operator:test")
        assert (house.rows(AskedRow), house.rows(LabelRow), house.rows(HandoffRow)) == ([], [], [])


def test_confidences_are_those_of_one_source_since_an_instant(bench: Bench) -> None:
    fill(bench)
    with house_over(bench) as house:
        house.ask()
        calibrate(bench)
        bench.clock.forward(timedelta(hours=1))
        since = bench.clock()
        values = [house.ask(query=query)["confidence"]["value"] for query in ("annual leave", "carry over")]
        house.ask(k=2)
        with bench.database.reading() as session:
            found = asked.confidences(session, HR, since)
            assert asked.confidences(session, HR, since + timedelta(seconds=1)) == ()
        assert [(round(value, 4), verdict) for value, verdict in found] == [(value, "caution") for value in values]


def test_the_schema_describes_what_a_reviewer_sends_and_gets(quiet: House) -> None:
    document = quiet.client.get("/openapi.json").json()
    changing = {"200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503"}
    for path, model in (
        (FEEDBACK, FeedbackGivenBody),
        (CLAIM, StandingBody),
        (RESOLVE, StandingBody),
    ):
        post = document["paths"][path]["post"]
        assert set(post["responses"]) == changing
        assert "Idempotency-Key" in {parameter["name"] for parameter in post["parameters"]}
        assert post["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is False
        for example in post["responses"]["200"]["content"]["application/json"]["examples"].values():
            model.model_validate_json(json.dumps(example["value"]))
    listed = document["paths"][HANDOFFS]["get"]
    assert [parameter["name"] for parameter in listed["parameters"]] == ["source", "state", "limit"]
    (key,) = document["paths"]["/v1/retrieve"]["post"]["parameters"]
    assert (key["name"], key["required"]) == ("Idempotency-Key", False)


def test_what_is_listed_is_what_the_schema_says(quiet: House) -> None:
    headers = {"authorization": f"Bearer {quiet.people['rita']}"}
    HandoffsBody.model_validate_json(quiet.client.get("/v1/handoffs", headers=headers).content)
