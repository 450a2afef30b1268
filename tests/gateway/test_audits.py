"""The commands of an auditor, and of whoever holds the keys."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import Result
from sqlalchemy import text as sql
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.exits import FINDINGS
from gateway.cli.shell import Run
from gateway.settings import encode_master_key
from gateway.wiring import clock
from indexer import anchors, sqlite
from indexer.keyring import Keyring
from indexer.master import LocalMasterKey
from indexer.seal import Key
from policies import ledger
from policies.errors import IntegrityError, PenstockError, RefusedError, SettingsError
from policies.model import Action, AuditEvent, SourceName
from tests.gateway.shells import environment_of
from tests.indexer.workbench import Bench

DOCUMENT = "d" * 32


@dataclass(frozen=True)
class Shell:
    """Commands on a home that is open here too."""

    bench: Bench
    environment: Mapping[str, str]

    def run(self, *arguments: str | Path, **environment: str) -> Result:
        runner = CliRunner(env={**self.environment, **environment})
        return cast("Result", runner.invoke(build(), list(map(str, arguments)), obj=Run()))

    def must(self, *arguments: str | Path, **environment: str) -> str:
        result = self.run(*arguments, **environment)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.stdout)

    def json(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - the tests know what a command prints
        return json.loads(self.must(*arguments, "--json"))

    def refused(self, *arguments: str | Path) -> PenstockError:
        error = self.run(*arguments).exception
        assert isinstance(error, PenstockError), error
        return error

    def found(self, *arguments: str | Path) -> list[str]:
        result = self.run(*arguments)
        assert result.exit_code == FINDINGS, (result.output, result.exception)
        return result.stdout.splitlines()

    def append(self, number: int = 1, **changes: Any) -> None:  # noqa: ANN401 - fields of an event
        fields = {"actor": "caller:ann", "action": Action.RETRIEVED, "objects": ("r1",)} | changes
        with self.bench.database.writing() as session:
            for _ in range(number):
                ledger.append(session, AuditEvent(**fields), now=clock())

    def execute(self, statement: str) -> None:
        with self.bench.database.writing() as session:
            session.connection().execute(sql(statement))


@pytest.fixture
def shell(bench: Bench) -> Shell:
    bench.apply()
    made = Shell(bench, environment_of(bench))
    made.append(3)
    return made


@pytest.fixture
def export(shell: Shell, tmp_path: Path) -> Path:
    file = tmp_path / "audit.jsonl"
    shell.must("audit", "export", file)
    return file


def key_of(shell: Shell) -> str:
    return base64.b64encode(shell.bench.keyring.public_key()).decode()


def test_an_export_holds_standing_alone_and_against_its_home(shell: Shell, export: Path) -> None:
    assert len(export.read_bytes().splitlines()) == 5 + 1
    assert '"action":"audit.exported"' in export.read_text("utf-8").splitlines()[-2]
    alone = {"PENSTOCK_HOME": "/nowhere", "PENSTOCK_MASTER_KEY": ""}
    said = shell.must("audit", "verify-export", export, "--key", key_of(shell), **alone)
    assert said.startswith("The export holds: records 1 to 5, ")
    assert key_of(shell) in shell.must("audit", "verify-export", export)
    shell.append(2)
    assert f"It begins with all that was exported to {str(export)!r}." in shell.must(
        "audit", "verify", "--against", export
    )


@pytest.mark.usefixtures("export")
def test_an_export_may_follow_another(shell: Shell, tmp_path: Path) -> None:
    shell.append(2)
    later = tmp_path / "later.jsonl"
    assert shell.json("audit", "export", later, "--after", "5")["records"] == 3
    assert shell.json("audit", "verify-export", later)["head"] == 8
    shell.must("audit", "verify", "--against", later)
    assert "no record 99" in shell.refused("audit", "export", tmp_path / "x", "--after", "99").message


def test_a_chain_that_was_written_anew_by_somebody_with_every_key_shows_against_an_export(
    shell: Shell, export: Path
) -> None:
    shell.execute("DELETE FROM audit WHERE sequence > 2")
    shell.append(5)
    with shell.bench.keyring.database.writing() as session:
        session.connection().execute(sql("DELETE FROM anchor"))
        session.connection().execute(sql("DELETE FROM anchor_count"))
    forge(shell)
    assert "The audit holds" in shell.must("audit", "verify")
    assert shell.found("audit", "verify", "--against", export)[0] == "record 5: is not the record that was anchored"
    shell.execute("DELETE FROM audit WHERE sequence > 2")
    forge(shell)
    assert shell.found("audit", "verify", "--against", export)[0] == (
        "record 3: the end was cut off; record 5 was anchored"
    )


def forge(shell: Shell) -> None:
    """Begin the anchors anew, as somebody can who holds the master key."""
    keyring = shell.bench.keyring
    with keyring.database.writing() as session:
        session.connection().execute(sql("DELETE FROM anchor_count"))
        anchors.begin(session, sign=keyring.sign)


def test_an_export_that_was_edited_or_is_anothers_is_found(shell: Shell, export: Path, tmp_path: Path) -> None:
    raw = export.read_bytes()
    export.write_bytes(raw.replace(b"caller:ann", b"caller:eve"))
    assert "was changed after it was written" in shell.found("audit", "verify-export", export)[0]
    assert "the export does not hold" in shell.found("audit", "verify", "--against", export)[0]
    export.write_bytes(raw)
    other = base64.b64encode(bytes(32)).decode()
    assert shell.found("audit", "verify-export", export, "--key", other)[0] == "it was signed with another key"
    export.write_bytes(b"")
    assert shell.found("audit", "verify-export", export)[-1] == "The export does not hold."
    assert "no public key" in shell.refused("audit", "verify-export", export, "--key", "x").message
    assert "cannot be read" in shell.refused("audit", "verify-export", tmp_path / "none").message


def test_an_export_is_never_written_over_anything_or_into_the_home(shell: Shell, export: Path) -> None:
    before = export.read_bytes()
    assert "FileExistsError" in shell.refused("audit", "export", export).message
    assert export.read_bytes() == before
    assert "inside the home" in shell.refused("audit", "export", shell.bench.home.root / "audit.jsonl").message


def test_a_chain_that_does_not_hold_is_not_exported(shell: Shell, tmp_path: Path) -> None:
    shell.execute("UPDATE audit SET actor = 'caller:eve' WHERE sequence = 3")
    assert isinstance(shell.refused("audit", "export", tmp_path / "audit.jsonl"), IntegrityError)
    assert not (tmp_path / "audit.jsonl").exists()


@pytest.mark.only("sqlite")
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 3", "record 3: cannot be read as text"),
        ("UPDATE audit SET actor = x'00' WHERE sequence = 3", "record 3: was changed after it was written"),
        ("DELETE FROM audit WHERE sequence = 3", "record 3: records are missing"),
    ],
)
def test_what_was_done_to_the_audit_is_found_by_the_command(shell: Shell, statement: str, found: str) -> None:
    shell.execute(statement)
    assert shell.found("audit", "verify")[0].startswith(found)


def test_anchors_that_were_taken_away_are_found_by_the_command(shell: Shell) -> None:
    with shell.bench.keyring.database.writing() as session:
        session.connection().execute(sql("DELETE FROM anchor"))
    assert shell.found("audit", "verify")[0].startswith("anchors were taken away: there were 1")


def test_a_keyring_from_before_a_purge_is_found(shell: Shell) -> None:
    shell.append(action=Action.PURGE_TOMBSTONED, objects=("hr-handbook", "p1", "d" * 32))
    assert "an older keyring was put back" in shell.found("audit", "verify")[0]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (("--document", DOCUMENT), 2),
        (("--document", DOCUMENT, "--actor", "caller:bob"), 1),
        (("--document", "leave.md", "--source", "hr-handbook"), 1),
        (("--source", "hr-handbook"), 2),
        (("--actor", "caller:bob"), 2),
        (("--action", "retrieved"), 6),
        (("--since", "2100-01-01"), 0),
        (("--until", "2100-01-01"), 7),
        (("--since", "2026-01-01", "--until", "2026-01-02"), 0),
        ((), 7),
    ],
)
def test_an_auditor_finds_who_was_given_a_document(shell: Shell, wanted: tuple[str, ...], number: int) -> None:
    shell.append(objects=("r2", DOCUMENT), detail={"sources": ["hr-handbook"]}, actor="caller:bob")
    shell.append(objects=("r3", DOCUMENT))
    leave = shell.bench.keyring.document_id(SourceName("hr-handbook"), "leave.md")
    shell.append(objects=("r4", leave), actor="caller:bob")
    assert len(shell.json("audit", "show", *wanted)) == number


def test_a_documents_name_at_its_origin_needs_its_source(shell: Shell) -> None:
    assert "--source" in shell.refused("audit", "show", "--document", "leave.md").mend


def key_file_of(path: Path) -> LocalMasterKey:
    return LocalMasterKey(Key(base64.b64decode(path.read_bytes())))


def test_a_rotation_makes_a_master_key_and_is_on_record(shell: Shell, tmp_path: Path) -> None:
    new = tmp_path / "new.key"
    result = shell.run("keyring", "rotate", "--to", new)
    assert result.exit_code == 0, result.exception
    assert f"The master key is {str(new)!r} now" in result.stderr
    assert new.stat().st_mode & 0o777 == 0o600
    assert isinstance(shell.refused("status"), SettingsError)
    shell.must("status", PENSTOCK_MASTER_KEY="", PENSTOCK_MASTER_KEY_FILE=str(new))
    Keyring(shell.bench.keyring.path, key_file_of(new)).close()
    begun, finished = [record for record in shell.bench.audit() if record.action == Action.KEYRING_ROTATED]
    assert json.loads(begun.detail) == {"stage": "begun", "master_key": "file"}
    assert json.loads(finished.detail) == {"stage": "finished", "master_key": "file", "keys": 3, "swept": True}


def test_a_rotation_ends_where_the_keyring_cannot_be_written_anew_and_says_so(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=0)))
    new = tmp_path / "new.key"
    result = shell.run("keyring", "rotate", "--to", new)
    assert result.exit_code == 0, result.exception
    assert "may stay in it until the next purge or rotation" in result.stderr
    assert f"The master key is {str(new)!r} now" in result.stderr
    finished = [record for record in shell.bench.audit() if record.action == Action.KEYRING_ROTATED][-1]
    assert json.loads(finished.detail)["swept"] is False


def test_a_rotation_that_was_stopped_goes_on_with_the_file_it_made(shell: Shell, tmp_path: Path) -> None:
    new = tmp_path / "new.key"
    new.write_text(encode_master_key(b"n" * 32))
    new.chmod(0o600)
    shell.must("keyring", "rotate", "--to", new)
    Keyring(shell.bench.keyring.path, LocalMasterKey(Key(b"n" * 32))).close()


def test_a_rotation_can_keep_the_master_key(shell: Shell) -> None:
    shell.must("keyring", "rotate")
    shell.must("status")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "{home}/new.key"), "inside the home"),
        (("--to", "{tmp}/empty.key"), "is not 32 bytes"),
        (("--to-kms", "nobody-offers-this:x"), "No key service is called"),
        (("--to-kms", "vault"), "not named as it must be"),
        (("--to", "{tmp}/new.key", "--to-kms", "vault:x"), "two master keys"),
    ],
)
def test_a_rotation_to_nothing_that_can_be_relied_on_is_refused_and_changes_nothing(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty.key").touch(0o600)
    filled = [argument.format(home=shell.bench.home.root, tmp=tmp_path) for argument in arguments]
    error = shell.refused("keyring", "rotate", *filled)
    assert isinstance(error, RefusedError)
    assert said in error.message
    shell.must("status")
    assert not [record for record in shell.bench.audit() if record.action == Action.KEYRING_ROTATED]
