"""The use cases of an operator. Every method may block and may be called from several threads at once."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import NewType, Protocol

from sqlmodel import Session

from gateway.credential import is_slug
from gateway.operate.once import Answered, Once, busy
from gateway.operate.schemas import render_job
from gateway.problems import BusyError, ForbiddenError, JobConflictError, NotFoundError
from gateway.requests import Claimed, Reply
from gateway.review.sight import Sight
from indexer import catalog, joblog
from indexer.database import Database
from indexer.joblog import OPEN, Job, JobId, JobKind, JobState, Options
from indexer.keyring import Keyring
from policies.errors import ConflictError, RefusedError
from policies.model import Caller, Role, SourceName

Operator = NewType("Operator", Caller)
"""A caller with the role `operator`. Only `operator_of` makes one."""


class Verb(StrEnum):
    """How a job is steered."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


_JOB_ID = re.compile(r"[0-9a-f]{24}")
_FROM: Mapping[Verb, frozenset[JobState]] = {
    Verb.PAUSE: frozenset({JobState.QUEUED, JobState.RUNNING}),
    Verb.RESUME: frozenset({JobState.PAUSED}),
    Verb.CANCEL: OPEN,
}
"""The states that a job can be steered from."""
_DONE: Mapping[Verb, frozenset[JobState]] = {
    Verb.PAUSE: frozenset({JobState.PAUSED}),
    Verb.RESUME: frozenset(JobState) - {JobState.PAUSED},
    Verb.CANCEL: frozenset({JobState.CANCELLED}),
}
"""The states that show that an earlier attempt came through."""


class Jobs(Protocol):
    """What asks for jobs and steers them. See `indexer.jobs`."""

    def ask(
        self, kind: JobKind, source: SourceName, *, actor: str, options: Options, job: JobId | None = None
    ) -> JobId:
        """Ask for a job; the same id again does nothing.

        Raises:
            ConflictError: one of this kind is open on the source.
        """

    def pause(self, job: JobId, *, actor: str) -> None:
        """Have a job wait. Raises ConflictError where it is not queued or running."""

    def resume(self, job: JobId, *, actor: str) -> None:
        """Have a job go on. Raises ConflictError where it is not paused."""

    def cancel(self, job: JobId, *, actor: str) -> None:
        """End a job. Raises ConflictError where it has ended."""


def operator_of(caller: Caller) -> Operator:
    """The caller as an operator.

    Raises:
        ForbiddenError: it lacks the role.
    """
    check_role(caller, Role.OPERATOR)
    return Operator(caller)


