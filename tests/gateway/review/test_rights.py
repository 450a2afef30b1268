"""Who may review what, alone and beside others, over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text as sql

from gateway import agents
from gateway.agents import AgentGrant, GrantId
from indexer import handoffs
from indexer.tables import LabelRow
from policies.model import Action, Role
from tests.gateway.issuing import ISSUER, token, trusted
from tests.gateway.reviewing import HR, UNKNOWN, House, fill, house_over, labelled, problem, waiting
from tests.gateway.test_agents import BOT
from tests.gateway.test_retrieval import calibrate
from tests.indexer.workbench import Bench


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


def test_neither_an_agent_nor_whom_it_asked_for_labels_its_answer(kept: Bench, tmp_path: Path) -> None:
    now = kept.clock()
    grant = AgentGrant(issuer=ISSUER, agent=BOT, expires=now + timedelta(days=30))
    with kept.database.writing() as session:
        agents.create(session, GrantId("1" * 24), grant, now=now)
    by_bot: dict[str, Any] = {"act": {"sub": BOT.subject}}
    times = {"iat": int(now.timestamp()) - 60, "exp": int(now.timestamp()) + 600}

    def bearer(**claims: object) -> str:
        return token(**{**times, "groups": ["staff"], "roles": ["reviewer"], **claims})  # type: ignore[arg-type]

    with house_over(kept, issuers=[trusted(tmp_path / "jwks.json")]) as house:
        house.people |= {
            "ann": bearer(), "ann by bot": bearer(**by_bot), "bot": bearer(sub=BOT.subject),
            "rex": bearer(sub="rex"), "rex by bot": bearer(sub="rex", **by_bot),
        }  # fmt: skip
        request = house.ask("ann by bot")["request_id"]
        held = waiting(house)
        assert (held["request_id"], held["asked_by"], held["agent"]) == (request, "caller:ann", BOT.subject)
        for name, code in {
            "ann": "own_answer", "bot": "own_answer", "ann by bot": "forbidden", "rex by bot": "forbidden",
        }.items():  # fmt: skip
            assert problem(house.feedback(name, request, sufficient=True)) == (403, code), name
            assert problem(house.post(name, f"/v1/handoffs/{held['id']}/claim")) == (403, code), name
            resolved = house.resolve(name, held["id"], sufficient=True, answerable=True)
            assert problem(resolved) == (403, code), name
        assert not house.rows(LabelRow)
        assert house.feedback("rex", request, sufficient=True).status_code == 200


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
