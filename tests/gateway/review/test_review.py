"""What people say of answers, over HTTP."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql

from gateway.confidence import FEATURES
from gateway.review.routes import CLAIM, FEEDBACK, HANDOFFS, RESOLVE
from gateway.review.schemas import FeedbackGivenBody, HandoffsBody, StandingBody
from indexer import asked, erase, handoffs, labels
from indexer.keyring import Keyring
from indexer.labels import Labelled
from indexer.tables import AskedRow, HandoffRow, LabelRow
from policies.model import Action, Role, SourceName
from tests import catalogs
from tests.gateway.reviewing import KEPT, QUERY, REVIEWED, House, fill, house_over
from tests.gateway.test_retrieval import calibrate
from tests.indexer.workbench import Bench, left_below

HR = SourceName("hr-handbook")
UNKNOWN = "f" * 24


@pytest.fixture
def house(bench: Bench) -> Iterator[House]:
    fill(bench, KEPT)
    with house_over(bench) as made:
        yield made


def labelled(house: House) -> tuple[Labelled, ...]:
    with house.bench.database.reading() as session:
        return labels.labelled(session, HR)


def waiting(house: House, name: str = "rita") -> Any:  # noqa: ANN401 - JSON
    (one,) = house.handoffs(name)
    return one


def problem(response: Any) -> tuple[int, str]:  # noqa: ANN401 - as above
    body = response.json()
    assert body["status"] == response.status_code, body
    return response.status_code, body["code"]


def test_a_hand_off_waits_is_claimed_and_resolved_and_its_label_counts(house: House) -> None:
    answer = house.ask()
    assert answer["verdict"] == "handoff"
    held = waiting(house)
    assert (held["request_id"], held["kind"], held["state"]) == (answer["request_id"], "handoff", "waiting")
    assert (held["asked_by"], held["agent"], held["reasons"]) == ("caller:ann", None, ["uncalibrated"])
    assert held["confidence"] is None
    assert held["query"].startswith("annual leave days of [EMAIL_ADDRESS_")
    assert held["unmatched"]
    assert any(term.startswith("zebr") for term in held["unmatched"])
    assert "zed7" not in json.dumps(held)
    claimed = house.post("rita", f"/v1/handoffs/{held['id']}/claim")
    assert claimed.json()["state"] == "claimed"
    resolved = house.resolve("rita", held["id"], sufficient=False, answerable=True, document="leave.md")
    assert (resolved.status_code, resolved.json()["state"]) == (200, "resolved")
    (label,) = labelled(house)
    assert (label.sufficient, label.answerable, label.propensity) == (False, True, 1.0)
    assert (label.request, len(label.features)) == (answer["request_id"], len(FEATURES))
    (row,) = house.rows(LabelRow)
    assert row["document"] == house.bench.keyring.document_id(HR, "leave.md")
    actions = [record.action for record in house.bench.audit()][-3:]
    assert actions == [Action.HANDOFFS_LISTED, Action.HANDOFF_CLAIMED, Action.HANDOFF_RESOLVED]
    told = " ".join(record.objects + record.detail for record in house.bench.audit())
    assert "zebra" not in told
    assert "annual" not in told


def test_without_keep_query_no_word_of_a_question_is_kept_anywhere(bench: Bench) -> None:
    fill(bench)
    with house_over(bench) as house:
        house.ask(query="zyzzyva xylograph")
        held = waiting(house)
        assert (held["query"], held["unmatched"]) == (None, None)
        (row,) = house.rows(AskedRow)
        assert row["sealed"] is None
        bench.database.checkpoint(AskedRow)
        assert not left_below(bench.home.root, [b"zyzzyva"])


def test_kept_words_are_sealed_and_leave_no_trace_in_kept_answers(house: House) -> None:
    house.ask(query="zyzzyva xylograph")
    held = waiting(house)
    assert held["query"] == "zyzzyva xylograph"
    house.post("rita", f"/v1/handoffs/{held['id']}/claim")
    house.resolve("rita", held["id"], sufficient=True, answerable=True)
    assert not left_below(house.bench.home.root, [b"zyzzyva"])


def test_one_share_of_the_answers_is_drawn_for_review_and_nothing_shows_it(bench: Bench) -> None:
    fill(bench, REVIEWED)
    calibrate(bench)
    with house_over(bench) as house:
        drawn = house.ask()
        fill(bench, ("guardrail: {max_risk: 0.05}", "guardrail: {max_risk: 0.05, review_share: 0}"))
        plain = house.ask()
        assert drawn | {"request_id": ""} == plain | {"request_id": ""}
        assert drawn["verdict"] == "caution"
        held = waiting(house)
        assert (held["request_id"], held["kind"]) == (drawn["request_id"], "review")
        assert 0 <= held["confidence"] <= 1
        assert [row["propensity"] for row in house.rows(AskedRow)] == [1.0, 0.0]
        # What it waited for was a label, and no resolution.
        house.feedback("rita", drawn["request_id"], sufficient=True)
        assert waiting(house)["state"] == "resolved"
        house.feedback("rita", plain["request_id"], sufficient=False)
        assert [(label.sufficient, label.propensity) for label in labelled(house)] == [(True, 1.0), (False, 1.0)]


def test_the_draw_keeps_its_share_and_is_always_the_same(bench: Bench) -> None:
    drawn = [handoffs.is_drawn(bench.keyring, f"{number:024x}", 0.1) for number in range(3000)]
    assert drawn == [handoffs.is_drawn(bench.keyring, f"{number:024x}", 0.1) for number in range(3000)]
    assert 230 < sum(drawn) < 370
    assert not any(handoffs.is_drawn(bench.keyring, f"{number:024x}", 0.0) for number in range(300))
    assert all(handoffs.is_drawn(bench.keyring, f"{number:024x}", 1.0) for number in range(300))


def test_a_label_of_a_drawn_answer_carries_its_chance_and_one_nobody_asked_for_stands_for_itself(bench: Bench) -> None:
    fill(bench, ("guardrail: {max_risk: 0.05}", "guardrail: {max_risk: 0.05, review_share: 0.25}"))
    calibrate(bench)
    with house_over(bench) as house:
        asked_for = [house.ask(query=f"leave {number}")["request_id"] for number in range(16)]
        drawn = {held["request_id"] for held in house.handoffs("rita")}
        assert drawn == {request for request in asked_for if handoffs.is_drawn(bench.keyring, request, 0.25)}
        for request in asked_for:
            house.feedback("rita", request, sufficient=True)
        assert {label.request: label.propensity for label in labelled(house)} == {
            request: 0.25 if request in drawn else 1.0 for request in asked_for
        }
        assert 0 < len(drawn) < len(asked_for)


def test_a_request_sent_again_queues_once_and_is_answered_afresh(house: House) -> None:
    first = house.ask(key='"retry-1"')
    second = house.ask(key='"retry-1"')
    assert first | {"request_id": ""} == second | {"request_id": ""}
    assert first["request_id"] != second["request_id"]
    assert len(house.rows(AskedRow)) == 2
    assert waiting(house)["request_id"] == first["request_id"]
    house.resolve("rita", waiting(house)["id"], sufficient=False, answerable=False)
    house.ask(key='"retry-1"')
    assert len(house.handoffs("rita")) == 1
    # Another question, another key, or another caller is another request.
    house.person("bob", "staff")
    for name, key, query in (("ann", '"retry-1"', "pension"), ("ann", '"retry-2"', QUERY), ("bob", '"retry-1"', QUERY)):
        house.ask(name, key=key, query=query)
    house.ask()
    assert len(house.handoffs("rita")) == 5


def test_a_malformed_key_is_refused_before_anything_is_asked(house: House) -> None:
    body = {"query": QUERY, "purpose": "employee-support"}
    for key in ("bare", '"a" ; x=1', '""', '"' + "x" * 256 + '"'):
        headers = {"authorization": f"Bearer {house.people['ann']}", "idempotency-key": key}
        refused = house.client.post("/v1/retrieve", json=body, headers=headers)
        assert problem(refused) == (400, "idempotency_key_malformed"), key
    assert not house.rows(AskedRow)


def test_a_denial_queues_nothing(house: House) -> None:
    house.person("eve", "contractors")
    assert house.ask("eve")["reasons"] == ["no_visible_passage"]
    assert house.ask(purpose="marketing")["reasons"] == ["no_visible_passage"]
    assert not house.rows(AskedRow)
    assert not house.rows(HandoffRow)


def test_an_answer_of_fewer_passages_waits_for_a_person_and_is_no_label(house: House) -> None:
    house.ask(k=2)
    house.resolve("rita", waiting(house)["id"], sufficient=True, answerable=True)
    assert labelled(house) == ()


def test_what_is_hidden_leaks_into_nothing_that_is_kept(house: House) -> None:
    """The question is about what only the board may read: the same is kept as if that were not there."""
    bench = house.bench
    house.ask(query="forty days of the board")
    bench.origin.files.pop("board/leave.md")
    bench.sync(bench.apply(KEPT), confirm_deletes=True)
    house.ask(query="forty days of the board")
    first, second = house.rows(AskedRow)
    differing = {"id", "sealed"}
    assert {name: first[name] for name in first if name not in differing} == {
        name: second[name] for name in second if name not in differing
    }
    with_hidden, without = house.handoffs("rita")
    assert with_hidden["unmatched"] == without["unmatched"]
    assert any(term.startswith("board") for term in without["unmatched"])


# Who may


def test_only_a_reviewer_may_review_and_only_what_he_may_read(house: House) -> None:
    answer = house.ask()
    for name in ("ann", house_operator(house)):
        assert problem(house.feedback(name, answer["request_id"], sufficient=True)) == (403, "forbidden")
        headers = {"authorization": f"Bearer {house.people[name]}"}
        assert problem(house.client.get("/v1/handoffs", headers=headers)) == (403, "forbidden")
    assert house.handoffs("mo") == []
    assert house.handoffs("rita", "?source=unknown") == []
    held = waiting(house)["id"]
    acts: tuple[Callable[[str, str], Any], ...] = (
        lambda name, id_: house.post(name, f"/v1/handoffs/{id_}/claim"),
        lambda name, id_: house.resolve(name, id_, sufficient=True, answerable=True),
    )
    for act in acts:
        forbidden, unknown = act("mo", held), act("rita", UNKNOWN)
        assert forbidden.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
        assert problem(forbidden) == (404, "not_found")
    forbidden, unknown = (
        house.feedback("mo", answer["request_id"], sufficient=True),
        house.feedback("rita", UNKNOWN, sufficient=True),
    )
    assert forbidden.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert problem(unknown) == (404, "not_found")
    assert not house.rows(LabelRow)


def house_operator(house: House) -> str:
    house.person("olga", "staff", roles=frozenset(Role) - {Role.REVIEWER})
    return "olga"


def test_who_asked_labels_nothing_of_its_own(house: House) -> None:
    house.person("rex", "staff", roles=frozenset({Role.REVIEWER}))
    answer = house.ask("rex")
    assert problem(house.feedback("rex", answer["request_id"], sufficient=True)) == (403, "own_answer")
    held = waiting(house)["id"]
    assert problem(house.post("rex", f"/v1/handoffs/{held}/claim")) == (403, "own_answer")
    assert problem(house.resolve("rex", held, sufficient=True, answerable=True)) == (403, "own_answer")
    assert not house.rows(LabelRow)


def test_the_agent_that_asked_labels_nothing_of_its_own(house: House) -> None:
    answer = house.ask()
    with house.bench.database.writing() as session:
        session.connection().execute(sql("UPDATE asked SET agent = 'rita'"))
    assert problem(house.feedback("rita", answer["request_id"], sufficient=True)) == (403, "own_answer")
    assert house.feedback("rolf", answer["request_id"], sufficient=True).status_code == 200


def test_a_document_that_answers_is_one_that_the_reviewer_may_read(house: House) -> None:
    house.ask()
    held = waiting(house)["id"]
    for document in ("board/leave.md", "nothing.md", str(house.bench.keyring.document_id(HR, "board/leave.md"))):
        refused = house.resolve("rita", held, sufficient=False, answerable=True, document=document)
        assert problem(refused) == (422, "request_invalid")
        assert document not in refused.text
    assert waiting(house)["state"] == "waiting"
    by_id = str(house.bench.keyring.document_id(HR, "leave.md"))
    assert house.resolve("rita", held, sufficient=False, answerable=True, document=by_id).status_code == 200


# Several people


def test_what_two_say_against_each_other_counts_as_none_until_a_third_resolves_it(house: House) -> None:
    request = house.ask()["request_id"]
    assert house.feedback("rita", request, sufficient=True).status_code == 200
    assert len(labelled(house)) == 1
    contradicted = house.feedback("rolf", request, sufficient=False, answerable=False)
    assert problem(contradicted) == (409, "contradicted")
    assert "third reviewer" in contradicted.json()["detail"]
    assert labelled(house) == ()
    held = waiting(house)["id"]
    assert problem(house.resolve("rita", held, sufficient=True, answerable=True)) == (409, "contradicted")
    house.person("tess", "staff", roles=frozenset({Role.REVIEWER}))
    assert house.resolve("tess", held, sufficient=False, answerable=True).status_code == 200
    (label,) = labelled(house)
    assert (label.sufficient, label.answerable) == (False, True)
    # A resolution stands, for whoever says the same and against whoever does not.
    assert problem(house.feedback("rita", request, sufficient=True)) == (409, "contradicted")
    assert house.feedback("rita", request, sufficient=False).status_code == 200
    assert house.resolve("tess", held, sufficient=True, answerable=True).status_code == 200
    assert [one.sufficient for one in labelled(house)] == [True]


def test_a_contradiction_of_an_answer_that_was_not_handed_off_waits_and_ends_by_agreement(bench: Bench) -> None:
    fill(bench, ("guardrail: {max_risk: 0.05}", "guardrail: {max_risk: 0.05, review_share: 0}"))
    calibrate(bench)
    with house_over(bench) as house:
        request = house.ask()["request_id"]
        house.feedback("rita", request, sufficient=True)
        assert house.handoffs("rita") == []
        house.feedback("rolf", request, sufficient=False)
        assert (waiting(house)["kind"], waiting(house)["state"]) == ("contradicted", "waiting")
        assert house.feedback("rolf", request, sufficient=True).status_code == 200
        assert waiting(house)["state"] == "resolved"
        assert problem(house.feedback("rita", request, sufficient=False)) == (409, "contradicted")
        assert waiting(house)["state"] == "waiting"
        assert house.feedback("rita", request, sufficient=True).status_code == 200
        (label,) = labelled(house)
        assert (label.sufficient, label.propensity) == (True, 1.0)


def test_a_claim_keeps_others_out_for_a_day(house: House) -> None:
    house.ask()
    held = waiting(house)["id"]
    for _ in range(2):
        assert house.post("rita", f"/v1/handoffs/{held}/claim").status_code == 200
    assert waiting(house)["claimed_by"] == "caller:rita"
    assert problem(house.post("rolf", f"/v1/handoffs/{held}/claim")) == (409, "handoff_taken")
    assert problem(house.resolve("rolf", held, sufficient=True, answerable=True)) == (409, "handoff_taken")
    house.bench.clock.forward(handoffs.CLAIM_LASTS)
    assert house.post("rolf", f"/v1/handoffs/{held}/claim").status_code == 200
    assert house.resolve("rolf", held, sufficient=True, answerable=True).status_code == 200
    assert problem(house.post("rita", f"/v1/handoffs/{held}/claim")) == (409, "handoff_taken")
    assert problem(house.resolve("rita", held, sufficient=False, answerable=True)) == (409, "handoff_taken")


def test_what_one_resolved_unclaimed_another_does_not_resolve(house: House) -> None:
    house.ask()
    held = waiting(house)["id"]
    for sufficient in (True, False):
        assert house.resolve("rita", held, sufficient=sufficient, answerable=True).status_code == 200
    assert problem(house.resolve("rolf", held, sufficient=True, answerable=True)) == (409, "handoff_taken")
    assert [label.sufficient for label in labelled(house)] == [False]


def test_what_is_sent_again_with_its_key_happens_once(house: House) -> None:
    request = house.ask()["request_id"]
    body = {"request_id": request, "sufficient": False, "answerable": True}
    first, second = (house.post("rita", "/v1/feedback", body, key='"f1"') for _ in range(2))
    assert first.content == second.content
    assert [record.action for record in house.bench.audit()].count(Action.FEEDBACK_GIVEN) == 1
    other = house.post("rita", "/v1/feedback", body | {"sufficient": True}, key='"f1"')
    assert problem(other) == (422, "idempotency_key_reused")
    missing = house.client.post("/v1/feedback", json=body, headers={"authorization": f"Bearer {house.people['rita']}"})
    assert problem(missing) == (400, "idempotency_key_missing")
    assert house.post("rita", "/v1/feedback", body, key='"f2"').status_code == 200
    assert len(house.rows(LabelRow)) == 1


# Hostile input


def test_feedback_that_is_not_in_order_is_refused(house: House) -> None:
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
        refused = house.post("rita", "/v1/feedback", body)
        assert problem(refused) == (422, "body_invalid"), body
        assert "somebody" not in refused.text


def test_a_resolution_that_is_not_in_order_is_refused(house: House) -> None:
    house.ask()
    held = waiting(house)["id"]
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
        assert problem(house.resolve("rita", held, **body)) == (422, "body_invalid"), body
    assert not house.rows(LabelRow)


def test_a_listing_that_is_not_in_order_is_refused(house: House) -> None:
    headers = {"authorization": f"Bearer {house.people['rita']}"}
    for query in ("state=lost", "limit=0", "limit=x", "source=A B", "state=waiting&state=waiting"):
        assert problem(house.client.get(f"/v1/handoffs?{query}", headers=headers)) == (422, "query_invalid"), query


def test_what_is_no_id_is_no_hand_off(house: House) -> None:
    for handoff in ("x", "%00" * 24, "f" * 23, "F" * 24):
        assert problem(house.post("rita", f"/v1/handoffs/{handoff}/claim")) == (404, "not_found"), handoff


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


def test_each_source_seals_with_a_key_of_its_own(bench: Bench) -> None:
    keyring: Keyring = bench.keyring
    assert keyring.asked_key(HR) == keyring.asked_key(HR) != keyring.asked_key(SourceName("other"))


def test_the_schema_describes_what_a_reviewer_sends_and_gets(house: House) -> None:
    document = house.client.get("/openapi.json").json()
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


def test_what_is_listed_is_what_the_schema_says(house: House) -> None:
    house.ask()
    headers = {"authorization": f"Bearer {house.people['rita']}"}
    HandoffsBody.model_validate_json(house.client.get("/v1/handoffs", headers=headers).content)
