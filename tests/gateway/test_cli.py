import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.secrets import Secrets
from gateway.cli import manifests
from gateway.cli.commands import build
from gateway.cli.exits import FAULT, FINDINGS, INTEGRITY, REFUSED, RETRY, exit_code, exit_code_of
from gateway.cli.manifests import read_all
from gateway.cli.shell import Run, operator, printable
from policies.errors import (
    AuditError,
    ConflictError,
    DependencyError,
    IntegrityError,
    ManifestError,
    PenstockError,
    RefusedError,
    SettingsError,
    UnauthenticatedError,
)
from tests.policies.handbook import TEXT

COMMANDS = {
    ("init",), ("check",), ("plan",), ("apply",), ("sync",), ("status",), ("calibrate",), ("serve",), ("query",),
    ("report",), ("feedback",), ("handoff", "list"), ("handoff", "claim"), ("handoff", "resolve"),
    ("verify",), ("doctor",), ("schema",), ("key", "create"), ("key", "list"), ("key", "revoke"), ("purge", "plan"),
    ("agent", "grant"), ("agent", "list"), ("agent", "revoke"),
    ("purge", "run"), ("purge", "receipts"), ("purge", "check"), ("audit", "verify"), ("audit", "show"),
    ("audit", "export"), ("audit", "verify-export"), ("audit", "clock"), ("keyring", "rotate"),
    ("permissions",), ("rebuild",), ("worker",), ("jobs", "list"), ("jobs", "show"), ("jobs", "pause"),
    ("jobs", "resume"), ("jobs", "cancel"), ("quarantine", "list"), ("quarantine", "retry"), ("quarantine", "drop"),
    ("records", "export"), ("explain",), ("hold", "add"), ("hold", "release"), ("hold", "list"), ("restrict", "add"),
    ("restrict", "lift"), ("restrict", "list"), ("erase", "find"), ("erase", "run"), ("erase", "refuse"),
    ("erase", "lift"), ("redact",), ("reveal",),
}  # fmt: skip
HEAVY = {
    "torch",
    "faiss",
    "unstructured",
    "presidio_analyzer",
    "spacy",
    "sklearn",
    "fastapi",
    "sqlalchemy",
    "numpy",
    "dbos",
}
SCRIPT = Path(sys.executable).with_name("penstock")


def shown(*arguments: str) -> str:
    """What a command prints, in lines wide enough not to be folded."""
    result = CliRunner(env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"}).invoke(build(), arguments, obj=Run())
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_are_these() -> None:
    app = build()
    plain = {(command.name,) for command in app.registered_commands}
    grouped = {
        (group.name, command.name)
        for group in app.registered_groups
        if group.typer_instance
        for command in group.typer_instance.registered_commands
    }
    assert plain | grouped == COMMANDS


def test_the_version_is_that_of_the_package() -> None:
    assert shown("--version") == f"{version('penstock')}\n"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_shows_how_it_is_written(command: tuple[str, ...]) -> None:
    help_text = shown(*command, "--help")
    assert help_text.count("Example: penstock " + " ".join(command)) == 1


def test_the_exit_codes_are_in_the_help() -> None:
    help_text = shown("--help")
    for code in (0, FINDINGS, REFUSED, RETRY, INTEGRITY, FAULT):
        assert f" {code} " in help_text.partition("Exit codes:")[2]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("x", mend="y"), 2),
        (ManifestError("x", mend="y"), 2),
        (SettingsError("x", mend="y"), 2),
        (UnauthenticatedError("x", mend="y"), 2),
        (ConflictError("x", mend="y"), 3),
        (DependencyError("x", mend="y"), 3),
        (AuditError("x", mend="y"), 3),
        (IntegrityError("x", mend="y"), 4),
    ],
)
def test_an_error_ends_a_command_with_the_code_of_its_kind(error: PenstockError, code: int) -> None:
    assert exit_code(error) == code
    assert exit_code_of(error.code) == code


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["check", "{manifest}"], ["schema"]])
def test_what_needs_no_home_imports_no_heavy_library(arguments: list[str], tmp_path: Path) -> None:
    manifest = tmp_path / "handbook.yaml"
    manifest.write_text(TEXT, "utf-8")
    asked = [argument.format(manifest=manifest) for argument in arguments]
    program = (
        "import sys\nfrom gateway.cli import main\n"
        f"sys.argv = ['penstock', *{asked!r}]\n"
        "try:\n    main()\nfinally:\n    print('imported', *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stderr.split()) == set()


@pytest.mark.parametrize("arguments", [["sync", "--colour"], ["fly"], ["key", "create"]])
def test_wrong_usage_ends_with_the_code_of_a_refusal(arguments: list[str]) -> None:
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (REFUSED, "")


def test_a_fault_is_one_line_unless_the_traceback_is_asked_for(tmp_path: Path) -> None:
    program = (
        "import sys, gateway.cli.commands as commands\nfrom gateway.cli import main\n"
        "def fail(): raise ZeroDivisionError('the text of a document')\n"
        "commands.manifests.schema = fail\nsys.argv = ['penstock', *sys.argv[1:]]\nmain()"
    )
    quiet, loud = (
        subprocess.run(
            [sys.executable, "-c", program, *options, "schema"],
            capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        )
        for options in ([], ["--debug"])
    )  # fmt: skip
    assert (quiet.returncode, loud.returncode) == (FAULT, FAULT)
    assert quiet.stderr.count("\n") == 1
    assert "ZeroDivisionError" in quiet.stderr
    assert "the text of a document" not in quiet.stderr
    assert "Traceback" in loud.stderr


def test_the_operator_is_who_runs_the_process_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = operator()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    assert operator() == before
    assert before.startswith("operator:")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain — “text”\nof two lines", "plain — “text”\nof two lines"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\udcff", "\\udcff"),
        ("\r", "\\r"),
    ],
)
def test_what_could_steer_a_terminal_is_written_out(text: str, safe: str) -> None:
    assert printable(text) == safe


