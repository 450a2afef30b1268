"""Rebuilding an index and verifying the home, as jobs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from indexer import joblog
from indexer.joblog import Job, JobState
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
