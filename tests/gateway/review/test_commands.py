"""What people say of answers, by commands."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.cli.shell import operator
from gateway.review.desk import ContradictedError, OwnAnswerError
from gateway.wiring import clock
from indexer import asked as questions
from indexer import labels
from indexer.tables import AskedRow, HandoffRow
from policies.errors import ConflictError, RefusedError, UnauthenticatedError
from policies.model import Action, SourceName
from tests.gateway.reviewing import KEPT, house_over
from tests.gateway.shells import Shell
from tests.gateway.test_governing import GROUND, REFERENCE, governed, shell
from tests.indexer.workbench import text

__all__ = ["governed", "shell"]

HR = SourceName("hr-handbook")
REVIEWER = ("--role", "reviewer", "--group", "staff")


@pytest.fixture
def asked(shell: Shell) -> Any:  # noqa: ANN401 - JSON; the fixture of this name
    """The answer to ann's question about a person."""
    bench = shell.bench
    bench.clock.now = clock()
    source = bench.apply(KEPT)
    bench.origin.files["people/case.md"] = replace(
        text("A case", "It is of zed7@example.org."), modified=clock() - timedelta(days=1)
    )
    bench.sync(source)
    with house_over(bench) as house:
        yield house.ask(query="the case of zed7@example.org")


def test_a_hand_off_is_listed_claimed_and_resolved_by_commands(shell: Shell, asked: Any) -> None:  # noqa: ANN401
    (held,) = shell.json("handoff", "list")
    assert (held["request_id"], held["state"]) == (asked["request_id"], "waiting")
    assert held["query"].startswith("the case of [EMAIL_ADDRESS_")
    assert shell.last()[:2] == (Action.HANDOFFS_LISTED, operator())
    shown = shell.must("handoff", "list", "--source", "hr-handbook", "--state", "waiting", "--limit", "5")
    assert held["id"] in shown
    assert "caller:ann" in shown
    assert shell.json("handoff", "list", "--state", "resolved") == []
    key = shell.key_file("rita", *REVIEWER)
    assert shell.json("handoff", "claim", held["id"], "--key", key)["state"] == "claimed"
    taken = shell.refused("handoff", "resolve", held["id"], "--insufficient", "--unanswerable")
    assert "Another reviewer" in taken.message
    shell.must(
        "handoff", "resolve", held["id"], "--insufficient", "--answerable", "--document", "leave.md", "--key", key
    )
    assert shell.last()[:2] == (Action.HANDOFF_RESOLVED, "caller:rita")
    with shell.bench.database.reading() as session:
        (label,) = labels.labelled(session, HR, since=shell.bench.clock() - questions.KEPT)
    assert (label.sufficient, label.answerable) == (False, True)


def test_feedback_is_given_by_a_command(shell: Shell, asked: Any) -> None:  # noqa: ANN401
    request, key = asked["request_id"], shell.key_file("rita", *REVIEWER)
    told = shell.json("feedback", request, "--sufficient", "--key", key)
    assert told == {"request_id": request, "sufficient": True, "answerable": None}
    assert shell.last()[:3] == (Action.FEEDBACK_GIVEN, "caller:rita", ["hr-handbook", request])
    assert isinstance(shell.refused("feedback", request, "--insufficient"), ContradictedError)
    own = shell.key_file("ann", *REVIEWER)
    assert isinstance(shell.refused("feedback", request, "--sufficient", "--key", own), OwnAnswerError)


def test_what_is_not_in_order_is_refused_with_its_mend(shell: Shell) -> None:
    for arguments in (
        ("handoff", "list", "--state", "lost"),
        ("handoff", "claim", "f" * 24),
        ("handoff", "claim", "\udcff"),
        ("handoff", "resolve", "x", "--insufficient"),
        ("handoff", "resolve", "x", "--sufficient", "--unanswerable"),
        ("handoff", "resolve", "x", "--insufficient", "--unanswerable", "--document", "leave.md"),
        ("feedback", "unknown", "--sufficient"),
        ("feedback", "x", "--sufficient", "--unanswerable"),
        ("feedback", "", "--sufficient"),
    ):
        refused = shell.refused(*arguments)
        assert isinstance(refused, RefusedError), arguments
        assert refused.mend


