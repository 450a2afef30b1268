"""A process that serves one request of an operator and is killed on the way."""

import multiprocessing
import os
import signal
from pathlib import Path

from gateway.operate.desk import Verb, operator_of
from gateway.operate.privacy.desk import PurgeDesk, officer_of
from indexer.joblog import JobId
from policies.model import DocumentId, SourceName
from policies.purge import ErasureRequest
from tests.gateway.operating import DSR, GROUND, KEY_TEXT, OFFICER, OPERATOR, USUAL, FakeJobs, desk_over
from tests.indexer.workbench import Bench, opened

TIMEOUT_S = 60


def killed(bench: Bench, act: str, moment: str, *, job: str = "") -> None:
    """Have another process serve a request on this home, and die `before` or `after` it has asked for the job.

    `act` is `sync`, `purge` or what is to be done with the job. To purge, `job` is the document that is to be erased,
    or nothing for what is past its retention.
    """
    # Forked from a process that has imported this and opened nothing: to import it takes seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_serve, args=(bench.home.root, act, job, moment))
    process.start()
    process.join(TIMEOUT_S)
    if process.is_alive():
        process.kill()
        raise AssertionError("it lives on")
    assert process.exitcode == -signal.SIGKILL


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _serve(home: Path, act: str, job: str, moment: str) -> None:
    with opened(home) as bench:
        jobs = FakeJobs(database=bench.database, clock=bench.clock)
        setattr(jobs, moment, _die)
        desk, operator = desk_over(bench, jobs), operator_of(OPERATOR)
        if act == "sync":
            desk.sync(operator, SourceName("hr-handbook"), USUAL, key=KEY_TEXT, request_id="r0")
        elif act == "purge":
            documents = frozenset({DocumentId(job)})
            request = ErasureRequest(documents=documents, reference=DSR, ground=GROUND) if job else None
            officer, source = officer_of(OFFICER), SourceName("hr-handbook")
            PurgeDesk(desk).ask(officer, source, request, key=KEY_TEXT, request_id="r0")
        else:
            desk.steer(operator, JobId(job), Verb(act), key=KEY_TEXT, request_id="r0")
