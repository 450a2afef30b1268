"""Commands that ask for jobs, look at them and steer them, on a home whose jobs nobody runs."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.doctor import Checked, look_inside
from gateway.cli.exits import INTEGRITY, REFUSED, RETRY
from gateway.cli.running import MAX_NAMED, carry_out
from gateway.cli.shell import Run, operator
from gateway.settings import encode_master_key
from gateway.wiring import Installation
from indexer import joblog
from indexer.database import Database
from indexer.joblog import Failure, Job, JobId, JobKind, JobState
from indexer.keyring import Keyring
from policies.errors import ConflictError, PenstockError, RefusedError
from policies.manifest import Source
from policies.model import Action, SourceName
from tests.gateway.shells import environment_of
from tests.indexer.test_sync import MIRRORED
from tests.indexer.workbench import NOW, Bench, text

SOURCE = SourceName("hr-handbook")
NEEDLE = "NEEDLE-7f3a"


@dataclass
class Shell:
    """Commands on the home of a bench."""

    bench: Bench
    source: Source
    environment: dict[str, str]

    def run(self, *arguments: str) -> Result:
        return cast("Result", CliRunner(env=self.environment).invoke(build(), arguments, obj=Run()))

    def must(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.stdout)

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - the tests know what a command prints
        return json.loads(self.must(*arguments, "--json"))

    def refused(self, *arguments: str) -> PenstockError:
        """What a command is refused with."""
        error = self.run(*arguments).exception
        assert isinstance(error, PenstockError), error
        return error

    def queued(self) -> str:
        (job,) = self.json("sync", SOURCE, "--queue")
        return str(job["job"])


@pytest.fixture
def shell(bench: Bench) -> Shell:
    return Shell(bench=bench, source=bench.apply(), environment=environment_of(bench))


def test_a_sync_can_be_left_to_a_worker(shell: Shell) -> None:
    (job,) = shell.json("sync", SOURCE, "--queue", "--confirm")
    assert (job["kind"], job["source"], job["state"]) == ("sync", SOURCE, "queued")
    assert job["options"] == {"confirm_deletes": True, "retry_quarantined": False}
    assert job["actor"] == operator()
    assert [record.action for record in shell.bench.audit()][-1] == Action.JOB_ASKED
    assert shell.json("jobs") == [{name: job[name] for name in shell.json("jobs")[0]}]


@pytest.mark.parametrize("command", ["rebuild", "permissions"])
def test_other_work_can_be_left_to_a_worker_too(shell: Shell, command: str) -> None:
    (job,) = shell.json(command, SOURCE, "--queue")
    assert (job["kind"], job["options"]) == (command, {})


def test_a_check_of_the_whole_home_can_be_left_to_a_worker(shell: Shell) -> None:
    (job,) = shell.json("verify", "--queue")
    assert (job["kind"], job["source"]) == ("verify", "")
    assert shell.json("jobs", job["job"][:0] or "list")[0]["job"] == job["job"]
    assert "does not repair" in shell.refused("verify", "--queue", "--repair").message


def test_what_is_open_already_is_said_and_keeps_no_other_from_being_asked_for(shell: Shell) -> None:
    job = shell.queued()
    result = shell.run("sync", SOURCE, "--queue")
    assert result.exit_code == RETRY
    assert f"{SOURCE}: error: A sync of '{SOURCE}' is queued already: job {job}." in result.stderr


@pytest.mark.parametrize("arguments", [(), ("list",), (SOURCE,), ("list", SOURCE), ("--limit", "5")])
def test_jobs_are_listed_whether_list_is_said_or_not(shell: Shell, arguments: tuple[str, ...]) -> None:
    job = shell.queued()
    assert [listed["job"] for listed in shell.json("jobs", *arguments)] == [job]
    assert job in shell.must("jobs", *arguments)


def test_a_list_without_jobs_says_so(shell: Shell) -> None:
    assert shell.run("jobs").stderr == "There is no job.\n"
    assert shell.json("jobs") == []


@pytest.mark.parametrize(
    "arguments",
    [("jobs", "ghosts"), ("jobs", "list", "ghosts"), ("quarantine", "list", "ghosts"), ("rebuild", "ghosts"),
     ("quarantine", "retry", "ghosts"), ("sync", "ghosts", "--queue"), ("permissions", "ghosts", "--queue")],
)  # fmt: skip
def test_a_source_that_is_not_there_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell.refused(*arguments).message == "No source 'ghosts' is registered."


@pytest.mark.parametrize("verb", ["show", "pause", "resume", "cancel"])
@pytest.mark.parametrize("job", ["0" * 24, "", "\x1b[2J", "\udcff", "a" * 10_000])
def test_a_job_that_is_not_there_is_refused(shell: Shell, verb: str, job: str) -> None:
    assert "There is no job" in shell.refused("jobs", verb, job).message


def test_a_job_is_paused_resumed_and_cancelled_and_the_audit_says_by_whom(shell: Shell) -> None:
    job = shell.queued()
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        shell.must("jobs", verb, job)
        assert shell.json("jobs", "show", job)["state"] == state
    records = shell.bench.audit()[-3:]
    assert [record.action for record in records] == [Action.JOB_PAUSED, Action.JOB_RESUMED, Action.JOB_CANCELLED]
    assert {record.actor for record in records} == {operator()}
    assert isinstance(shell.refused("jobs", "cancel", job), ConflictError)
    assert isinstance(shell.refused("jobs", "resume", job), ConflictError)


def ended(shell: Shell, state: JobState, error: PenstockError | None = None, **notes: object) -> JobId:
    """A sync that looked at 4 documents in 2 seconds."""
    job, bench = JobId(shell.queued()), shell.bench
    with bench.database.writing() as session:
        joblog.start(session, job, now=NOW)
        joblog.end_listing(session, job, 4, notes)
        joblog.count(session, job, {"indexed": 3, "quarantined": 1, "reason:empty": 1}, done=4)
        joblog.end(session, job, state, now=NOW + timedelta(seconds=2), error=error)
    return job


def test_a_job_is_shown_with_what_became_of_documents_and_why_it_failed(shell: Shell) -> None:
    job = ended(shell, JobState.FAILED, RefusedError("The origin refuses.", mend="Mend the key."))
    shown = shell.must("jobs", "show", job)
    assert f"{job}: sync {SOURCE}, failed, 4 of 4 documents, 2.0/s" in shown
    assert "  indexed: 3\n  quarantined: 1\n  reason:empty: 1\n" in shown
    assert "refused: The origin refuses. Mend the key." in shown
    assert shell.json("jobs")[0]["failure"] == {
        "code": "refused", "message": "The origin refuses.", "mend": "Mend the key.",
    }  # fmt: skip


def test_the_status_of_a_source_tells_what_is_being_done_and_how_the_last_sync_ended(shell: Shell) -> None:
    ended(shell, JobState.FINISHED)
    job = shell.queued()
    shown = shell.must("status", SOURCE)
    assert f"{SOURCE}: sync queued, 0 documents, job {job}\n" in shown
    assert f"{SOURCE}: last sync finished at {NOW:%Y-%m-%d %H:%M} UTC\n" in shown
    assert "permissions" not in shown
    (standing,) = shell.json("status", SOURCE)
    assert [open_job["job"] for open_job in standing["jobs"]] == [job]
    assert (standing["last_sync"]["state"], standing["mirrored_at"]) == ("finished", None)


def test_the_status_of_a_source_tells_how_old_its_mirrored_permissions_are(shell: Shell) -> None:
    source = shell.bench.apply(MIRRORED)
    assert f"{SOURCE}: permissions of the origin not known yet\n" in shell.must("status", SOURCE)
    shell.bench.mirror(source)
    assert re.search(rf"^{SOURCE}: permissions of the origin .*\d+:\d\d:\d\d old$", shell.must("status"), re.MULTILINE)
    assert shell.json("status")[0]["mirrored_at"] == NOW.isoformat()


def test_a_sync_that_is_interrupted_says_how_to_go_on(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(FakeWorker):
        def run(self, *_: object, **__: object) -> Job:
            raise KeyboardInterrupt

    class Opened(FakeInstallation):
        @contextmanager
        def worker(self) -> Iterator[FakeWorker]:
            yield Interrupted([])

    opened = cast("Installation", Opened([], shell.bench.database, shell.bench.keyring))
    with pytest.raises(KeyboardInterrupt):
        carry_out(opened, JobKind.SYNC, [SOURCE], {}, queue=False)
    assert "The same command goes on with it." in capsys.readouterr().err


def looked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> dict[str, Checked]:
    """What the doctor finds in the home."""
    for name, value in shell.environment.items():
        monkeypatch.setenv(name, value)
    return {checked.what: checked for checked in look_inside(None)}


def test_the_doctor_looks_at_the_home_its_databases_and_its_workers(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked(shell, monkeypatch)
    assert {what: checked.ok for what, checked in found.items()} == {
        "home and master key": True, "catalog": True, "clock": True, "jobs": True, "workers": False,
    }  # fmt: skip
    assert found["workers"].detail == f"No worker is alive to follow the schedules of {SOURCE}."
    assert found["catalog"].detail.endswith(" answers, 1 sources")
    assert found["jobs"].detail.endswith(", 0 open jobs")


def test_the_doctor_says_when_a_worker_is_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.bench.apply(('schedule: {sync: "*/15 * * * *"}', "schedule: {}"))
    assert looked(shell, monkeypatch)["workers"].detail == "none is alive, none is needed"
    job = shell.queued()
    assert looked(shell, monkeypatch)["workers"].detail == "No worker is alive, and 1 jobs wait for one."
    shell.must("jobs", "pause", job)
    assert looked(shell, monkeypatch)["workers"].ok


def test_the_doctor_finds_one_fault_where_the_home_does_not_open(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.environment["PENSTOCK_MASTER_KEY"] = encode_master_key(b"x" * 32)
    ((what, checked),) = looked(shell, monkeypatch).items()
    assert (what, checked.ok) == ("home and master key", False)
    assert checked.mend


def quarantined(shell: Shell) -> dict[str, str]:
    """Documents in quarantine, two of them for one reason; their ids by name."""
    bench = shell.bench
    bench.origin.files = {
        "leave.md": text("Leave", "Everyone has some."),
        "a.pdf": text("!encrypted"),
        f"{NEEDLE}\x1b[2J.pdf": text("!encrypted"),
        "empty.md": text("!fault"),
    }
    for name in bench.origin.files:
        if name != "leave.md":
            content = bench.origin.files[name].content.removeprefix(b"# ")
            bench.origin.files[name] = replace(bench.origin.files[name], content=content)
    bench.sync(shell.source)
    return {name: bench.id(shell.source, name) for name in bench.origin.files if name != "leave.md"}


def test_the_quarantine_is_listed_with_reason_stage_mend_and_the_way_out(shell: Shell) -> None:
    ids = quarantined(shell)
    rows = shell.json("quarantine", "list")
    assert {row["document"]: row["reason"] for row in rows} == {
        ids["a.pdf"]: "encrypted", ids[f"{NEEDLE}\x1b[2J.pdf"]: "encrypted", ids["empty.md"]: "internal_error",
    }  # fmt: skip
    for row in rows:
        assert row["stage"]
        assert row["mend"]
        assert row["retry"] == f"penstock quarantine retry {SOURCE} {row['document']}"
    (only,) = shell.json("quarantine", "list", SOURCE, "--reason", "internal_error")
    assert only["origin_id"] == "empty.md"
    shown = shell.must("quarantine", "list", SOURCE)
    assert "\x1b" not in shown
    assert ids["a.pdf"] in shown
    assert [line.partition(": ")[2] for line in shown.splitlines()].count(rows[0]["mend"]) == 1
    assert shell.json("quarantine", "list", "--reason", "ghosts") == []


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ((), {"a.pdf", "empty.md", f"{NEEDLE}\x1b[2J.pdf"}),
        (("a.pdf",), {"a.pdf"}),
        (("a.pdf", "a.pdf", "empty.md"), {"a.pdf", "empty.md"}),
        (("--reason", "internal_error"), {"empty.md"}),
        (("a.pdf", "empty.md", "--reason", "encrypted"), {"a.pdf"}),
    ],
)
def test_those_that_are_meant_are_retried_and_the_audit_names_them(
    shell: Shell, arguments: tuple[str, ...], meant: set[str]
) -> None:
    ids = quarantined(shell)
    shell.must("quarantine", "retry", SOURCE, *arguments, "--queue")
    retried = {row["document"] for row in shell.json("quarantine", "list") if row["reason"] == "retried"}
    assert retried == {ids[name] for name in meant}
    (record,) = [record for record in shell.bench.audit() if record.action == Action.QUARANTINE_RETRIED]
    assert set(json.loads(record.objects)) == {SOURCE} | retried
    assert record.actor == operator()
    assert NEEDLE not in record.objects + record.detail
    assert [job["kind"] for job in shell.json("jobs") if job["state"] == "queued"] == ["sync"]


def test_a_document_can_be_named_by_its_id(shell: Shell) -> None:
    ids = quarantined(shell)
    shell.must("quarantine", "drop", SOURCE, ids["a.pdf"], "--yes")
    by_id = {row["document"]: (row["reason"], row["origin_id"]) for row in shell.json("quarantine", "list")}
    assert by_id[ids["a.pdf"]] == ("dropped", "")
    assert by_id[ids["empty.md"]] == ("internal_error", "empty.md")
    (record,) = [record for record in shell.bench.audit() if record.action == Action.QUARANTINE_DROPPED]
    assert json.loads(record.objects) == [SOURCE, ids["a.pdf"]]


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize(
    "arguments", [("leave.md",), ("ghost.md",), ("--reason", "ghosts"), ("a.pdf", "--reason", "empty"), ("a.pdf", "x")]
)
def test_what_is_not_in_the_quarantine_is_refused_and_nothing_is_done(
    shell: Shell, command: str, arguments: tuple[str, ...]
) -> None:
    quarantined(shell)
    before = shell.json("quarantine", "list")
    options = ("--yes",) if command == "drop" else ("--queue",)
    assert "the quarantine of" in shell.refused("quarantine", command, SOURCE, *arguments, *options).message
    assert shell.json("quarantine", "list") == before


def test_nothing_is_dropped_unasked_or_without_saying_what(shell: Shell) -> None:
    quarantined(shell)
    before = shell.json("quarantine", "list")
    assert "no terminal" in shell.refused("quarantine", "drop", SOURCE, "a.pdf").message
    assert "which documents" in shell.refused("quarantine", "drop", SOURCE, "--yes").message
    assert shell.json("quarantine", "list") == before


def test_the_quarantine_of_a_source_at_work_is_left_alone(shell: Shell) -> None:
    quarantined(shell)
    with shell.bench.database.exclusive(SOURCE):
        assert isinstance(shell.refused("quarantine", "drop", SOURCE, "a.pdf", "--yes"), ConflictError)


@dataclass
class FakeWorker:
    """Tells of the states that a job goes through, and ends with the last."""

    states: list[Job]

    def run(
        self,
        kind: JobKind,
        source: SourceName,
        *,
        actor: str,
        options: Mapping[str, bool],
        watch: Callable[[Job], None],
    ) -> Job:
        assert (kind, source, actor, options) == (JobKind.SYNC, SOURCE, operator(), {})
        for state in self.states:
            watch(state)
        return self.states[-1]


@dataclass
class FakeInstallation:
    """As much of an installation as it takes to run a job."""

    states: list[Job]
    database: Database
    keyring: Keyring

    @contextmanager
    def worker(self) -> Iterator[FakeWorker]:
        yield FakeWorker(self.states)


def a_job(state: JobState, *, failure: Failure | None = None, **changes: object) -> Job:
    plain = Job(
        id=JobId("1" * 24), kind=JobKind.SYNC, source=SOURCE, actor="x", options={}, state=state, asked_at=NOW,
        started_at=NOW, ended_at=NOW, total=None, done=0, tally={}, notes={}, failure=failure, key=None,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def carried(shell: Shell, *states: Job) -> int:
    opened = FakeInstallation(states=list(states), database=shell.bench.database, keyring=shell.bench.keyring)
    jobs, code = carry_out(cast("Installation", opened), JobKind.SYNC, [SOURCE], {}, queue=False)
    assert jobs == [states[-1]]
    return code


@pytest.mark.parametrize(
    ("state", "code_of_failure", "exit_code", "said"),
    [
        (JobState.FINISHED, None, 0, ""),
        (JobState.FAILED, "unavailable", RETRY, f"{SOURCE}: error: Message. Mend.\n"),
        (JobState.FAILED, "conflict", RETRY, f"{SOURCE}: error: Message. Mend.\n"),
        (JobState.FAILED, "refused", REFUSED, f"{SOURCE}: error: Message. Mend.\n"),
        (JobState.FAILED, "integrity", INTEGRITY, f"{SOURCE}: error: Message. Mend.\n"),
        (JobState.HELD, "refused", REFUSED, f"{SOURCE}: held: Message.\nMend.\n"),
        (JobState.PAUSED, None, RETRY, f"{SOURCE}: paused. To go on: penstock jobs resume {'1' * 24}\n"),
        (JobState.CANCELLED, None, RETRY, f"{SOURCE}: cancelled. What was stored is kept.\n"),
    ],
)
def test_the_end_of_a_job_is_the_end_of_its_command(
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    state: JobState,
    code_of_failure: str | None,
    exit_code: int,
    said: str,
) -> None:
    failure = Failure(code=code_of_failure, message="Message.", mend="Mend.") if code_of_failure else None
    assert carried(shell, a_job(state, failure=failure)) == exit_code
    assert capsys.readouterr().err == said


def test_a_held_sync_names_the_documents_that_would_go_and_says_how_to_confirm(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = shell.bench
    bench.origin.files = {f"{number:03}.md": text("Leave", str(number)) for number in range(MAX_NAMED + 5)}
    bench.sync(shell.source)
    ids = sorted(bench.documents(shell.source))
    capsys.readouterr()
    failure = Failure(code="refused", message="25 of 25 are gone.", mend="Run: penstock sync --confirm")
    held = a_job(JobState.HELD, failure=failure, notes={"would_remove": ids}, tally={"would_remove": len(ids)})
    assert carried(shell, held) == REFUSED
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{SOURCE}: held: 25 of 25 are gone."
    assert lines[1:-2] == [f"  {number:03}.md" for number in range(MAX_NAMED)]
    assert lines[-2:] == ["  and 5 more", "Run: penstock sync --confirm"]


def test_without_a_terminal_a_job_tells_ten_times_how_far_it_is(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    running = [a_job(JobState.RUNNING, total=100, done=done, ended_at=None) for done in range(100)]
    carried(shell, a_job(JobState.QUEUED), *running, running[5], a_job(JobState.FINISHED, total=100, done=100))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{SOURCE}: {tens}0 of 100 documents" for tens in range(1, 11)]
    assert all(line.endswith(" left") and "/s, " in line for line in lines[:-1])


def test_a_conflict_with_a_live_job_is_said(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    class Refused(FakeWorker):
        def run(self, *_: object, **__: object) -> Job:
            raise ConflictError("One is open.", mend="Wait.")

    class Refusing(FakeInstallation):
        @contextmanager
        def worker(self) -> Iterator[FakeWorker]:
            yield Refused([])

    opened = cast("Installation", Refusing([], shell.bench.database, shell.bench.keyring))
    assert carry_out(opened, JobKind.SYNC, [SOURCE], {}, queue=False) == ([], RETRY)
    assert capsys.readouterr().err == f"{SOURCE}: error: One is open. Wait.\n"


def test_a_purge_can_be_left_to_a_worker_which_writes_no_file(shell: Shell, tmp_path: Path) -> None:
    shell.bench.origin.files = {"leave.md": text("Leave", "Everyone has some.")}
    shell.bench.sync(shell.source)
    (job,) = shell.json("purge", "run", SOURCE, "--queue", "--yes")
    assert (job["kind"], job["source"], job["state"], job["options"]) == ("purge", SOURCE, "queued", {})
    assert shell.run("purge", "run", SOURCE, "--queue", "--yes").exit_code == RETRY
    folder = tmp_path / "receipts"
    refused = shell.refused("purge", "run", SOURCE, "--queue", "--yes", "--receipt-dir", str(folder))
    assert "writes no file" in refused.message
    assert not folder.exists()
