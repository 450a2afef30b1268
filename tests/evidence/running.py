"""A source taken in by the real thing, for commands that measure."""

import sys
from pathlib import Path

from gateway.wiring import Installation
from indexer import register
from indexer.joblog import Job, JobKind, JobState
from policies.manifest import Source, parse

ACTOR = "evidence"


def applied(installation: Installation, manifest: str, folder: Path) -> Source:
    """The source of a manifest, put in force as if it lay in `folder`."""
    path = folder / "evidence.yaml"
    source = parse(manifest, path=str(path))
    register.apply(installation.workshop(), source, manifest=manifest, path=path, actor=ACTOR)
    return source


def synced(installation: Installation, source: Source) -> Job:
    """The sync of a source, at its end; SystemExit where it failed."""
    with installation.worker() as worker:
        job = worker.run(JobKind.SYNC, source.name, actor=ACTOR, options={}, watch=_say)
    print(file=sys.stderr)
    if job.state is not JobState.FINISHED:
        raise SystemExit(f"The sync ended {job.state}: {job.failure}")
    return job


def _say(job: Job) -> None:
    print(f"\r{job.done} of {job.total or '?'} documents", end="", file=sys.stderr, flush=True)
