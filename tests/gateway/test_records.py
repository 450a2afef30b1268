"""The command that writes the records of processing."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.exits import FINDINGS
from gateway.cli.shell import Run, operator
from gateway.settings import encode_master_key
from policies.errors import PenstockError, RefusedError
from policies.records import words
from policies.records.checklists import UK_ITEMS
from policies.records.dpia import RISKS
from tests import catalogs
from tests.indexer.workbench import MASTER_KEY, Bench, text
from tests.policies.records.known import FULL

Command = Callable[..., Result]


@pytest.fixture
def export(bench: Bench) -> Command:
    """`penstock records export` on a home that is open here too."""
    environment = {
        "PENSTOCK_HOME": str(bench.home.root),
        "PENSTOCK_MASTER_KEY": encode_master_key(MASTER_KEY),
        "PENSTOCK_MASTER_KEY_FILE": "",
        **catalogs.environment(bench.home.root),
    }
    runner = CliRunner(env=environment)

    def run(*arguments: str | Path) -> Result:
        return cast("Result", runner.invoke(build(), ["records", "export", *map(str, arguments)], obj=Run()))

    return run


def _refusal(result: Result) -> PenstockError:
    assert isinstance(result.exception, RefusedError), result.exception
    return result.exception


def test_an_export_is_written_named_and_audited(bench: Bench, export: Command, tmp_path: Path) -> None:
    bench.origin.files = {"a.md": text("Leave", "Ask zed@example.org.")}
    bench.sync(bench.apply(FULL))
    folder = tmp_path / "new" / "records"
    result = export(folder)
    assert (result.exit_code, result.stderr) == (0, "")
    names = [
        "data-flow.mmd",
        "data-flow.svg",
        "dpia-input-hr-handbook.md",
        "flow-checklist-hr-handbook.md",
        "record-of-processing-ico.csv",
        "record-of-processing-ico.md",
        "records.json",
        "uk-checklist.md",
    ]
    assert result.stdout.splitlines() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    record = bench.audit()[-1]
    assert (record.action, record.actor, record.objects) == ("records.exported", operator(), '["hr-handbook"]')
    plain = (folder / "records.json").read_bytes()
    assert json.loads(record.detail) == {
        "documents": 8,
        "gaps": 0,
        "records_sha256": hashlib.sha256(plain).hexdigest(),
    }
    seen = json.loads(plain)["sources"][0]["observed"]
    assert (seen["documents"], seen["redactions"]) == ({"indexed": 1, "quarantined": 0}, {"EMAIL_ADDRESS": 1})
    assert (folder / "record-of-processing-ico.csv").read_bytes().count(b"\r\n") == 2


def test_gaps_are_told_and_end_with_the_code_of_findings(bench: Bench, export: Command, tmp_path: Path) -> None:
    bench.apply()
    result = export(tmp_path / "records")
    assert result.exit_code == FINDINGS
    assert "hr-handbook: GAP: the data protection officer, or that there is none (policy.record.dpo)" in result.stderr
    assert json.loads(bench.audit()[-1].detail)["gaps"] == len(result.stderr.splitlines())


def test_only_the_sources_that_are_named_are_exported(bench: Bench, export: Command, tmp_path: Path) -> None:
    bench.apply(FULL)
    bench.apply(FULL, ("source: hr-handbook", "source: other"))
    assert export(tmp_path / "one", "--source", "other").exit_code == 0
    assert bench.audit()[-1].objects == '["other"]'
    assert not (tmp_path / "one" / "flow-checklist-hr-handbook.md").exists()
    assert export(tmp_path / "all").exit_code == 0
    assert bench.audit()[-1].objects == '["hr-handbook","other"]'


def test_an_unknown_source_is_refused(bench: Bench, export: Command, tmp_path: Path) -> None:
    bench.apply(FULL)
    assert "No source 'nobody' is registered." in str(_refusal(export(tmp_path / "records", "--source", "nobody")))
    assert not (tmp_path / "records").exists()


def test_a_home_without_sources_has_no_records(export: Command, tmp_path: Path) -> None:
    assert "No source is registered." in str(_refusal(export(tmp_path / "records")))


def test_nothing_is_overwritten_and_nothing_is_written_into_the_home(
    bench: Bench, export: Command, tmp_path: Path
) -> None:
    bench.apply(FULL)
    before = len(bench.audit())
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine", "utf-8")
    (tmp_path / "file").write_text("mine", "utf-8")
    assert "is not an empty folder" in str(_refusal(export(tmp_path / "taken")))
    assert "is not an empty folder" in str(_refusal(export(tmp_path / "file")))
    assert "lies in the home" in str(_refusal(export(bench.home.root / "records")))
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine.txt"]
    assert len(bench.audit()) == before


def test_a_folder_that_cannot_be_made_is_told_after_the_act_was_audited(
    bench: Bench, export: Command, tmp_path: Path
) -> None:
    bench.apply(FULL)
    (tmp_path / "file").write_text("mine", "utf-8")
    assert "could not be written" in str(_refusal(export(tmp_path / "file" / "records")))
    assert bench.audit()[-1].action == "records.exported"


def test_a_key_without_the_role_exports_nothing(bench: Bench, export: Command, tmp_path: Path) -> None:
    bench.apply(FULL)
    (tmp_path / "key").write_text("pk_0", "ascii")
    assert isinstance(export(tmp_path / "records", "--key", tmp_path / "key").exception, PenstockError)
    assert not (tmp_path / "records").exists()


def test_every_command_that_a_record_names_exists() -> None:
    said = [risk.shown_by for risk in RISKS] + [item.shown_by for item in UK_ITEMS]
    said += [text for both in words.PHRASES.values() for text in both]
    named = {match[1] for text in said for match in re.finditer(r"penstock ((?:[a-z][a-z-]* ?){1,2})", text)}
    cli: Any = get_command(build())
    known = {name: getattr(command, "commands", {}) for name, command in cli.commands.items()}
    assert {"purge plan", "audit verify", "explain"} <= {name.strip() for name in named}
    for name in sorted(named):
        first, *rest = name.split()
        assert not known[first] or rest[0] in known[first], name