def test_the_manifests_of_a_folder_are_read_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(TEXT.replace("hr-handbook", name), "utf-8")
    (tmp_path / "notes.txt").write_text("no manifest", "utf-8")
    found, errors = read_all([tmp_path, tmp_path / "a.yaml"])
    assert ([one.source.name for one in found], errors) == (["a", "b"], [])


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="holds no manifest"):
        read_all([tmp_path])


def test_a_second_manifest_of_a_source_is_an_error_at_its_line(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(TEXT, "utf-8")
    second.write_text(f"# The same source again.\n{TEXT}", "utf-8")
    found, (error,) = read_all([tmp_path])
    assert [one.path for one in found] == [first]
    assert (error.path, error.line, error.key) == (str(second), 2, "source")


def test_an_unknown_connector_is_an_error_of_its_manifest(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(TEXT.replace("kind: filesystem", "kind: telepathy"), "utf-8")
    found, (error,) = read_all([path])
    assert (found, error.line, error.key) == ([], 7, "connector")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector of kind `fake` that has a password."""

    def connector(kind: str, options: Mapping[str, object], *, secrets: Secrets) -> None:
        assert kind == "fake"
        if secrets.read(options["password"], option="password").get_secret_value() == "wrong":
            raise RefusedError("connector.password is wrong.", mend="Mend it.")

    monkeypatch.setattr(manifests, "connector", connector)


def fake_manifest(folder: Path, reference: str) -> Path:
    path = folder / "a.yaml"
    (filesystem,) = (line for line in TEXT.splitlines() if line.startswith("connector:"))
    path.write_text(TEXT.replace(filesystem, f"connector: {{kind: fake, password: {reference}}}"), "utf-8")
    return path


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("reference", ["{env: FAKE_PASSWORD}", "{file: password.txt}"])
def test_a_secret_that_is_not_here_is_a_warning(tmp_path: Path, reference: str) -> None:
    ((one,), errors) = read_all([fake_manifest(tmp_path, reference)])
    assert errors == []
    assert one.warning is not None
    assert (one.warning.line, one.warning.key) == (7, "connector")
    assert "missing or empty" in one.warning.message
    result = CliRunner().invoke(build(), ["check", str(one.path)], obj=Run())
    assert (result.exit_code, "A warning here, an error where it is synced." in result.stderr) == (0, True)
    told = json.loads(CliRunner().invoke(build(), ["check", str(one.path), "--json"], obj=Run()).stdout)
    assert ([warning["key"] for warning in told["warnings"]], told["errors"]) == (["connector"], [])


@pytest.mark.usefixtures("asking")
def test_a_secret_that_is_here_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_manifest(tmp_path, "{env: FAKE_PASSWORD}")
    monkeypatch.setenv("FAKE_PASSWORD", "right")
    assert read_all([path])[0][0].warning is None
    monkeypatch.setenv("FAKE_PASSWORD", "wrong")
    assert [error.message for error in read_all([path])[1]] == ["connector.password is wrong."]


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    "reference", ["hunter2", "{env: hunter-2!}", "{env: ''}", "{env: A, file: b}", "{vault: a}", "{}", "[a]"]
)
def test_a_secret_in_a_manifest_is_an_error(tmp_path: Path, reference: str) -> None:
    found, (error,) = read_all([fake_manifest(tmp_path, reference)])
    assert (found, error.key) == ([], "connector")
    assert "must not be a secret itself" in error.message
    assert "hunter" not in str(error)