def check_role(caller: Caller, *roles: Role) -> None:
    """Return if a caller has one of these roles.

    Raises:
        ForbiddenError: it has none of them.
    """
    if caller.roles.isdisjoint(roles):
        raise ForbiddenError(f"This needs the role {' or '.join(roles)}.", mend="Use a credential that has it.")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where operators ask. `clock` gives the present (UTC, aware), `new_id` a fresh random id.

    `sight` knows what reviewers may see.
    """

    database: Database
    keyring: Keyring
    sight: Sight
    jobs: Jobs
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    @property
    def once(self) -> Once:
        """What serves a request that is sent again only once."""
        return Once(database=self.database, keyring=self.keyring, clock=self.clock, new_id=self.new_id)

    def listing(self, *, source: SourceName | None, state: JobState | None, limit: int) -> tuple[Job, ...]:
        """Jobs, the youngest first, at most `limit`."""
        with self.database.reading() as session:
            return joblog.jobs(session, source=source, states=JobState if state is None else {state}, limit=limit)

    def job(self, job: JobId) -> Job:
        """One job.

        Raises:
            NotFoundError: there is none of that id.
        """
        # PostgreSQL takes no text with NUL: what is no id is not looked up.
        if _JOB_ID.fullmatch(job):
            with suppress(RefusedError), self.database.reading() as session:
                return joblog.job(session, job)
        raise NotFoundError("There is no such job.", mend="List them with GET /v1/jobs.")

    def sync(
        self, operator: Operator, source: SourceName, options: Mapping[str, bool], *, key: str, request_id: str
    ) -> Reply:
        """Ask for a sync of a source; 202 with the job, 404, or 409 where one is open.

        Raises:
            RequestError: what `requests.claim` raises. DependencyError: nothing was decided; ask again.
        """
        what = ["sync", source, *(f"{name}={wanted}" for name, wanted in sorted(options.items()))]
        ask = partial(self._sync, operator, source, options)
        return self.once.do(operator, key, what, ask, status=HTTPStatus.ACCEPTED, request_id=request_id)

    def steer(self, operator: Operator, job: JobId, verb: Verb, *, key: str, request_id: str) -> Reply:
        """Pause, resume or cancel a job; 200 with the job, 404, or 409 where its state does not allow it.

        An erasure is steered by those alone who have the role `privacy` as well, others get 403.

        Raises:
            RequestError: what `requests.claim` raises. DependencyError: nothing was decided; ask again.
        """
        steer = partial(self._steer, operator, job, verb)
        return self.once.do(operator, key, [verb, job], steer, status=HTTPStatus.OK, request_id=request_id)

    def ask(self, caller: Caller, kind: JobKind, source: SourceName, options: Options, claimed: Claimed) -> Job:
        """Have a job done for a caller; it, as it is then.

        Raises:
            JobConflictError: one of its kind is open on the source. BusyError: another writer is at work.
        """
        try:
            self.jobs.ask(kind, source, actor=actor_of(caller), options=options, job=claimed.job)
        except ConflictError as error:
            with self.database.reading() as session:
                found = joblog.jobs(session, source=source, states=joblog.OPEN)
            others = [job for job in found if job.kind is kind and job.id != claimed.job]
            raise _conflict(others) from error
        return self.job(claimed.job)

    def source(self, session: Session, name: SourceName) -> catalog.Registration:
        """A source as it is registered.

        Raises:
            NotFoundError: there is none of that name.
        """
        registered = catalog.registration(session, name) if is_slug(name) else None
        if registered is None:
            raise NotFoundError("There is no such source.", mend="Name a registered one.")
        return registered

    def _sync(self, operator: Operator, source: SourceName, options: Options, claimed: Claimed) -> Answered:
        with self.database.reading() as session:
            self.source(session, source)
        return self._answer(self.ask(operator, JobKind.SYNC, source, options, claimed))

    def _steer(self, operator: Operator, job: JobId, verb: Verb, claimed: Claimed) -> Answered:
        found = self.job(job)
        if found.kind is JobKind.ERASE:
            # What a privacy officer asked for, for somebody who has a right to it.
            check_role(operator, Role.PRIVACY)
        if claimed.again and found.state in _DONE[verb]:
            return self._answer(found)
        steer = {Verb.PAUSE: self.jobs.pause, Verb.RESUME: self.jobs.resume, Verb.CANCEL: self.jobs.cancel}[verb]
        try:
            steer(job, actor=actor_of(operator))
        except ConflictError as error:
            found = self.job(job)
            raise _conflict([found] if found.state not in _FROM[verb] else []) from error
        return self._answer(self.job(job))

    def _answer(self, job: Job) -> Answered:
        return Answered(about=job.id, body=render_job(job, self.clock()))


def actor_of(caller: Caller) -> str:
    """What the audit names a caller."""
    return f"caller:{caller.subject}"


def _conflict(in_the_way: list[Job]) -> JobConflictError | BusyError:
    """What a conflict is told as: by the job that is in the way, or, without one, as another writer of the catalog."""
    if not in_the_way:
        return busy()
    job = in_the_way[0]
    return JobConflictError(
        f"The {job.kind} {job.id} of {job.source!r} is {job.state}.",
        mend=f"See GET /v1/jobs/{job.id}; wait for it, resume it or cancel it.",
        job=job.id,
    )
