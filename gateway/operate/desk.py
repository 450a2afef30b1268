"""The use cases of an operator. Every method may block and may be called from several threads at once.

What is asked for twice with one idempotency key happens once: the key is written down with the id of the job to come,
then the job is asked for by that id, then the answer is kept. A process that dies between two of these leaves a key
that the same request goes on with.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import NewType, Protocol

from sqlmodel import Session

from gateway import problems, requests
from gateway.credential import is_slug
from gateway.operate.schemas import render_job
from gateway.problems import BusyError, ForbiddenError, JobConflictError, NotFoundError, RequestError
from gateway.requests import Claimed, Reply
from indexer import catalog, joblog
from indexer.database import Database
from indexer.joblog import OPEN, Job, JobId, JobKind, JobState
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
        self, kind: JobKind, source: SourceName, *, actor: str, options: Mapping[str, bool], job: JobId | None = None
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
    if Role.OPERATOR not in caller.roles:
        raise ForbiddenError("This needs the role operator.", mend="Use a credential that has it.")
    return Operator(caller)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where operators ask. `clock` gives the present (UTC, aware), `new_id` a fresh random id."""

    database: Database
    keyring: Keyring
    jobs: Jobs
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

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
        ask = partial(self._ask, operator, source, options)
        return self._once(operator, key, what, ask, status=HTTPStatus.ACCEPTED, request_id=request_id)

    def steer(self, operator: Operator, job: JobId, verb: Verb, *, key: str, request_id: str) -> Reply:
        """Pause, resume or cancel a job; 200 with the job, 404, or 409 where its state does not allow it.

        Raises:
            RequestError: what `requests.claim` raises. DependencyError: nothing was decided; ask again.
        """
        steer = partial(self._steer, operator, job, verb)
        return self._once(operator, key, [verb, job], steer, status=HTTPStatus.OK, request_id=request_id)

    def _once(
        self,
        operator: Operator,
        key: str,
        what: list[str],
        act: Callable[[Claimed], Job],
        *,
        status: HTTPStatus,
        request_id: str,
    ) -> Reply:
        sealed = requests.seal(self.keyring, operator, key, what)
        with self._writing() as session:
            claimed = requests.claim(session, sealed, job=JobId(self.new_id()), now=self.clock())
        if isinstance(claimed, Reply):
            return claimed
        reply = None
        try:
            reply = self._reply(act, claimed, status, request_id)
        finally:
            with self._writing() as session:
                requests.settle(session, sealed, reply)
        return reply

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """As the database's own. That it is locked is no conflict of the caller's."""
        try:
            with self.database.writing() as session:
                yield session
        except ConflictError as error:
            raise _busy() from error

    def _reply(self, act: Callable[[Claimed], Job], claimed: Claimed, status: HTTPStatus, request_id: str) -> Reply:
        try:
            job = act(claimed)
        except (RequestError, JobConflictError) as error:
            refused = problems.of_error(error, request_id)
            return Reply(status=HTTPStatus(refused.status_code), body=bytes(refused.body), job=None)
        return Reply(status=status, body=render_job(job, self.clock()), job=job.id)

    def _ask(self, operator: Operator, source: SourceName, options: Mapping[str, bool], claimed: Claimed) -> Job:
        with self.database.reading() as session:
            if not is_slug(source) or catalog.registration(session, source) is None:
                raise NotFoundError("There is no such source.", mend="Name a registered one.")
        try:
            self.jobs.ask(JobKind.SYNC, source, actor=_actor(operator), options=options, job=claimed.job)
        except ConflictError as error:
            with self.database.reading() as session:
                found = joblog.jobs(session, source=source, states=joblog.OPEN)
            others = [job for job in found if job.kind is JobKind.SYNC and job.id != claimed.job]
            raise _conflict(others) from error
        return self.job(claimed.job)

    def _steer(self, operator: Operator, job: JobId, verb: Verb, claimed: Claimed) -> Job:
        found = self.job(job)
        if claimed.again and found.state in _DONE[verb]:
            return found
        steer = {Verb.PAUSE: self.jobs.pause, Verb.RESUME: self.jobs.resume, Verb.CANCEL: self.jobs.cancel}[verb]
        try:
            steer(job, actor=_actor(operator))
        except ConflictError as error:
            found = self.job(job)
            raise _conflict([found] if found.state not in _FROM[verb] else []) from error
        return self.job(job)


def _actor(operator: Operator) -> str:
    return f"caller:{operator.subject}"


def _busy() -> BusyError:
    return BusyError("Another writer is at work.", mend="Retry later.")


def _conflict(in_the_way: list[Job]) -> JobConflictError | BusyError:
    """What a conflict is told as: by the job that is in the way, or, without one, as another writer of the catalog."""
    if not in_the_way:
        return _busy()
    job = in_the_way[0]
    return JobConflictError(
        f"The {job.kind} {job.id} of {job.source!r} is {job.state}.",
        mend=f"See GET /v1/jobs/{job.id}; wait for it, resume it or cancel it.",
        job=job.id,
    )
