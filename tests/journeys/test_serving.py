"""Over HTTP: who gets an answer, and what a damaged index does."""

import subprocess
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.journeys.penstock import SCRIPT, Penstock, links

FINDINGS = 1
QUESTION = "How many days of annual leave may I carry over?"


def test_a_revoked_key_is_refused_at_the_next_request(penstock: Penstock) -> None:
    key, kept = penstock.key("staff"), penstock.key("staff")
    with penstock.serving() as server:
        status, answer = server.ask(QUESTION, key)
        assert (status, links(answer)[0]) == (HTTPStatus.OK, "file:leave.md")
        penstock.must("key", "revoke", key.split("_")[1])
        assert server.ask(QUESTION, key)[0] == HTTPStatus.UNAUTHORIZED
        assert server.ask(QUESTION, kept)[0] == HTTPStatus.OK
    listed = {entry["id"]: entry["state"] for entry in penstock.must("key", "list", "--json").json()}
    assert listed == {key.split("_")[1]: "revoked", kept.split("_")[1]: "valid"}


def test_what_a_caller_may_not_see_changes_nothing_in_the_answer(penstock: Penstock) -> None:
    outsider, staff = penstock.key("visitors"), penstock.key("staff")
    with penstock.serving() as server:
        answers = [
            server.ask(QUESTION, outsider),
            server.ask(QUESTION, staff, purpose="marketing"),
            server.ask(QUESTION, penstock.key("staff", region="us")),
            server.ask(QUESTION, staff, sources=["ghosts"]),
        ]
        before = server.ask("Who bought the foundry?", staff)[1]
        penstock.write({"board/secret.md": "# Foundry\n\nWho bought the foundry? We bought the foundry at Bramley.\n"})
        penstock.must("sync", "notes")
        after = server.ask("Who bought the foundry?", staff)[1]
    bodies = [{name: value for name, value in body.items() if name != "request_id"} for _, body in answers]
    assert {status for status, _ in answers} == {HTTPStatus.OK}
    assert bodies == [bodies[0]] * 4
    assert (bodies[0]["verdict"], bodies[0]["reasons"], bodies[0]["passages"]) == (
        "handoff", ["no_visible_passage"], [],
    )  # fmt: skip
    assert before | {"request_id": ""} == after | {"request_id": ""}


def _flip_a_bit(home: Path) -> None:
    (generation,) = (home / "sources" / "notes").iterdir()
    largest = max((path for path in generation.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def test_an_index_with_one_bit_flipped_is_refused_until_it_is_repaired(penstock: Penstock) -> None:
    key = penstock.key("staff")
    _flip_a_bit(penstock.home)
    process = subprocess.Popen(
        [SCRIPT, "serve", "--port", "0"], env=penstock.environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("notes: not served.")
        assert "penstock verify --repair" in said
        assert process.stderr.readline().startswith("Serving on ")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    refused = penstock.answer(QUESTION, key)
    assert (refused["verdict"], refused["reasons"], refused["passages"]) == ("handoff", ["no_visible_passage"], [])
    found = penstock.run("verify", "--json")
    assert found.code == FINDINGS
    assert [(finding["fault"], finding["source"]) for finding in found.json()] == [("index_damaged", "notes")]
    repaired = penstock.run("verify", "--repair")
    assert (repaired.code, repaired.out) == (0, "All well.\n")
    assert links(penstock.answer(QUESTION, key))[0] == "file:leave.md"


def test_serve_repairs_a_damaged_index_when_told_to(penstock: Penstock) -> None:
    _flip_a_bit(penstock.home)
    process = subprocess.Popen(
        [SCRIPT, "serve", "--port", "0", "--repair"], env=penstock.environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1 findings")
        assert process.stderr.readline().startswith("Serving on ")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert penstock.run("verify").code == 0


def test_a_server_told_to_stop_ends_well(settled: Penstock) -> None:
    with settled.serving() as server:
        server.process.terminate()
        assert server.process.wait(30) == 0


@pytest.mark.parametrize("credential", ["pk_0", "", "nonsense"])
def test_a_query_without_a_valid_key_is_refused(settled: Penstock, credential: str) -> None:
    done = settled.run("query", QUESTION, "--purpose", "employee-support", "--key", "-", given=credential)
    assert (done.code, done.out) == (2, "")
    assert "no valid credential" in done.err
