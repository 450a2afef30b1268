"""A clock that was set back shows nothing again: no answer and no act, and it is told how to go on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import build
from gateway.cli.doctor import Checked, look_inside
from gateway.cli.shell import Run
from gateway.settings import encode_master_key
from indexer import erase, protect
from policies import ledger
from policies.errors import AuditError, PenstockError, RefusedError
from policies.manifest import Source
from policies.model import Action, AuditEvent
from policies.orders import OrderKind
from policies.purge import ErasureRequest
from tests import catalogs
from tests.gateway.test_retrieval import STAFF, apply, ask, retrieval
from tests.indexer.copies import copied
from tests.indexer.workbench import ACTOR, MASTER_KEY, MODIFIED, Bench, text

HOUR = timedelta(hours=1)
OLD = replace(text("Leave", "Annual leave days of long ago."), modified=MODIFIED)


@pytest.fixture
def bench(blank: Path, tmp_path: Path) -> Iterator[Bench]:
    with copied(blank, tmp_path / "home") as made:
        made.origin.files = {"leave.md": OLD, "other.md": replace(OLD, modified=None)}
        made.sync(apply(made))
        yield made


def test_what_was_past_its_retention_is_not_shown_again(bench: Bench) -> None:
    bench.clock.now = MODIFIED + timedelta(days=729)
    assert len(ask(bench, STAFF).passages) == 1
    bench.clock.now += timedelta(days=3)
    assert ask(bench, STAFF).passages == ()
    records = len(bench.audit())
    for back in (timedelta(days=3), HOUR, timedelta(minutes=3)):
        bench.clock.now -= back
        with pytest.raises(AuditError, match="behind the last record of the audit") as caught:
            ask(bench, STAFF)
        assert str(back) in caught.value.message
        with pytest.raises(AuditError, match="behind"):
            retrieval(bench).sources(STAFF, request_id="r2")
        bench.clock.now += back
    assert len(bench.audit()) == records
    bench.clock.now -= timedelta(minutes=2)
    assert ask(bench, STAFF).passages == ()


def purge(bench: Bench, source: Source) -> None:
    erase.purge(bench.workshop, source, actor=ACTOR)


def erase_(bench: Bench, source: Source) -> None:
    documents = frozenset({bench.id(source, "leave.md")})
    asked = ErasureRequest(documents=documents, reference="DSR-1", ground="objection")
    erase.erase(bench.workshop, source, asked, actor=ACTOR)


def restrict(bench: Bench, source: Source) -> None:
    protect.place(bench.workshop, OrderKind.RESTRICTION, source.name, [], reference="R-1", by="caller:ann")


@pytest.mark.parametrize("act", [purge, erase_, restrict, Bench.sync])
def test_no_act_is_done_by_a_clock_that_went_back(bench: Bench, act: Callable[[Bench, Source], object]) -> None:
    source = apply(bench)
    bench.clock.now = MODIFIED + timedelta(days=900)
    ask(bench, STAFF)
    bench.clock.now -= HOUR
    served, records = bench.served(source), bench.audit()
    with pytest.raises(AuditError, match="behind the last record of the audit by 1:00:00"):
        act(bench, source)
    assert bench.audit() == records
    assert bench.served(source) == served
    bench.clock.now += HOUR
    act(bench, source)


@pytest.fixture
def run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PenstockError | str]:
    """Runs a command by the present clock, which is two hours behind the audit."""
    environment = {
        "PENSTOCK_HOME": str(bench.home.root),
        "PENSTOCK_MASTER_KEY": encode_master_key(MASTER_KEY),
        **catalogs.environment(bench.home.root),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bench.clock.now = datetime.now(UTC) + 2 * HOUR  # noqa: TID251 - what commands go by
    with bench.database.writing() as session:
        ledger.append(session, AuditEvent(actor=ACTOR, action=Action.RETRIEVED), now=bench.clock())

    def run(*arguments: str) -> PenstockError | str:
        result = CliRunner().invoke(build(), arguments, obj=Run())
        return result.exception if isinstance(result.exception, PenstockError) else str(result.stdout)

    return run


def clock_look() -> Checked:
    (found,) = (checked for checked in look_inside(None) if checked.what == "clock")
    return found


def test_the_doctor_tells_and_a_corrected_clock_is_put_on_record(
    bench: Bench, run: Callable[..., PenstockError | str]
) -> None:
    told = clock_look()
    assert not told.ok
    assert "behind the last record of the audit by 1:59:" in told.detail
    assert "penstock audit clock" in told.mend
    assert isinstance(run("key", "create", "--subject", "bo", "--purpose", "p", "--region", "gb"), AuditError)
    assert isinstance(run("audit", "clock", "--reference", " "), RefusedError)
    run("audit", "clock", "--reference", "INC-7")
    record = bench.audit()[-1]
    assert (record.action, json.loads(record.detail)) == (Action.CLOCK_CORRECTED, {"reference": "INC-7"})
    assert clock_look().ok
    assert "The audit holds" in str(run("audit", "verify"))
    refusal = run("audit", "clock", "--reference", "INC-8")
    assert isinstance(refusal, RefusedError)
    assert "not behind" in refusal.message
