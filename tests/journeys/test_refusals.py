"""What is refused says what is wrong and how to mend it, changes nothing, and ends with the code of a refusal."""

import base64
import json
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from indexer.database import Database
from tests import catalogs
from tests.journeys.nursery import Nursery
from tests.journeys.penstock import Penstock

REFUSED, RETRY = 2, 3


def test_a_manifest_with_errors_is_told_line_by_line(settled: Penstock, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    lines = settled.manifest.read_text("utf-8").replace("  regime: uk-gdpr", "  regime: mars").splitlines()
    bad.write_text("\n".join([*lines, "colour: blue"]), "utf-8")
    done = settled.run("check", bad)
    assert (done.code, done.out) == (REFUSED, "")
    assert f"{bad}:9: policy.regime: " in done.err
    assert f"{bad}:{len(lines) + 1}: colour: " in done.err
    assert done.err.endswith("2 to mend.\n")


def test_errors_of_manifests_can_be_read_by_scripts(settled: Penstock, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("source: notes\n", "utf-8")
    done = settled.run("check", bad, settled.manifest, "--json")
    assert done.code == REFUSED
    assert done.json()["sources"] == ["notes"]
    assert {error["key"] for error in done.json()["errors"]} == {"title", "owner", "connector", "policy"}
    assert {(error["path"], bool(error["mend"])) for error in done.json()["errors"]} == {(str(bad), True)}


def test_an_option_no_connector_has_is_an_error_of_the_manifest(settled: Penstock, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(settled.manifest.read_text("utf-8").replace("root: documents", "root: documents, depth: 3"), "utf-8")
    done = settled.run("check", bad)
    assert done.code == REFUSED
    assert f"{bad}:6: connector: " in done.err


def test_two_manifests_for_one_source_are_refused_and_neither_is_applied(penstock: Penstock, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(penstock.manifest.read_text("utf-8").replace("title: Notes", "title: Others"), "utf-8")
    done = penstock.run("apply", penstock.manifest, other, "--yes")
    assert done.code == REFUSED
    assert f"{other}:1: source: " in done.err
    assert "title: Notes → Others" in penstock.must("plan", other).out


def test_nothing_is_applied_without_a_terminal_to_ask_at(penstock: Penstock) -> None:
    changed = penstock.manifest.read_text("utf-8").replace("title: Notes", "title: Others")
    penstock.manifest.write_text(changed, "utf-8")
    done = penstock.run("apply", penstock.manifest)
    assert done.code == REFUSED
    assert "--yes" in done.err
    assert "title: Notes → Others" in penstock.must("plan", penstock.manifest).out


@pytest.mark.parametrize(
    "command", [("sync", "ghosts"), ("purge", "plan", "ghosts"), ("status", "ghosts"), ("purge", "run", "ghosts")]
)
def test_a_source_that_is_not_registered_is_refused(settled: Penstock, command: tuple[str, ...]) -> None:
    done = settled.run(*command)
    assert (done.code, done.out) == (REFUSED, "")
    assert done.err == "error: No source 'ghosts' is registered. Register it with: penstock apply MANIFEST\n"


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path, nursery: Nursery) -> None:
    done = Penstock(folder=tmp_path, nursery=nursery).run("status")
    assert done.code == REFUSED
    assert "penstock init" in done.err


def test_a_home_is_not_made_over_another(settled: Penstock) -> None:
    before = settled.key_file.read_bytes()
    done = settled.run("init", "--region", "gb")
    assert done.code == REFUSED
    assert "is not empty" in done.err
    assert settled.key_file.read_bytes() == before


def test_a_home_that_cannot_be_made_leaves_no_key_behind(tmp_path: Path, nursery: Nursery) -> None:
    penstock = Penstock(folder=tmp_path, nursery=nursery)
    penstock.home.mkdir()
    (penstock.home / "something").touch()
    assert penstock.run("init", "--region", "gb").code == REFUSED
    assert not penstock.key_file.exists()


def test_a_home_of_a_newer_penstock_is_refused(penstock: Penstock) -> None:
    path = penstock.home / "home.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | {"format": content["format"] + 1}), "utf-8")
    done = penstock.run("status")
    assert done.code == REFUSED
    assert "newer Penstock" in done.err


def test_without_its_master_key_a_home_stays_shut(settled: Penstock, tmp_path: Path) -> None:
    done = settled.run("status", PENSTOCK_MASTER_KEY_FILE=str(tmp_path / "none.key"))
    assert done.code == REFUSED
    assert "cannot be read" in done.err


def test_with_another_master_key_a_home_stays_shut(settled: Penstock, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_bytes(base64.b64encode(bytes(32)))
    other.chmod(0o600)
    done = settled.run("status", PENSTOCK_MASTER_KEY_FILE=str(other))
    assert done.code == REFUSED
    assert "not the one this home was made with" in done.err


def test_a_master_key_inside_the_home_is_refused(penstock: Penstock) -> None:
    inside = penstock.home / "master.key"
    penstock.key_file.rename(inside)
    done = penstock.run("status", PENSTOCK_MASTER_KEY_FILE=str(inside))
    assert done.code == REFUSED
    assert "inside the home" in done.err


def test_a_second_writer_of_a_source_is_asked_to_wait_and_a_sync_waits(penstock: Penstock) -> None:
    with ExitStack() as holding:
        database = Database(catalogs.place(penstock.home / "catalog.db"), [])
        holding.callback(database.close)
        holding.enter_context(database.exclusive("notes"))
        for command in (("purge", "run", "notes"), ("apply", str(penstock.manifest), "--yes")):
            done = penstock.run(*command)
            assert done.code == RETRY
            assert "is being worked on by process" in done.err
        with penstock.process("sync", "notes") as sync:
            with pytest.raises(subprocess.TimeoutExpired):
                sync.wait(5)
            holding.close()
            assert sync.wait(120) == 0


def test_a_port_in_use_is_told_before_anything_is_loaded(settled: Penstock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = settled.run("serve", "--port", str(port))
    assert done.code == REFUSED
    assert f"127.0.0.1 port {port}: Address already in use" in done.err


def test_golden_questions_about_documents_that_are_not_there_are_refused(settled: Penstock, tmp_path: Path) -> None:
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"source": "notes", "query": "Soup?", "documents": ["soup.md"]}), "utf-8")
    done = settled.run("calibrate", "notes", golden)
    assert done.code == REFUSED
    assert "'soup.md'" in done.err


def test_a_golden_question_in_a_language_that_is_not_read_is_refused_by_its_line(
    settled: Penstock, tmp_path: Path
) -> None:
    queries = [f"Where do visitors park car {number}?" for number in range(20)]
    queries.insert(2, "Сколько дней отпуска положено сотрудникам в году?")
    named = {name: ["parking.md"] for name in queries[:8]}
    lines = [{"source": "notes", "query": query, "documents": named.get(query, [])} for query in queries]
    golden = tmp_path / "golden.jsonl"
    golden.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    done = settled.run("calibrate", "notes", golden, "--group", "staff")
    assert done.code == REFUSED
    assert f"1 of 21 questions cannot be redacted: {golden}:3 (a part of it is in a language" in done.err
    golden.write_text("\n".join(map(json.dumps, lines[3:])), "utf-8")
    done = settled.run("calibrate", "notes", golden, "--group", "staff")
    assert done.code == REFUSED
    assert "18 questions, 5 of them with a document that answers it, are too few" in done.err
    assert "Asking" not in done.err


def test_a_source_that_is_not_active_is_not_synced(penstock: Penstock) -> None:
    text = penstock.manifest.read_text("utf-8")
    penstock.manifest.write_text(text.replace("state: active", "state: suspended"), "utf-8")
    penstock.must("apply", penstock.manifest, "--yes")
    done = penstock.run("sync", "notes")
    assert done.code == REFUSED
    assert "suspended" in done.err
    assert "left out" in penstock.must("sync", "--all").err
    assert penstock.status()["indexed"] == 4