def test_a_key_needs_the_role_reviewer(shell: Shell) -> None:
    key = shell.key_file("otto", "--role", "operator")
    assert "role reviewer" in shell.refused("handoff", "list", "--key", key).message
    assert isinstance(shell.refused("handoff", "list", "--key", "-", given="pk_x\n"), UnauthenticatedError)


def test_an_erasure_by_subject_takes_the_questions_about_that_person(shell: Shell, asked: Any) -> None:  # noqa: ANN401
    assert asked["verdict"] == "handoff"
    shell.must(
        "erase", "run", "hr-handbook", "--subject", "zed7@example.org", *REFERENCE, "--ground", "withdrawn_consent",
        "--yes",
    )  # fmt: skip
    (held,) = shell.json("handoff", "list")
    assert held["query"] is None
    (record,) = [one for one in shell.bench.audit() if one.action == Action.QUESTIONS_FORGOTTEN]
    assert '"questions":1' in record.detail
    assert "zed7" not in record.detail


def test_where_a_hold_stands_no_question_is_forgotten_either(shell: Shell, asked: Any) -> None:  # noqa: ANN401
    shell.must("hold", "add", "hr-handbook", "--document", "people/case.md", *REFERENCE)
    run = ("erase", "run", "hr-handbook", "--subject", "zed7@example.org", *REFERENCE, *GROUND, "--yes")
    assert isinstance(shell.refused(*run), ConflictError)
    (held,) = shell.json("handoff", "list")
    assert (held["request_id"], held["query"] is None) == (asked["request_id"], False)


def test_a_person_who_stands_in_questions_alone_is_forgotten(shell: Shell) -> None:
    bench = shell.bench
    bench.clock.now = clock()
    bench.sync(bench.apply(KEPT))
    with house_over(bench) as house:
        house.ask(query="the case of zed9@example.org")
    subject = ("hr-handbook", "--subject", "zed9@example.org", *REFERENCE)
    found = shell.run("erase", "find", *subject)
    assert "1 kept questions mention the person" in found.stderr
    assert "no document mentions the person" in found.stderr
    for arguments, message in (((*GROUND,), "no terminal"), (("--ground", "because", "--yes"), "no ground")):
        assert message in shell.refused("erase", "run", *subject, *arguments).message
    assert shell.json("handoff", "list")[0]["query"]
    done = shell.run("erase", "run", *subject, *GROUND, "--yes", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    assert "the words of 1 kept questions that mention the person are deleted" in done.stderr
    told = {"reference": REFERENCE[1], "questions": 1}
    assert shell.last() == (Action.QUESTIONS_FORGOTTEN, operator(), ["hr-handbook"], told)
    assert shell.json("handoff", "list")[0]["query"] is None
    assert "nothing to erase" in shell.refused("erase", "run", *subject, *GROUND, "--yes").message


def test_who_is_at_the_machine_sees_all_and_a_person_what_it_may_read(shell: Shell) -> None:
    bench = shell.bench
    bench.clock.now = clock()
    bench.origin.files["board/case.md"] = replace(text("A case", "Of the board."), modified=clock() - timedelta(days=1))
    bench.sync(bench.apply())
    with house_over(bench) as house:
        house.person("bea", "staff", "board")
        requests = [house.ask(name)["request_id"] for name in ("ann", "bea")]
    key = shell.key_file("rita", *REVIEWER)
    assert [held["request_id"] for held in shell.json("handoff", "list")] == requests
    assert [held["request_id"] for held in shell.json("handoff", "list", "--key", key)] == requests[:1]


def test_a_question_of_several_sources_waits_where_its_best_passage_is_and_is_no_label(shell: Shell) -> None:
    bench = shell.bench
    legal = bench.apply(("source: hr-handbook", "source: legal"))
    bench.sync(legal)
    with house_over(bench) as house:
        first = house.ask(query="days a year", k=20)["passages"][0]["source"]
        (held,) = house.handoffs("rita")
        assert held["source"] == first
        assert {row["features"] for row in house.rows(AskedRow)} == {None}
        assert house.resolve("rita", held["id"], sufficient=True, answerable=True).status_code == 200
        with bench.database.reading() as session:
            assert labels.labelled(session, SourceName(first), since=bench.clock() - questions.KEPT) == ()
        assert len(house.rows(HandoffRow)) == 1
