"""A process that serves one request of an operator and is killed on the way.

python -m tests.gateway.dying HOME sync|purge|pause|resume|cancel JOB before|after

To purge, JOB is the document that is to be erased, or nothing for what is past its retention.
"""

import os
import signal
import sys
from pathlib import Path

from gateway.operate.desk import Verb, operator_of
from gateway.operate.privacy.desk import PurgeDesk, officer_of
from indexer.joblog import JobId
from policies.model import DocumentId, SourceName
from policies.purge import ErasureRequest
from tests.gateway.operating import DSR, GROUND, KEY_TEXT, OFFICER, OPERATOR, USUAL, FakeJobs, desk_over
from tests.indexer.workbench import opened


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, act: str, job: str, moment: str) -> None:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
