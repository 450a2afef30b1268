"""A reviewer sees what was made of no more than he may read. The rest is to him as if nobody had asked it."""

from collections.abc import Iterator

import pytest

from indexer.tables import AskedRow, LabelRow
from policies.model import Role
from tests.gateway.reviewing import KEPT, QUERY, UNKNOWN, House, house_over, problem
from tests.indexer.workbench import Bench, text

STATES = ("", "?state=waiting", "?state=claimed", "?state=resolved", "?source=hr-handbook", "?limit=1")


@pytest.fixture
def house(kept: Bench) -> Iterator[House]:
    """`bea` reads what the board may as well, and so does `vera`, who reviews; `una` reads nothing else."""
    with house_over(kept) as made:
        made.person("bea", "staff", "board")
        made.person("vera", "staff", "board", roles=frozenset({Role.REVIEWER}))
        made.person("una", "board", roles=frozenset({Role.REVIEWER}))
        yield made


def seen(house: House, name: str) -> set[str]:
    return {held["request_id"] for held in house.handoffs(name)}


def test_a_hand_off_is_seen_by_those_who_may_read_all_that_it_was_made_of(house: House) -> None:
    staffs, both = house.ask("ann")["request_id"], house.ask("bea")["request_id"]
    assert seen(house, "rita") == {staffs}
    assert seen(house, "vera") == {staffs, both}
    assert seen(house, "una") == set()
    house.person("bob", "board")
    boards = house.ask("bob")["request_id"]
    assert seen(house, "una") == {boards}
    assert seen(house, "rita") == {staffs}
    assert seen(house, "vera") == {staffs, both, boards}


def test_what_others_read_changes_nothing_of_what_a_reviewer_sees(house: House) -> None:
    """The terms without evidence would tell what the board's documents hold."""
    for query in ("forty days of the board", "forty zebras"):
        house.ask("bea", query=query)
    assert [house.handoffs("rita", state) for state in STATES] == [[]] * len(STATES)
    house.ask("ann")
    before = [house.handoffs("rita", state) for state in STATES]
    assert len(before[-1]) == 1  # what is not shown takes no place of what is
    house.ask("bea", query="forty days of the board")
    (held, *_) = house.handoffs("vera")
    house.post("vera", f"/v1/handoffs/{held['id']}/claim")
    assert house.resolve("vera", held["id"], sufficient=True, answerable=True).status_code == 200
    assert [house.handoffs("rita", state) for state in STATES] == before


def test_what_a_reviewer_may_not_see_is_as_unknown_as_what_there_is_not(house: House) -> None:
    request = house.ask("bea")["request_id"]
    (held,) = house.handoffs("vera")
    for forbidden, unknown in (
        (house.post("rita", f"/v1/handoffs/{held['id']}/claim"), house.post("rita", f"/v1/handoffs/{UNKNOWN}/claim")),
        (
            house.resolve("rita", held["id"], sufficient=True, answerable=True),
            house.resolve("rita", UNKNOWN, sufficient=True, answerable=True),
        ),
        (house.feedback("rita", request, sufficient=True), house.feedback("rita", UNKNOWN, sufficient=True)),
    ):
        assert problem(forbidden) == (404, "not_found")
        assert forbidden.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert house.handoffs("vera") == [held]
    assert not house.rows(LabelRow)
    assert house.feedback("vera", request, sufficient=True).status_code == 200


def test_rights_are_those_of_the_moment_and_what_is_there_no_more_is_covered_by_nobody(house: House) -> None:
    staffs, both = house.ask("ann")["request_id"], house.ask("bea")["request_id"]
    house.person("vera", "staff", roles=frozenset({Role.REVIEWER}))
    assert seen(house, "vera") == {staffs}
    house.person("vera", "staff", "board", "contractors", roles=frozenset({Role.REVIEWER}))
    assert seen(house, "vera") == set()
    house.person("vera", "staff", "board", roles=frozenset({Role.REVIEWER}))
    assert seen(house, "vera") == {staffs, both}
    house.bench.origin.files.pop("board/leave.md")
    house.bench.sync(house.bench.apply(KEPT), confirm_deletes=True)
    assert seen(house, "vera") == {staffs}


def test_an_answer_of_several_sources_is_for_those_who_may_read_what_was_read_of_each(kept: Bench) -> None:
    legal = kept.apply(("source: hr-handbook", "source: legal"), ("allow: [group:staff]", "allow: [group:legal]"))
    kept.origin.files = {"leave.md": text("Leave", "Annual leave days of lawyers.")}
    kept.sync(legal)
    with house_over(kept) as house:
        house.person("lea", "staff", "legal")
        house.person("leo", "staff", "legal", roles=frozenset({Role.REVIEWER}))
        house.person("lou", "legal", roles=frozenset({Role.REVIEWER}))
        request = house.ask("lea", k=20)["request_id"]
        assert {name: seen(house, name) for name in ("rita", "leo", "lou")} == {
            "rita": set(), "leo": {request}, "lou": set(),
        }  # fmt: skip


def test_an_answer_of_which_nobody_knows_what_it_was_made_of_is_shown_to_nobody(house: House) -> None:
    house.ask(query=QUERY)
    (row,) = house.rows(AskedRow)
    assert row["purview"].startswith('{"hr-handbook":["')
    for purview in (
        "{}",
        '{"hr-handbook":[]}',
        '{"hr-handbook":["0123456789abcdef"]}',
        '{"gone":["0123456789abcdef"]}',
    ):
        with house.bench.database.writing() as session:
            session.connection().exec_driver_sql(f"UPDATE asked SET purview = '{purview}'")  # noqa: S608 - our own
        assert seen(house, "vera") == set()
        assert problem(house.feedback("vera", row["id"], sufficient=True)) == (404, "not_found")
