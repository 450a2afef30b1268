"""What waits for a person, and what becomes of it, over HTTP."""

import json

from gateway.confidence import FEATURES
from indexer import handoffs
from indexer.tables import AskedRow, HandoffRow, LabelRow
from policies.model import Action
from tests.gateway.reviewing import (
    HR,
    KEPT,
    QUERY,
    REVIEWED,
    House,
    fill,
    house_over,
    labelled,
    problem,
    waiting,
)
from tests.gateway.test_retrieval import calibrate
from tests.indexer.workbench import Bench, left_below


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
