"""Rebuilding an index, deleting for good and verifying the home, as jobs."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from indexer import erase, joblog
from indexer.dues import Planner
from indexer.joblog import Job, JobState
from indexer.purges import request_of
from indexer.reconcile import verify
from indexer.run import Act, Run
from indexer.workshop import Workshop
from policies.manifest import Source

MAX_FINDINGS = 1000
"""That a job names (chosen)."""


@contextmanager
def rebuilding(workshop: Workshop, source: Source, job: Job) -> Iterator[Run]:
    """Build a source's index anew from the catalog and publish it.

    Raises:
        ConflictError: another process is at work on this source.
    """
    with workshop.sole_writer(source) as fenced:

        def rebuild() -> None:
            generation = fenced.rebuild(source, actor=job.actor)
            with fenced.database.writing() as session:
                joblog.note(session, job.id, {"generation": generation})
                joblog.end(session, job.id, JobState.FINISHED, now=fenced.clock())

        yield Act(rebuild)


@contextmanager
def purging(workshop: Workshop, source: Source, job: Job) -> Iterator[Run]:
    """Delete what is past its retention when the job comes to it, after what earlier purges left undone.

    Raises:
        ConflictError: another process is at work on this source.
    """
    with workshop.sole_writer(source) as fenced:
        yield _deleting(fenced, source, job, erase.due_now(fenced, source))


@contextmanager
def erasing(workshop: Workshop, source: Source, job: Job) -> Iterator[Run]:
    """Delete the documents that the job's options name, after what earlier purges left undone.

    Raises:
        ConflictError: another process is at work on this source.
        IntegrityError: the options are none of an erasure.
    """
    request = request_of(job.options)
    with workshop.sole_writer(source) as fenced:
        yield _deleting(fenced, source, job, erase.asked_for(fenced, source, request))


def _deleting(fenced: Workshop, source: Source, job: Job, planner: Planner) -> Run:
    def delete() -> None:
        # The purge has the job's id, so that one that is gone on with deletes nothing twice and has one receipt.
        signed = erase.carry_out(fenced, source, planner, actor=job.actor, purge_id=job.id)
        receipts = [json.loads(receipt)["receipt"] for receipt in signed]
        told = {
            "purges": [receipt["purge"] for receipt in receipts],
            "documents": sum(len(receipt["documents"]) for receipt in receipts),
        }
        with fenced.database.writing() as session:
            joblog.note(session, job.id, told)
            joblog.end(session, job.id, JobState.FINISHED, now=fenced.clock())

    return Act(delete)


@contextmanager
def verifying(workshop: Workshop, job: Job) -> Iterator[Run]:
    """Compare catalog, keyring, index and files, and note what is wrong with the whole home."""

    def look() -> None:
        findings = verify(workshop)
        named = [{"fault": one.fault.value, "source": one.source, "what": one.what} for one in findings]
        with workshop.database.writing() as session:
            joblog.note(session, job.id, {"findings": named[:MAX_FINDINGS]})
            joblog.count(session, job.id, Counter(finding.fault.value for finding in findings))
            joblog.end(session, job.id, JobState.FINISHED, now=workshop.clock())

    yield Act(look)
